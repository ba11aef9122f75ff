//! Steps: random nests of calls against the interpreter, split among any number of threads.

use proptest::prelude::*;

use super::super::executor::Executor;
use super::{assert_agree, executed, interpreted, ways};
use crate::code::assemble;
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{Count, LANES, Offset, Operand, Spills, VecBinary};
use crate::kernels::step::{Base, Call, CallArg, KernelId, Lowered, Nest, Step, TableArg};
use crate::kernels::testing::bits;
use crate::runtime::{Placement, Pool, Sequential};

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

/// Numbers from which a nest is decoded: its dims, its calls, and those of nests in it.
type Choice = (Vec<u64>, Vec<[u32; 4]>, Vec<Inner>);
type Inner = (Vec<u64>, Vec<[u32; 4]>);

fn nests() -> impl Strategy<Value = Vec<Choice>> {
    let calls = || prop::collection::vec(any::<[u32; 4]>(), 0..4);
    let inner = (prop::collection::vec(1u64..4, 0..3), calls());
    let nest = (prop::collection::vec(1u64..5, 0..4), calls(), prop::collection::vec(inner, 0..3));
    prop::collection::vec(nest, 1..4)
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

fn calls(choices: &[[u32; 4]], dims: &[u64], writable: &[Base], readable: &[Base]) -> Vec<Call> {
    choices
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
        .collect()
}

fn nest((dims, outer, inner): &Choice, writable: &[Base], readable: &[Base]) -> Nest {
    let inner = inner.iter().map(|(more, choices)| {
        let all = [dims.as_slice(), more].concat();
        Nest::new(more.clone(), calls(choices, &all, writable, readable))
    });
    let calls = calls(outer, dims, writable, readable);
    Nest { calls, ..Nest::around(dims.clone(), inner.collect()) }
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
        Nest::new(vec![WORDS as u64 / 8], vec![call])
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
        local_bytes: 0,
        input_bytes: vec![bytes; 2],
        output_bytes: vec![bytes; 2],
        param_bytes: vec![bytes; 2],
    }
}

/// Splits every step, and runs its parts in order.
pub(super) struct InOrder(pub(super) usize);

impl Executor for InOrder {
    fn threads(&self) -> usize {
        self.0
    }

    fn grain(&self) -> u64 {
        1
    }

    fn run(&self, parts: usize, part: &(dyn Fn(usize) + Sync)) {
        (0..parts).for_each(part);
    }
}

fn buffers(seed: u32) -> Vec<Vec<u32>> {
    (0..2).map(|i| bits(seed + i).into_iter().cycle().take(WORDS).collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn random_nests_in_parts(
        prepare in nests(),
        run in prop::collection::vec(nests(), 1..4),
        threads in 2usize..12,
        seed in 0u32..1000,
    ) {
        let lowered = program(&prepare, &run);
        let (params, inputs) = (buffers(seed), buffers(seed + 2));
        for (target, backend) in ways() {
            let code = assemble(&lowered, &target, backend).unwrap();
            let expected = interpreted(&lowered, target, &params, &inputs);
            let whole = executed(&code, &Sequential, &lowered, &params, &inputs, Placement::Before);
            assert_agree(&expected, &whole, &[true, true], "whole");
            let split = executed(&code, &InOrder(threads), &lowered, &params, &inputs, Placement::After);
            assert_agree(&expected, &split, &[true, true], "in parts");
        }
    }
}

/// Breaks its word: parts that do not exist, parts in any order, at the same time and again, and some not at all.
struct Careless(usize);

impl Executor for Careless {
    fn threads(&self) -> usize {
        self.0
    }

    fn grain(&self) -> u64 {
        1
    }

    fn run(&self, parts: usize, part: &(dyn Fn(usize) + Sync)) {
        part(parts);
        part(usize::MAX);
        std::thread::scope(|scope| {
            for thread in 0..3 {
                scope.spawn(move || (0..parts).rev().filter(|p| p % 3 != thread).for_each(part));
            }
        });
        (0..parts / 2).for_each(part);
    }
}

#[test]
fn threads_share_the_units_of_a_step() {
    [false, true].into_iter().for_each(threads_share_the_units_of_a_step_with);
}

/// `anew`: whether the second nest is shared out by itself.
fn threads_share_the_units_of_a_step_with(anew: bool) {
    // Units write where no other does: after `fill`, each copies a vector of its own, in both nests.
    let mut lowered = program(&[], &[]);
    let arg = |base, offset| CallArg::Ptr { base, offset, strides: vec![1024, 32], tables: Vec::new() };
    let nest = |kernel, extra: Option<i64>, from, to| {
        let args = std::iter::once(arg(to, 0)).chain(extra.map(CallArg::Int)).chain([arg(from, 0)]);
        Nest::new(vec![8, 32], vec![Call { kernel: KernelId(kernel), args: args.collect() }])
    };
    lowered.run.push(Step {
        name: "shared".to_owned(),
        nests: vec![
            nest(1, Some(2), Base::Input(1), Base::Output(0)),
            Nest { anew, ..nest(1, Some(3), Base::Input(0), Base::Output(1)) },
        ],
    });
    let (params, inputs) = (buffers(1), buffers(3));
    for (target, backend) in ways() {
        let code = assemble(&lowered, &target, backend).unwrap();
        let expected = interpreted(&lowered, target, &params, &inputs);
        for threads in [1, 2, 3, 7] {
            let executors: [&dyn Executor; 3] =
                [&Pool::new(threads).with_grain(1), &InOrder(threads), &Careless(threads)];
            for executor in executors {
                for placement in [Placement::Before, Placement::After] {
                    let got = executed(&code, executor, &lowered, &params, &inputs, placement);
                    assert_agree(&expected, &got, &[true, true], "on threads");
                }
            }
        }
    }
}
