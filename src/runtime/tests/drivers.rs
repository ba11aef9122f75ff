//! Drivers: random nests of calls against the interpreter, split in any way.

#![allow(unsafe_code, reason = "an executor that splits units in odd ways")]

use proptest::prelude::*;

use super::super::executor::Executor;
use super::fenced::Fence;
use super::{assert_agree, executed, interpreted, ways};
use crate::code::assemble;
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{Count, LANES, Offset, Operand, Spills, VecBinary};
use crate::kernels::step::{Base, Call, CallArg, KernelId, Lowered, Nest, Step, TableArg};
use crate::kernels::testing::bits;
use crate::runtime::{Loaded, Sequential};

/// Words of every buffer.
const WORDS: usize = 2048;

/// Kernels whose result depends on how often and in which order they run: `out = out · 8 ⊕ x + …`.
fn kernels() -> Vec<crate::kernels::ir::Kernel> {
    let mix = |k: &mut KernelBuilder, out: crate::kernels::ir::Ptr, x: crate::kernels::ir::Vreg| {
        let old = k.load(out.at(0), LANES);
        let shifted = k.unary(crate::kernels::ir::VecUnary::ShiftLeft(3), old);
        let mixed = k.binary(VecBinary::Xor, shifted, old);
        let sum = k.binary(VecBinary::AddInt, mixed, x);
        k.store(out.at(0), sum, LANES);
    };
    let mut one = KernelBuilder::new("no input");
    let out = one.ptr_arg();
    let x = one.splat(1.0);
    mix(&mut one, out, x);

    let mut two = KernelBuilder::new("one input, an integer in between");
    let out = two.ptr_arg();
    let count = two.int_arg();
    let x = two.ptr_arg();
    two.repeat(Count::Int(count), |k| {
        let value = k.load(x.at(0), LANES);
        mix(k, out, value);
    });

    let mut three = KernelBuilder::new("two inputs and an offset");
    let (a, b, by, out) = (three.ptr_arg(), three.ptr_arg(), three.int_arg(), three.ptr_arg());
    let near = three.ptr();
    three.set_ptr(near, b, Offset::Int(by));
    let x = three.load(a.at(0), LANES);
    let sum = three.binary(VecBinary::SubInt, x, Operand::Mem(near.at(0)));
    mix(&mut three, out, sum);
    [one, two, three].map(|k| k.finish(Spills::Allowed)).into()
}

/// Numbers from which a nest is decoded.
type Choice = (Vec<u64>, Vec<[u32; 4]>);

fn nests() -> impl Strategy<Value = Vec<Choice>> {
    let dims = prop::collection::vec(1u64..5, 0..5);
    prop::collection::vec((dims, prop::collection::vec(any::<[u32; 4]>(), 1..5)), 1..4)
}

/// A pointer somewhere into `base` that stays in it for every unit.
fn pointer(base: Base, dims: &[u64], seed: u32) -> CallArg {
    let mut state = u64::from(seed);
    let mut next = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    // At most 5 dims, each moving by at most 4 · 48 and, twice, by 96 bytes.
    let strides = dims.iter().map(|_| 4 * (next(25) as i64 - 12)).collect();
    let tables = (0..if dims.is_empty() { 0 } else { next(3) })
        .map(|_| {
            let dim = next(dims.len() as u64) as usize;
            TableArg { dim, offsets: (0..dims[dim]).map(|_| 4 * (next(49) as i64 - 24)).collect() }
        })
        .collect();
    CallArg::Ptr { base, offset: 2048 + 4 * next(100) as i64, strides, tables }
}

fn nest((dims, calls): &Choice, writable: &[Base], readable: &[Base]) -> Nest {
    let calls = calls
        .iter()
        .map(|&[kernel, out, a, b]| {
            let pick = |list: &[Base], n: u32| list[n as usize % list.len()];
            let write = pointer(pick(writable, out), dims, out);
            let (a, b) = (pointer(pick(readable, a), dims, a >> 1), pointer(pick(readable, b), dims, b >> 1));
            let (kernel, args) = match kernel % 3 {
                0 => (0, vec![write]),
                1 => (1, vec![write, CallArg::Int(i64::from(kernel % 7 / 2)), a]),
                _ => (2, vec![a, b, CallArg::Int(4 * i64::from(kernel % 50) - 100), write]),
            };
            Call { kernel: KernelId(kernel), args }
        })
        .collect();
    Nest { dims: dims.clone(), calls }
}

/// Steps that start by filling what they work on, so that nothing depends on memory nobody wrote.
fn program(prepare: &[Choice], run: &[Vec<Choice>]) -> Lowered {
    let mut kernels = kernels();
    let mut fill = KernelBuilder::new("copy");
    let (x, out) = (fill.ptr_arg(), fill.ptr_arg());
    let value = fill.load(x.at(0), LANES);
    fill.store(out.at(0), value, LANES);
    kernels.push(fill.finish(Spills::Allowed));
    let copy = |from, to| {
        let arg = |base| CallArg::Ptr { base, offset: 0, strides: vec![32], tables: Vec::new() };
        let call = Call { kernel: KernelId(3), args: vec![arg(from), arg(to)] };
        Nest { dims: vec![WORDS as u64 / 8], calls: vec![call] }
    };
    let step = |name: &str, nests| Step { name: name.to_owned(), nests };

    let read = [Base::Consts, Base::Param(0), Base::Param(1), Base::Packed];
    let mut prepare_steps = vec![step("fill packed", vec![copy(Base::Param(0), Base::Packed)])];
    prepare_steps
        .push(step("prepare", prepare.iter().map(|choice| nest(choice, &[Base::Packed], &read)).collect()));

    let write = [Base::Arena, Base::Output(0), Base::Output(1)];
    let read = [
        Base::Consts,
        Base::Packed,
        Base::Input(0),
        Base::Input(1),
        Base::Param(1),
        Base::Arena,
        Base::Output(1),
    ];
    let mut run_steps = vec![step(
        "fill",
        vec![
            copy(Base::Input(1), Base::Arena),
            copy(Base::Packed, Base::Output(0)),
            copy(Base::Input(0), Base::Output(1)),
        ],
    )];
    for (number, choices) in run.iter().enumerate() {
        run_steps.push(step(
            &format!("layer.{number}: é"),
            choices.iter().map(|choice| nest(choice, &write, &read)).collect(),
        ));
    }
    let bytes = 4 * WORDS as u64;
    Lowered {
        kernels,
        prepare: prepare_steps,
        run: run_steps,
        consts: bits(77)
            .iter()
            .cycle()
            .take(WORDS)
            .flat_map(|word| word.to_le_bytes())
            .chain([1, 2, 3])
            .collect(),
        packed_bytes: bytes,
        arena_bytes: bytes,
        input_bytes: vec![bytes; 2],
        output_bytes: vec![bytes; 2],
        param_bytes: vec![bytes; 2],
    }
}

/// Runs units in order, in pieces of the given sizes, some of them empty.
struct Pieces(Vec<u64>);

// SAFETY: the pieces follow one another on this thread and end with the last unit.
unsafe impl Executor for Pieces {
    fn run(&self, units: u64, task: &(dyn Fn(u64, u64) + Sync)) {
        let mut begin = 0;
        for &size in self.0.iter().cycle().take(1000) {
            let end = units.min(begin + size);
            task(begin, end);
            begin = end;
        }
        task(begin, units);
    }
}

fn buffers(seed: u32) -> Vec<Vec<u32>> {
    (0..2).map(|i| bits(seed + i).into_iter().cycle().take(WORDS).collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn random_nests_in_random_pieces(
        prepare in nests(),
        run in prop::collection::vec(nests(), 1..4),
        pieces in prop::collection::vec(0u64..9, 1..6),
        seed in 0u32..1000,
    ) {
        let lowered = program(&prepare, &run);
        let (params, inputs) = (buffers(seed), buffers(seed + 2));
        for (target, backend) in ways() {
            let loaded = Loaded::load(&assemble(&lowered, &target, backend).unwrap()).unwrap();
            let expected = interpreted(&lowered, target, &params, &inputs);
            let whole = executed(&loaded, &Sequential, &lowered, &params, &inputs, Fence::Before);
            assert_agree(&expected, &whole, &[true, true], "whole");
            let split = executed(&loaded, &Pieces(pieces.clone()), &lowered, &params, &inputs, Fence::After);
            assert_agree(&expected, &split, &[true, true], "in pieces");
        }
    }
}

/// Splits units among threads that run at the same time.
struct Threads(u64);

// SAFETY: the ranges are disjoint, and the scope ends when its threads have.
unsafe impl Executor for Threads {
    fn run(&self, units: u64, task: &(dyn Fn(u64, u64) + Sync)) {
        std::thread::scope(|scope| {
            for thread in 0..self.0 {
                scope.spawn(move || task(units * thread / self.0, units * (thread + 1) / self.0));
            }
        });
    }
}

#[test]
fn threads_share_the_units_of_a_step() {
    // Units write where no other does: after `fill`, each copies a vector of its own, in both nests.
    let mut lowered = program(&[], &[]);
    let arg = |base, offset| CallArg::Ptr { base, offset, strides: vec![1024, 32], tables: Vec::new() };
    let nest = |kernel, extra: Option<i64>, from, to| Nest {
        dims: vec![8, 32],
        calls: vec![Call {
            kernel: KernelId(kernel),
            args: std::iter::once(arg(to, 0)).chain(extra.map(CallArg::Int)).chain([arg(from, 0)]).collect(),
        }],
    };
    lowered.run.push(Step {
        name: "shared".to_owned(),
        nests: vec![
            nest(1, Some(2), Base::Input(1), Base::Output(0)),
            nest(1, Some(3), Base::Input(0), Base::Output(1)),
        ],
    });
    let (params, inputs) = (buffers(1), buffers(3));
    for (target, backend) in ways() {
        let loaded = Loaded::load(&assemble(&lowered, &target, backend).unwrap()).unwrap();
        let expected = interpreted(&lowered, target, &params, &inputs);
        for threads in [1, 2, 3, 7] {
            let got = executed(&loaded, &Threads(threads), &lowered, &params, &inputs, Fence::After);
            assert_agree(&expected, &got, &[true, true], "on threads");
        }
    }
}

#[test]
fn equal_tables_are_placed_once_behind_the_constants() {
    let table = |offsets: Vec<i64>| TableArg { dim: 0, offsets };
    let arg = |base, tables| CallArg::Ptr { base, offset: 0, strides: vec![0], tables };
    let call = |tables: Vec<TableArg>| Call {
        kernel: KernelId(3),
        args: vec![arg(Base::Input(0), tables.clone()), arg(Base::Output(0), tables)],
    };
    let mut lowered = program(&[], &[]);
    let dims = vec![3];
    let calls =
        vec![call(vec![table(vec![0, 64, 32])]), call(vec![table(vec![0, 64, 32]), table(vec![0, 4, 8])])];
    lowered.run.push(Step { name: "tables".to_owned(), nests: vec![Nest { dims, calls }] });
    for (target, backend) in ways() {
        let code = assemble(&lowered, &target, backend).unwrap();
        let placed = (lowered.consts.len() as u64).next_multiple_of(8) as usize;
        assert_eq!(code.consts[..lowered.consts.len()], lowered.consts);
        let tables: Vec<u8> =
            [0i64, 64, 32, 0, 4, 8].iter().flat_map(|offset| offset.to_le_bytes()).collect();
        assert_eq!(code.consts[placed..], tables);
    }
}
