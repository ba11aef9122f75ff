use proptest::prelude::*;

use super::*;
use crate::kernels::build::KernelBuilder;
use crate::kernels::interpret::{ArgValue, FmaRounding, Memory, Place, run_kernel};
use crate::kernels::ir::{Cache, Spills, Wide};
use crate::kernels::step::{Base, TableArg};

#[test]
fn nested_loops_give_the_exact_hull() {
    let mut k = KernelBuilder::new("test");
    let (x, y, n) = (k.ptr_arg(), k.ptr_arg(), k.int_arg());
    k.repeat(Count::Int(n), |k| {
        let row = k.ptr();
        k.set_ptr(row, x, Offset::Bytes(8));
        k.repeat(Count::Static(3), |k| {
            let v = k.load(row.at(-4), 5);
            k.store_strided(y.at(0), v, -12, 4);
            k.advance(row, 20);
        });
        k.advance(x, 100);
        k.advance(y, 4);
    });
    let kernel = k.finish(Spills::Allowed);
    let touched = super::kernel(&kernel, &[None, None, Some(10)]).unwrap();
    assert_eq!(touched[0], Touched { reads: Some(4..900 + 4 + 40 + 20), writes: None });
    assert_eq!(touched[1], Touched { reads: None, writes: Some(-36..36 + 4) });
    let none = super::kernel(&kernel, &[None, None, Some(0)]).unwrap();
    assert!(none.iter().all(|t| t.both().is_none()));
    let most = super::kernel(&kernel, &[None, None, Some(i64::MAX)]);
    assert_eq!(most, Err(RangeError::Overflow));
    assert_eq!(super::kernel(&kernel, &[None, None, Some(-1)]), Err(RangeError::Negative(-1)));
    assert_eq!(super::kernel(&kernel, &[None, None, None]), Err(RangeError::NoInteger(Int(2))));
}

#[test]
fn rotating_pointers_and_tables_add_up() {
    let mut k = KernelBuilder::new("test");
    let (a, table) = (k.ptr_arg(), k.ptr_arg());
    let (b, c) = (k.ptr(), k.ptr());
    k.set_ptr(b, a, Offset::Bytes(100));
    k.set_ptr(c, a, Offset::Bytes(200));
    k.repeat(Count::Static(5), |k| {
        k.load(a.at(0), 8);
        k.set_ptr(a, b, Offset::Bytes(0));
        k.set_ptr(b, c, Offset::Bytes(0));
        k.lookup(c, c, table.at(16), (50, 100));
    });
    let kernel = k.finish(Spills::Allowed);
    let touched = super::kernel(&kernel, &[None, None]).unwrap();
    // Reads at 0, 100, 200, 250..300, 300..400.
    assert_eq!(touched[0].reads, Some(0..432));
    assert_eq!(touched[1].reads, Some(16..20));
}

#[test]
fn arguments_span_corners_and_tables() {
    let arg = CallArg::Ptr {
        base: Base::Arena,
        offset: 1000,
        strides: vec![64, -8, 4],
        tables: vec![TableArg { dim: 2, offsets: vec![0, -100, 50] }],
    };
    assert_eq!(argument(&arg, &[3, 5, 3]), Ok(Some((1000 - 32 - 96, 1000 + 128 + 58))));
    assert_eq!(argument(&arg, &[3, 5, 4]), Ok(None));
    assert_eq!(argument(&arg, &[3, u64::MAX, 3]), Err(RangeError::Overflow));
}

/// Pointers moved and read in nested loops at random.
fn statements(depth: u32) -> BoxedStrategy<Vec<Stmt>> {
    let ptr = || (0u32..3).prop_map(Ptr);
    let advance = (ptr(), ptr(), -3i32..4).prop_map(|(dst, base, by)| Stmt::Advance {
        dst,
        base,
        by: Offset::Bytes(4 * by),
    });
    let load = (ptr(), -2i32..3, -2i32..3, 1u8..9).prop_map(|(ptr, offset, stride, lanes)| {
        let stride = if stride == 0 { 12 } else { 4 * stride };
        Stmt::Inst(Inst::LoadStrided {
            dst: crate::kernels::ir::Vreg(0),
            addr: ptr.at(4 * offset),
            stride,
            lanes,
        })
    });
    let wide = (0u32..3, -9i32..9, 0u8..8).prop_map(|(ptr, offset, kind)| {
        let (addr, acc) = (Ptr(ptr).at(4 * offset), Wide(0));
        let start = Stmt::Inst(Inst::Wide(WideInst::Splat { dst: acc, bits: 0 }));
        let read = Stmt::Inst(Inst::Wide(match kind {
            0 => WideInst::Load { dst: acc, addr },
            1 => WideInst::LoadSplat { dst: acc, addr },
            2 => return Stmt::Inst(Inst::Prefetch { addr, cache: Cache::Second }),
            3 => WideInst::Store { addr, src: acc },
            4 => WideInst::LoadPart {
                dst: acc,
                addr,
                lanes: (offset + 10) as u8 % 15 + 1,
                last: offset & 1 == 0,
            },
            5 => WideInst::LoadTwice { dst: acc, addr },
            6 => WideInst::Fma { acc, a: acc, b: WideOperand::Mem(addr) },
            _ => WideInst::Fma { acc, a: acc, b: WideOperand::Splat(addr) },
        }));
        Stmt::Loop { count: Count::Static(1), body: vec![start, read] }
    });
    if depth == 0 {
        prop::collection::vec(prop_oneof![advance, load, wide], 1..4).boxed()
    } else {
        let count = (1u32..6).prop_map(Count::Static);
        let body = (count, statements(depth - 1)).prop_map(|(count, body)| Stmt::Loop { count, body });
        prop::collection::vec(prop_oneof![advance, load, wide, body], 1..5).boxed()
    }
}

proptest! {
    /// Whatever the pointers do, the interval is the exact hull of what the interpreter reads: one
    /// byte less on either side is an error, none less is not.
    #[test]
    fn the_hull_is_what_the_interpreter_touches(body in statements(3)) {
        let kernel = Kernel {
            name: "random".to_owned(),
            args: vec![Arg::Ptr(Ptr(0))],
            vregs: 1,
            wides: 1,
            ptrs: 3,
            body: [1, 2]
                .map(|i| Stmt::Advance { dst: Ptr(i), base: Ptr(0), by: Offset::Bytes(40 * i as i32) })
                .into_iter()
                .chain(body)
                .collect(),
            spills: Spills::Allowed,
        };
        let touched = super::kernel(&kernel, &[None]).unwrap();
        let run = |start: i64, len: i64| {
            let mut memory = Memory { buffers: vec![vec![0; len as usize]] };
            let arg = ArgValue::Ptr(Place { buffer: 0, offset: start });
            run_kernel(&kernel, &[arg], &mut memory, FmaRounding::Once).is_ok()
        };
        match touched[0].both() {
            None => prop_assert!(run(0, 0)),
            Some(range) => {
                let (start, len) = (-range.start, range.end - range.start);
                prop_assert!(run(start, len));
                prop_assert!(!run(start - 4, len - 4), "nothing at {}", range.start);
                prop_assert!(!run(start, len - 4), "nothing at {}", range.end);
            }
        }
    }
}
