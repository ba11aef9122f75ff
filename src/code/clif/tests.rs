//! Kernels as Cranelift is given them, for pinned targets. What they compute is tested where they run.

use proptest::prelude::*;

use super::clif_text;
use crate::code::{Backend, CodeError, Target, assemble};
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{Cmp, Count, Inst, Kernel, LANES, Ptr, Spills, VecBinary, VecUnary, Vreg};
use crate::kernels::testing::{program, scripts};

/// A row of `Σ max(x · w, 0)` with a tail of three.
fn row() -> Kernel {
    let mut k = KernelBuilder::new("row");
    let (x, w, out, n) = (k.ptr_arg(), k.ptr_arg(), k.ptr_arg(), k.int_arg());
    let sum = k.splat(0.0);
    k.repeat(Count::Int(n), |k| {
        let value = k.load(x.at(0), LANES);
        k.fma(sum, value, w.at(0));
        k.advance(x, 32);
    });
    let relu = k.binary(VecBinary::Max, sum, 0.0);
    k.store(out.at(0), relu, 3);
    k.finish(Spills::Refused)
}

/// The clamped integer of a number, NaNs kept.
fn convert() -> Kernel {
    let mut k = KernelBuilder::new("convert");
    let (x, out) = (k.ptr_arg(), k.ptr_arg());
    let value = k.load_strided(x.at(4), 12, 2);
    let nan = k.cmp(Cmp::Unordered, value, value);
    let int = k.unary(VecUnary::ToInt, value);
    let back = k.unary(VecUnary::ToFloat, int);
    let kept = k.blend(nan, value, back);
    let sum = k.unary(VecUnary::SumLanes, kept);
    k.store(out.at(0), sum, LANES);
    k.finish(Spills::Allowed)
}

#[test]
fn a_loop_with_multiply_add() {
    insta::assert_snapshot!("row_x86_64-avx2", clif_text(&row(), &Target::X64_AVX2).unwrap());
}

#[test]
fn without_hardware_multiply_add_no_library_is_called() {
    let text = clif_text(&row(), &Target::X64).unwrap();
    assert!(!text.contains("fma") && text.contains("fmul") && text.contains("fadd"), "{text}");
}

#[test]
fn conversions_and_strides() {
    insta::assert_snapshot!("convert_x86_64", clif_text(&convert(), &Target::X64).unwrap());
}

#[test]
fn malformed_kernels_are_errors() {
    let error = |change: &dyn Fn(&mut Kernel)| {
        let mut kernel = row();
        change(&mut kernel);
        assert!(clif_text(&kernel, &Target::X64_AVX2).is_err());
    };
    error(&|kernel| kernel.vregs = 1);
    error(&|kernel| kernel.ptrs = 2);
    error(&|kernel| {
        kernel.args.pop();
    });
    let part = |lanes| Inst::StorePart { addr: Ptr(0).at(0), src: Vreg(0), lanes };
    error(&|kernel| kernel.body.push(crate::kernels::ir::Stmt::Inst(part(0))));
    error(&|kernel| kernel.body.push(crate::kernels::ir::Stmt::Inst(part(9))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Whether or not this machine is one: Cranelift has code for every operation and calls no library.
    /// (Targets whose feature of Cranelift is not built in are skipped.)
    #[test]
    fn every_target_compiles_random_kernels(script in scripts(80)) {
        let lowered = program(&script);
        for target in [Target::X64_AVX512, Target::X64_AVX2, Target::X64, Target::AARCH64] {
            match assemble(&lowered, &target, Backend::Cranelift) {
                // A reference to anything else would have been an error.
                Ok(code) => prop_assert!(!code.functions()[0].bytes.is_empty()),
                Err(CodeError::Unsupported(_)) => prop_assert_eq!(target, Target::AARCH64),
                Err(error) => prop_assert!(false, "{}: {}", target, error),
            }
        }
    }
}
