//! Runs of f32 copied or filled: pieces of the kernels for halos and copies.

use super::build::KernelBuilder;
use super::call::CallBuilder;
use super::ir::{Count, LANES, Ptr, Spills, VECTOR_BYTES};
use super::lower::Lowering;
use super::step::{Call, CallArg};

/// Vectors at a time.
const UNROLL: u64 = 4;

/// Copies `elements` f32 that lie side by side.
pub(super) fn copy_run(src: CallArg, dst: CallArg, elements: u64, low: &mut Lowering) -> Call {
    let mut c = CallBuilder::new(format!("copy_t{}", elements % LANES as u64));
    let (src, dst) = (c.ptr(src), c.ptr(dst));
    run(&mut c, elements, &[src, dst], &mut |b, i, lanes| {
        let at = i * VECTOR_BYTES as i32;
        let value = b.load(src.at(at), lanes);
        b.store(dst.at(at), value, lanes);
    });
    c.finish(Spills::Allowed, low)
}

/// Fills `elements` f32 that lie side by side with the vector at `value`, over and over.
pub(super) fn fill_run(value: CallArg, dst: CallArg, elements: u64, low: &mut Lowering) -> Call {
    let mut c = CallBuilder::new(format!("fill_t{}", elements % LANES as u64));
    let (value, dst) = (c.ptr(value), c.ptr(dst));
    let value = c.b.load(value.at(0), LANES);
    run(&mut c, elements, &[dst], &mut |b, i, lanes| {
        b.store(dst.at(i * VECTOR_BYTES as i32), value, lanes);
    });
    c.finish(Spills::Allowed, low)
}

/// Several vectors at a time, then single ones, then the lanes that are left: `visit` gets the vector's
/// number from the pointers and its lanes. The kernel depends on `elements % 8` alone.
fn run(
    c: &mut CallBuilder,
    elements: u64,
    walked: &[Ptr],
    visit: &mut dyn FnMut(&mut KernelBuilder, i32, usize),
) {
    let vectors = elements / LANES as u64;
    for (count, unroll) in [(vectors / UNROLL, UNROLL as i32), (vectors % UNROLL, 1)] {
        let count = c.int(count as i64);
        c.b.repeat(Count::Int(count), |b| {
            for i in 0..unroll {
                visit(b, i, LANES);
            }
            for ptr in walked {
                b.advance(*ptr, unroll * VECTOR_BYTES as i32);
            }
        });
    }
    let tail = (elements % LANES as u64) as usize;
    if tail > 0 {
        visit(&mut c.b, 0, tail);
    }
}
