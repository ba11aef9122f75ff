//! Programs that do nothing but what bounds all others: multiply and add, or copy.
//!
//! Measured beside a program, they say what share it has of what the machine can do. The emitters make
//! them as they make every kernel.

use super::build::KernelBuilder;
use super::ir::{
    Count, Inst, Int, LANES, Offset, Operand, Ptr, Spills, VECTOR_BYTES, Vreg, WIDE_LANES, Wide, WideInst,
    WideOperand,
};
use super::step::{Base, Call, CallArg, KernelId, Lowered, Nest, Step};

/// Independent sums: two FMAs a cycle with a latency of four, or five, need eight, or ten.
const CHAINS: u32 = 12;
/// FMAs of a chain in an iteration.
const UNROLL: u32 = 4;
/// Vectors copied in an iteration.
const VECTORS: u32 = 8;

/// A program of `units` times `loops` iterations of multiply-adds in registers, and its floating-point operations;
/// registers are of 16 lanes where `wide`, which takes a target that has them.
pub fn fma(loops: u32, units: u32, wide: bool) -> (Lowered, u64) {
    let mut k = KernelBuilder::new("fma");
    let (x, count) = (k.ptr_arg(), k.int_arg());
    let sums = if wide { wide_sums(&mut k, x, count) } else { sums(&mut k, x, count) };
    // What is computed has to be used.
    for sum in sums {
        k.store(x.at(0), sum, LANES);
    }
    let bytes = 4 * WIDE_LANES as u64;
    let x = CallArg::Ptr { base: Base::Arena, offset: 0, strides: vec![bytes as i64], tables: Vec::new() };
    let mut lowered = program(k, vec![u64::from(units)], vec![x, CallArg::Int(i64::from(loops))]);
    lowered.arena_bytes = bytes * u64::from(units);
    let lanes = if wide { WIDE_LANES } else { LANES } as u64;
    (lowered, 2 * lanes * u64::from(CHAINS * UNROLL) * u64::from(loops) * u64::from(units))
}

fn sums(k: &mut KernelBuilder, x: Ptr, count: Int) -> Vec<Vreg> {
    let sums: Vec<Vreg> = (0..CHAINS).map(|_| k.load(x.at(0), LANES)).collect();
    let factor = k.load(x.at(0), LANES);
    k.repeat(Count::Int(count), |k| {
        for _ in 0..UNROLL {
            sums.iter().for_each(|&acc| k.inst(Inst::Fma { acc, a: factor, b: Operand::Reg(factor) }));
        }
    });
    sums
}

fn wide_sums(k: &mut KernelBuilder, x: Ptr, count: Int) -> Vec<Vreg> {
    let load = |k: &mut KernelBuilder| {
        let dst = k.wide();
        k.wide_inst(WideInst::Load { dst, addr: x.at(0) });
        dst
    };
    let sums: Vec<Wide> = (0..CHAINS).map(|_| load(k)).collect();
    let factor = load(k);
    k.repeat(Count::Int(count), |k| {
        for _ in 0..UNROLL {
            sums.iter()
                .for_each(|&acc| k.wide_inst(WideInst::Fma { acc, a: factor, b: WideOperand::Reg(factor) }));
        }
    });
    sums.into_iter().map(|sum| k.half(sum, true)).collect()
}

/// A program that copies its input to its output `times` times, and the bytes of each: at least `bytes`,
/// rounded up to whole iterations.
pub fn copy(bytes: u32, times: u32) -> (Lowered, u64) {
    let step = VECTORS * VECTOR_BYTES as u32;
    let blocks = bytes.div_ceil(step).max(1);
    let mut k = KernelBuilder::new("copy");
    let (x, out) = (k.ptr_arg(), k.ptr_arg());
    let (outer, inner) = (k.int_arg(), k.int_arg());
    let (from, to) = (k.ptr(), k.ptr());
    k.repeat(Count::Int(outer), |k| {
        k.set_ptr(from, x, Offset::Bytes(0));
        k.set_ptr(to, out, Offset::Bytes(0));
        k.repeat(Count::Int(inner), |k| {
            let at = |i: u32| i as i32 * VECTOR_BYTES as i32;
            let loaded: Vec<Vreg> = (0..VECTORS).map(|i| k.load(from.at(at(i)), LANES)).collect();
            (0..).zip(loaded).for_each(|(i, v)| k.store(to.at(at(i)), v, LANES));
            k.advance(from, step as i32);
            k.advance(to, step as i32);
        });
    });
    let counts = [times, blocks].map(|n| CallArg::Int(i64::from(n)));
    let args = [pointer(Base::Input(0)), pointer(Base::Output(0))].into_iter().chain(counts);
    let mut lowered = program(k, Vec::new(), args.collect());
    let bytes = u64::from(blocks) * u64::from(step);
    (lowered.input_bytes, lowered.output_bytes) = (vec![bytes], vec![bytes]);
    (lowered, bytes)
}

fn pointer(base: Base) -> CallArg {
    CallArg::Ptr { base, offset: 0, strides: Vec::new(), tables: Vec::new() }
}

/// One kernel, called once for each unit.
fn program(kernel: KernelBuilder, dims: Vec<u64>, args: Vec<CallArg>) -> Lowered {
    let kernel = kernel.finish(Spills::Refused);
    let name = kernel.name.clone();
    let nests = vec![Nest::new(dims, vec![Call { kernel: KernelId(0), args }])];
    Lowered {
        kernels: vec![kernel],
        prepare: Vec::new(),
        run: vec![Step { name, nests }],
        consts: Vec::new(),
        packed_bytes: 0,
        arena_bytes: 0,
        local_bytes: 0,
        input_bytes: Vec::new(),
        output_bytes: Vec::new(),
        param_bytes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::verify::verify;

    #[test]
    fn they_stay_in_their_buffers() {
        assert_eq!(verify(&fma(3, 1, false).0), []);
        assert_eq!(verify(&fma(3, 5, true).0), []);
        assert_eq!(fma(3, 5, true).1, 10 * fma(3, 1, false).1);
        for bytes in [1, 256, 1000, 1 << 30] {
            let (lowered, copied) = copy(bytes, 3);
            assert_eq!(verify(&lowered), []);
            assert!(copied >= bytes.into() && copied < u64::from(bytes) + 256);
        }
    }
}
