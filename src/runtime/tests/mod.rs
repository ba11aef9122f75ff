//! Machine code against the interpreter, bit for bit.

mod drivers;
mod fences;
mod instructions;
mod memory;
mod pool;

use super::{Executor, Fenced, Loaded, Placement, Sequential};
use crate::code::{Backend, Code, assemble};
use crate::kernels::interpret::{self, FmaRounding, Memory};
use crate::kernels::step::{Base, Lowered};
use crate::target::{Supported, Target};

/// Every way to make code that this machine runs.
fn ways() -> Vec<(Target, Backend)> {
    let targets = [Target::X64_AVX512, Target::X64_AVX2, Target::X64, Target::AARCH64];
    let mut ways: Vec<_> = targets.into_iter().map(|target| (target, Backend::Cranelift)).collect();
    ways.extend([Target::X64_AVX512, Target::X64_AVX2].map(|target| (target, Backend::X64)));
    ways.retain(|(target, _)| Supported::check(target.isa).is_some());
    assert!(!ways.is_empty(), "this machine runs no code");
    ways
}

/// What a program leaves in its outputs.
type Outputs = Vec<Vec<u32>>;

/// Outputs start as this, so that what is not written is the same everywhere.
const UNWRITTEN: u32 = 0xffff_ffff;

fn floats(words: &[u32]) -> Vec<f32> {
    words.iter().map(|&word| f32::from_bits(word)).collect()
}

/// Runs a program by the interpreter.
fn interpreted(lowered: &Lowered, target: Target, params: &[Vec<u32>], inputs: &[Vec<u32>]) -> Outputs {
    let rounding = if target.has_fma() { FmaRounding::Once } else { FmaRounding::Twice };
    let mut memory = Memory::new(lowered).unwrap();
    for (i, values) in inputs.iter().enumerate() {
        memory.write(lowered, Base::Input(i as u32), &floats(values)).unwrap();
    }
    for (i, values) in params.iter().enumerate() {
        memory.write(lowered, Base::Param(i as u32), &floats(values)).unwrap();
    }
    interpret::run_prepare(lowered, &mut memory, rounding).unwrap();
    interpret::run(lowered, &mut memory, rounding).unwrap();
    (0..lowered.output_bytes.len())
        .map(|i| memory.read(lowered, Base::Output(i as u32)).into_iter().map(f32::to_bits).collect())
        .collect()
}

/// Runs a program as machine code. All buffers are beside a fence, so those with it after them are mostly aligned to 4
/// bytes only.
fn executed(
    code: &Code,
    executor: &dyn Executor,
    lowered: &Lowered,
    params: &[Vec<u32>],
    inputs: &[Vec<u32>],
    placement: Placement,
) -> Outputs {
    let loaded = Loaded::load_placed(code, placement).unwrap();
    let place = |words: &Vec<u32>| Fenced::new(&floats(words), placement).unwrap();
    let fenced = |lists: &[Vec<u32>]| lists.iter().map(place).collect::<Vec<_>>();
    let (params, inputs) = (fenced(params), fenced(inputs));
    let params: Vec<&[f32]> = params.iter().map(Fenced::values).collect();
    let inputs: Vec<&[f32]> = inputs.iter().map(Fenced::values).collect();
    let unwritten: Vec<Vec<u32>> =
        lowered.output_bytes.iter().map(|&bytes| vec![UNWRITTEN; bytes as usize / 4]).collect();
    let mut outputs = fenced(&unwritten);
    let packed = loaded.prepare_on(executor, &params).unwrap();
    let mut scratch = loaded.scratch(executor.threads()).unwrap();
    let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(Fenced::values_mut).collect();
    loaded.run_on(executor, &packed, &params, &mut scratch, &inputs, &mut slices).unwrap();
    outputs.iter().map(|output| output.values().iter().map(|value| value.to_bits()).collect()).collect()
}

/// Whether words agree: outputs in `exact` by their bits, in the others NaNs agree with NaNs.
fn assert_agree(expected: &Outputs, got: &Outputs, exact: &[bool], what: &str) {
    for (output, (expected, got)) in expected.iter().zip(got).enumerate() {
        assert_eq!(expected.len(), got.len());
        for (i, (&expected, &got)) in expected.iter().zip(got).enumerate() {
            let both_nan = f32::from_bits(expected).is_nan() && f32::from_bits(got).is_nan();
            assert!(
                expected == got || (both_nan && !exact[output]),
                "{what}: output {output}, word {i}: {expected:#010x} expected, {got:#010x} got"
            );
        }
    }
}

/// Runs a program every way and compares with the interpreter. Numbers of outputs not in `exact` may be other NaNs.
fn check(lowered: &Lowered, params: &[Vec<u32>], inputs: &[Vec<u32>], exact: &[bool]) {
    let wide = lowered.kernels.iter().any(|kernel| kernel.wides > 0);
    for (target, backend) in ways() {
        let code = assemble(lowered, &target, backend);
        if wide && backend == Backend::X64 && !target.has_wide() {
            assert!(code.is_err(), "{target} has no registers of 16 lanes");
            continue;
        }
        let code = code.unwrap();
        let expected = interpreted(lowered, target, params, inputs);
        for placement in [Placement::Before, Placement::After] {
            let got = executed(&code, &Sequential, lowered, params, inputs, placement);
            assert_agree(&expected, &got, exact, &format!("{backend:?} for {target}"));
        }
    }
}
