//! Instructions of the IR, one by one and in random kernels.

use proptest::prelude::*;

use super::check;
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{Cmp, Count, Inst, LANES, Operand, Ptr, Spills, VecBinary, VecUnary, Vreg};
use crate::kernels::step::{Base, Call, CallArg, KernelId, Lowered, Nest, Step};
use crate::kernels::testing::{BUFFER_WORDS, bits, numbers, program, scripts};

fn words(values: Vec<f32>) -> Vec<u32> {
    values.into_iter().map(f32::to_bits).collect()
}

/// Compares a kernel on two inputs and an output of 64 blocks: `body` is given pointers to each, and the
/// kernel runs for each block.
fn check_blocks(exact: bool, inputs: [Vec<u32>; 2], body: impl FnOnce(&mut KernelBuilder, [Ptr; 3])) {
    const BLOCK: i64 = 4 * 64;
    let blocks = inputs[0].len() as u64 * 4 / BLOCK as u64;
    let mut k = KernelBuilder::new("one");
    let ptrs = std::array::from_fn(|_| k.ptr_arg());
    body(&mut k, ptrs);
    let arg = |base| CallArg::Ptr { base, offset: 0, strides: vec![BLOCK], tables: Vec::new() };
    let args = vec![arg(Base::Input(0)), arg(Base::Input(1)), arg(Base::Output(0))];
    let lowered = Lowered {
        kernels: vec![k.finish(Spills::Allowed)],
        prepare: Vec::new(),
        run: vec![Step {
            name: "blocks".to_owned(),
            nests: vec![Nest::new(vec![blocks], vec![Call { kernel: KernelId(0), args }])],
        }],
        consts: Vec::new(),
        packed_bytes: 0,
        arena_bytes: 0,
        local_bytes: 0,
        input_bytes: inputs.iter().map(|input| 4 * input.len() as u64).collect(),
        output_bytes: vec![blocks * BLOCK as u64],
        param_bytes: Vec::new(),
    };
    check(&lowered, &[], &inputs, &[exact]);
}

/// Numbers at the edges of f32, each against each.
fn edges() -> [Vec<u32>; 2] {
    const EDGES: [f32; 16] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        2.5,
        -3.5,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN_POSITIVE,
        -1e-42,
        2_147_483_648.0,
        -2_147_483_904.0,
        8_388_607.5,
    ];
    let a = EDGES.iter().flat_map(|&a| [a; EDGES.len()]).collect();
    let b = EDGES.iter().flat_map(|_| EDGES).collect();
    [words(a), words(b)]
}

/// The first vector of each block of both inputs to `body`, its result to the output.
fn check_vectors(exact: bool, inputs: [Vec<u32>; 2], body: impl Fn(&mut KernelBuilder, Vreg, Vreg) -> Vreg) {
    check_blocks(exact, inputs, |k, [a, b, out]| {
        for i in 0..8 {
            let (a, b) = (k.load(a.at(32 * i), LANES), k.load(b.at(32 * i), LANES));
            let result = body(k, a, b);
            k.store(out.at(32 * i), result, LANES);
        }
    });
}

#[test]
fn arithmetic_at_the_edges() {
    for op in [VecBinary::Add, VecBinary::Sub, VecBinary::Mul, VecBinary::Div, VecBinary::Max, VecBinary::Min]
    {
        check_vectors(false, edges(), |k, a, b| k.binary(op, a, b));
    }
    check_vectors(false, edges(), |k, a, b| {
        let acc = k.copy(b);
        k.fma(acc, a, b);
        k.fma(acc, a, 0.1);
        acc
    });
}

#[test]
fn comparisons_at_the_edges() {
    for cmp in [Cmp::Eq, Cmp::Lt, Cmp::Le, Cmp::Unordered] {
        check_vectors(true, edges(), |k, a, b| k.cmp(cmp, a, b));
        check_vectors(true, edges(), |k, a, b| {
            let mask = k.cmp(cmp, a, b);
            k.blend(mask, a, b)
        });
    }
}

#[test]
fn unary_operations_at_the_edges() {
    for op in [VecUnary::Sqrt, VecUnary::Round, VecUnary::Floor, VecUnary::SumLanes, VecUnary::MaxLanes] {
        check_vectors(false, edges(), |k, _, b| k.unary(op, b));
        check_vectors(false, [words(numbers(13)), words(numbers(14))], |k, a, _| k.unary(op, a));
    }
    check_vectors(true, edges(), |k, _, b| k.unary(VecUnary::ToInt, b));
    check_vectors(true, [bits(1), bits(2)], |k, a, _| k.unary(VecUnary::ToFloat, a));
}

#[test]
fn operations_on_bits() {
    let inputs = || [bits(3), bits(4)];
    for op in [
        VecBinary::And,
        VecBinary::Or,
        VecBinary::Xor,
        VecBinary::AndNot,
        VecBinary::AddInt,
        VecBinary::SubInt,
    ] {
        check_vectors(true, inputs(), |k, a, b| k.binary(op, a, b));
        check_vectors(true, inputs(), |k, a, _| k.binary(op, a, Operand::Const(0x8765_4321)));
    }
    for by in [0, 1, 7, 16, 31] {
        check_vectors(true, inputs(), |k, a, _| k.unary(VecUnary::ShiftLeft(by), a));
        check_vectors(true, inputs(), |k, a, _| k.unary(VecUnary::ShiftRight(by), a));
        check_vectors(true, inputs(), |k, a, _| k.unary(VecUnary::ShiftRightArithmetic(by), a));
    }
    // The highest bit chooses, whatever the others are.
    check_vectors(true, inputs(), |k, a, b| k.blend(a, b, a));
    check_vectors(true, inputs(), |k, _, _| k.splat(-1.5));
}

#[test]
fn partial_accesses_touch_the_lanes_they_name() {
    for lanes in 1..=LANES {
        check_blocks(true, [bits(5), bits(6)], |k, [a, b, out]| {
            let x = k.load(a.at(4), lanes);
            let y = k.load_strided(b.at(8), 12, lanes);
            k.store(out.at(0), x, lanes);
            k.store_strided(out.at(64), y, 8, lanes);
            k.store_strided(out.at(160), x, -4, lanes);
            k.store(out.at(192), y, LANES);
            let splat = k.load_splat(b.at(248));
            k.store(out.at(224), splat, LANES);
        });
    }
}

#[test]
fn partial_accesses_stay_within_tensors() {
    for lanes in 1..=LANES as i32 {
        // As many lanes as the tensor has, from its start to its end; backwards, too.
        let words = lanes as usize;
        let mut k = KernelBuilder::new("edge");
        let [a, b, out, back] = std::array::from_fn(|_| k.ptr_arg());
        let x = k.load(a.at(0), words);
        let y = k.load_strided(b.at(4 * (lanes - 1)), -4, words);
        let sum = k.binary(VecBinary::AddInt, x, y);
        k.store(out.at(0), sum, words);
        k.store_strided(back.at(4 * (lanes - 1)), sum, -4, words);
        let index = k.load(b.at(0), words);
        let zeros = k.binary(VecBinary::And, index, 0.0);
        let gathered = k.vreg();
        k.inst(Inst::Gather { dst: gathered, addr: a.at(4 * (lanes - 1)), index: zeros, bounds: (0, 0) });
        k.store(out.at(4 * lanes), gathered, words);
        let arg = |base| CallArg::Ptr { base, offset: 0, strides: Vec::new(), tables: Vec::new() };
        let args = [Base::Input(0), Base::Input(1), Base::Output(0), Base::Output(1)].map(arg).into();
        let bytes = 4 * lanes as u64;
        let lowered = Lowered {
            kernels: vec![k.finish(Spills::Allowed)],
            prepare: Vec::new(),
            run: vec![Step {
                name: "edge".to_owned(),
                nests: vec![Nest::new(Vec::new(), vec![Call { kernel: KernelId(0), args }])],
            }],
            consts: Vec::new(),
            packed_bytes: 0,
            arena_bytes: 0,
            local_bytes: 0,
            input_bytes: vec![bytes; 2],
            output_bytes: vec![2 * bytes, bytes],
            param_bytes: Vec::new(),
        };
        let inputs = [11, 12].map(|seed| bits(seed)[..words].to_vec());
        check(&lowered, &[], &inputs, &[true, true]);
    }
}

#[test]
fn transposes() {
    check_blocks(true, [bits(7), bits(8)], |k, [a, _, out]| {
        let regs = std::array::from_fn(|i| k.load(a.at(32 * i as i32), LANES));
        k.inst(Inst::Transpose { regs });
        for (i, &reg) in regs.iter().enumerate() {
            k.store(out.at(32 * i as i32), reg, LANES);
        }
    });
}

#[test]
fn many_registers_are_spilled_and_restored() {
    check_blocks(true, [bits(9), bits(10)], |k, [a, b, out]| {
        let sums: Vec<_> = (0..56).map(|i| k.load_splat(a.at(4 * i))).collect();
        k.repeat(Count::Static(5), |k| {
            for (i, &sum) in sums.iter().enumerate() {
                k.binary_to(VecBinary::AddInt, sum, sum, b.at(4 * i as i32));
            }
        });
        for (i, &sum) in sums.iter().enumerate() {
            k.store(out.at(4 * i as i32), sum, LANES);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn random_kernels(script in scripts(60), seed: u32) {
        let lowered = program(&script);
        let inputs = [words(numbers(seed)), bits(seed)];
        prop_assert_eq!(inputs[0].len(), BUFFER_WORDS);
        check(&lowered, &[], &inputs, &[false, true]);
    }
}
