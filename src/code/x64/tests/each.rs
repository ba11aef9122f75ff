//! Each operation in each form, in every register and in memory.

use super::harness::{Case, at, check, numbers};
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{
    Addr, Cache, Cmp, Count, Inst, Offset, Ptr, Spills, VecBinary, VecUnary, Vreg, WideInst,
};

const WORDS: usize = 64;

/// Builds a kernel around an operation: `before` values are live across it, so that it gets other
/// registers, or none. All of them and what `body` returns are stored.
fn around(
    name: &str,
    before: usize,
    body: impl FnOnce(&mut KernelBuilder, &[Ptr; 3], &[Vreg; 3]) -> Vec<Vreg>,
) {
    let mut k = KernelBuilder::new(format!("{name} beside {before}"));
    let ptrs @ [input, out, _] = [k.ptr_arg(), k.ptr_arg(), k.ptr_arg()];
    let beside: Vec<Vreg> = (0..before).map(|i| k.load(input.at(4 * i as i32), 8)).collect();
    let values = [0, 1, 2].map(|i| k.load(input.at(32 * (i + 1)), 8));
    let results = body(&mut k, &ptrs, &values);
    for (i, &reg) in beside.iter().chain(&values).chain(&results).enumerate() {
        k.store(out.at(32 * i as i32), reg, 8);
    }
    let stored = before + 3 + results.len();
    let kernel = k.finish(Spills::Allowed);
    for seed in 0..2 {
        let buffers = vec![numbers(seed, WORDS), vec![7; 8 * stored], numbers(seed + 9, WORDS)];
        check(&kernel, &Case { buffers, args: vec![at(0, 0), at(1, 0), at(2, 0)] });
    }
}

/// Numbers of neighbours: none, those that push an operation into the upper registers and into memory.
const BESIDE: [usize; 7] = [0, 3, 6, 9, 12, 13, 18];

const BINARY: [VecBinary; 16] = [
    VecBinary::Add,
    VecBinary::Sub,
    VecBinary::Mul,
    VecBinary::Div,
    VecBinary::Max,
    VecBinary::Min,
    VecBinary::And,
    VecBinary::Or,
    VecBinary::Xor,
    VecBinary::AndNot,
    VecBinary::Cmp(Cmp::Eq),
    VecBinary::Cmp(Cmp::Lt),
    VecBinary::Cmp(Cmp::Le),
    VecBinary::Cmp(Cmp::Unordered),
    VecBinary::AddInt,
    VecBinary::SubInt,
];

const UNARY: [VecUnary; 10] = [
    VecUnary::Sqrt,
    VecUnary::Round,
    VecUnary::Floor,
    VecUnary::ToInt,
    VecUnary::ToFloat,
    VecUnary::ShiftLeft(23),
    VecUnary::ShiftRight(9),
    VecUnary::ShiftRightArithmetic(31),
    VecUnary::SumLanes,
    VecUnary::MaxLanes,
];

#[test]
fn operations_of_two_operands() {
    for before in BESIDE {
        for op in BINARY {
            around(&format!("{op:?}"), before, |k, ptrs, &[a, b, _]| {
                let reg = k.binary(op, a, b);
                let mem = k.binary(op, a, ptrs[2].at(4));
                let constant = k.binary(op, a, 1.5);
                let same = k.binary(op, b, b);
                // In place, either operand.
                let left = k.copy(a);
                k.binary_to(op, left, left, b);
                let right = k.copy(a);
                k.binary_to(op, right, b, right);
                vec![reg, mem, constant, same, left, right]
            });
        }
    }
}

#[test]
fn operations_of_one_operand() {
    for before in BESIDE {
        for op in UNARY {
            around(&format!("{op:?}"), before, |k, _, &[a, b, _]| {
                let other = k.unary(op, a);
                let own = k.copy(b);
                k.inst(Inst::Unary { op, dst: own, src: own });
                vec![other, own]
            });
        }
    }
}

#[test]
fn multiply_add() {
    for before in BESIDE {
        around("fma", before, |k, ptrs, &[a, b, c]| {
            let sums: Vec<Vreg> = (0..5).map(|_| k.copy(c)).collect();
            k.fma(sums[0], a, b);
            k.fma(sums[1], a, ptrs[2].at(8));
            k.fma(sums[2], a, -0.1);
            k.fma(sums[3], sums[3], b);
            k.fma(sums[4], a, sums[4]);
            sums
        });
    }
}

#[test]
fn splats_copies_and_blends() {
    for before in BESIDE {
        around("splat", before, |k, ptrs, &[a, b, c]| {
            let splats = [0.0, -0.0, 1.5, f32::INFINITY].map(|value| k.splat(value));
            let loaded = k.load_splat(ptrs[2].at(20));
            let mask = k.cmp(Cmp::Lt, a, b);
            let blend = k.blend(mask, b, c);
            let signs = k.blend(a, b, c);
            let own = k.copy(mask);
            k.inst(Inst::Blend { dst: own, mask: own, on: c, off: a });
            let copy = k.copy(own);
            // 1.5 as an operand and as a splat is one constant.
            let sum = k.binary(VecBinary::Add, copy, 1.5);
            [&splats[..], &[loaded, blend, signs, own, copy, sum]].concat()
        });
    }
}

#[test]
fn transposition() {
    for before in [0, 1, 4, 5, 6, 12] {
        let mut k = KernelBuilder::new(format!("transpose beside {before}"));
        let [input, out] = [k.ptr_arg(), k.ptr_arg()];
        let beside: Vec<Vreg> = (0..before).map(|i| k.load(input.at(4 * i), 8)).collect();
        // In an order in which no row is where its number says.
        let mut regs = [Vreg(0); 8];
        for i in [3, 1, 7, 0, 2, 6, 4, 5] {
            regs[i] = k.load(input.at(32 * i as i32), 8);
        }
        k.inst(Inst::Transpose { regs });
        for (i, &reg) in regs.iter().chain(&beside).enumerate() {
            k.store(out.at(32 * i as i32), reg, 8);
        }
        let kernel = k.finish(Spills::Allowed);
        let buffers = vec![(100..164).collect(), vec![7; 8 * (8 + before as usize)]];
        check(&kernel, &Case { buffers, args: vec![at(0, 0), at(1, 0)] });
    }
}

#[test]
fn slides() {
    for before in BESIDE {
        for by in 1..=7 {
            around(&format!("slide by {by}"), before, |k, _, &[a, b, c]| {
                let of = [(a, b), (b, a), (c, c)].map(|(low, high)| (k.vreg(), low, high));
                for (dst, low, high) in of {
                    k.inst(Inst::Slide { dst, low, high, by });
                }
                of.map(|(dst, ..)| dst).to_vec()
            });
        }
    }
}

/// A prefetch of any address reads nothing, writes nothing and does not fault.
#[test]
fn prefetch() {
    for before in BESIDE {
        around("prefetch", before, |k, &[input, out, _], &[a, ..]| {
            for addr in [input.at(0), out.at(64), input.at(i32::MIN), out.at(i32::MAX)] {
                for cache in [Cache::First, Cache::Second] {
                    k.inst(Inst::Prefetch { addr, cache });
                }
            }
            vec![a]
        });
    }
}

/// A kernel of one access, with buffers that end with the last byte it may touch.
fn access(
    name: String,
    words: [usize; 2],
    starts: [i64; 2],
    body: impl FnOnce(&mut KernelBuilder, Ptr, Ptr),
) {
    let mut k = KernelBuilder::new(name);
    let (input, out) = (k.ptr_arg(), k.ptr_arg());
    body(&mut k, input, out);
    let kernel = k.finish(Spills::Allowed);
    let buffers = vec![numbers(words[0] as u64, words[0]), vec![7; words[1]]];
    check(&kernel, &Case { buffers, args: vec![at(0, starts[0]), at(1, starts[1])] });
}

#[test]
fn partial_accesses_touch_their_lanes_alone() {
    for lanes in 1..=7 {
        let name = format!("{lanes} lanes");
        access(format!("load {name}"), [lanes, 8], [0, 0], |k, input, out| {
            let loaded = k.load(input.at(0), lanes);
            k.store(out.at(0), loaded, 8);
        });
        access(format!("load last {name}"), [lanes, 8], [0, 0], |k, input, out| {
            let dst = k.vreg();
            k.inst(Inst::LoadLast { dst, addr: input.at(0), lanes: lanes as u8 });
            k.store(out.at(0), dst, 8);
        });
        access(format!("store {name}"), [9, lanes], [0, 0], |k, input, out| {
            let loaded = k.load(input.at(4), 8);
            k.store(out.at(0), loaded, lanes);
        });
        access(format!("displaced {name}"), [lanes, lanes], [-400, 400], |k, input, out| {
            let loaded = k.load(input.at(400), lanes);
            k.store(out.at(-400), loaded, lanes);
        });
    }
}

#[test]
fn partial_accesses_of_wide_registers_touch_their_lanes_alone() {
    for lanes in 1..=15 {
        for last in [false, true] {
            access(format!("load {lanes} lanes, last: {last}"), [lanes, 16], [0, 0], |k, input, out| {
                let dst = k.wide();
                k.wide_inst(WideInst::LoadPart { dst, addr: input.at(0), lanes: lanes as u8, last });
                k.wide_inst(WideInst::Store { addr: out.at(0), src: dst });
            });
        }
    }
}

#[test]
fn strided_accesses_touch_their_lanes_alone() {
    for lanes in 1..=8 {
        for stride in [8, 12, 16, 36, -4, -8, 2048] {
            let last = stride as i64 * (lanes as i64 - 1);
            let (words, start) = (last.unsigned_abs() as usize / 4 + 1, -last.min(0));
            let name = format!("{lanes} lanes every {stride}");
            access(format!("load {name}"), [words, 8], [start, 0], |k, input, out| {
                let loaded = k.load_strided(input.at(0), stride, lanes);
                k.store(out.at(0), loaded, 8);
            });
            access(format!("store {name}"), [8, words], [0, start], |k, input, out| {
                let loaded = k.load(input.at(0), 8);
                k.store_strided(out.at(0), loaded, stride, lanes);
            });
            around(&format!("strided {name}"), 14, |k, ptrs, &[a, ..]| {
                if start != 0 || words > 64 {
                    return vec![];
                }
                let loaded = k.load_strided(ptrs[0].at(0), stride, lanes);
                k.store_strided(ptrs[2].at(0), a, stride, lanes);
                vec![loaded]
            });
        }
    }
}

/// Lanes more than 2 GiB apart from the pointer, where a displacement would overflow: the pointer is off
/// by as much, so that the lanes lie in a small buffer.
#[test]
fn strided_accesses_beyond_the_reach_of_a_displacement() {
    let (far, stride) = (i32::MAX - 3, 12);
    access("far load".to_owned(), [22, 8], [-i64::from(far), 0], |k, input, out| {
        let loaded = k.load_strided(input.at(far), stride, 8);
        k.store(out.at(0), loaded, 8);
    });
    access("far pairs".to_owned(), [15, 8], [-i64::from(far), 0], |k, input, out| {
        let loaded = k.load_strided(input.at(far), 8, 8);
        k.store(out.at(0), loaded, 8);
    });
    access("far store".to_owned(), [8, 22], [0, -i64::from(far)], |k, input, out| {
        let loaded = k.load(input.at(0), 8);
        k.store_strided(out.at(far), loaded, stride, 8);
    });
}

#[test]
fn gathers_and_lookups() {
    for before in [0, 11, 12, 13, 18] {
        let mut k = KernelBuilder::new(format!("gather beside {before}"));
        let [table, input, out] = [k.ptr_arg(), k.ptr_arg(), k.ptr_arg()];
        let beside: Vec<Vreg> = (0..before).map(|i| k.load(input.at(4 * i), 8)).collect();
        let index = k.load(table.at(0), 8);
        let (near, far) = (k.vreg(), k.vreg());
        k.inst(Inst::Gather { dst: near, addr: input.at(0), index, bounds: (0, 31) });
        k.inst(Inst::Gather { dst: far, addr: input.at(132), index, bounds: (0, 31) });
        let row = k.ptr();
        k.lookup(row, input, table.at(32), (-8, 96));
        let looked_up = k.load(row.at(0), 8);
        // In place, and over the pointer to the table.
        k.lookup(row, row, table.at(36), (-8, 96));
        let again = k.load(row.at(0), 8);
        k.lookup(table, row, table.at(36), (-8, 96));
        let last = k.load(Addr { ptr: table, offset: 0 }, 8);
        let results = [near, far, looked_up, again, last, index];
        for (i, &reg) in results.iter().chain(&beside).enumerate() {
            k.store(out.at(32 * i as i32), reg, 8);
        }
        let kernel = k.finish(Spills::Allowed);
        let index = [3, 0, 31, 7, 7, 1, 30, 2];
        let table = [&index[..], &[96, (-8_i32) as u32]].concat();
        let buffers = vec![table, (1000..1065).collect(), vec![7; 8 * (6 + before as usize)]];
        check(&kernel, &Case { buffers, args: vec![at(0, 0), at(1, 0), at(2, 0)] });
    }
}

#[test]
fn loops_count_and_pointers_move() {
    for (fixed, counted) in [(1, 0), (1, 1), (2, 0), (3, 5), (70_000, 1)] {
        let mut k = KernelBuilder::new(format!("loops {fixed} {counted}"));
        let [input, out] = [k.ptr_arg(), k.ptr_arg()];
        let (count, step) = (k.int_arg(), k.int_arg());
        let (sum, ptr) = (k.splat(1.0), k.ptr());
        k.repeat(Count::Static(fixed), |k| {
            k.set_ptr(ptr, input, Offset::Bytes(12));
            k.repeat(Count::Int(count), |k| {
                k.repeat(Count::Static(2), |k| {
                    k.fma(sum, sum, ptr.at(-8));
                    k.advance(ptr, 4);
                });
                k.advance_int(ptr, step);
            });
            k.set_ptr(ptr, input, Offset::Int(step));
            let own = k.load(ptr.at(0), 8);
            k.binary_to(VecBinary::Sub, sum, sum, own);
            k.set_ptr(ptr, ptr, Offset::Bytes(300));
            k.set_ptr(ptr, ptr, Offset::Bytes(-300));
            k.binary_to(VecBinary::Add, sum, sum, ptr.at(4));
        });
        k.store(out.at(0), sum, 8);
        let kernel = k.finish(Spills::Refused);
        let buffers = vec![numbers(3, 64), vec![7; 8]];
        let args = vec![at(0, 0), at(1, 0), super::harness::int(counted), super::harness::int(16)];
        check(&kernel, &Case { buffers, args });
    }
}

#[test]
fn pointers_and_counters_beyond_the_registers() {
    for ptrs in [11, 12, 13, 14, 20, 40] {
        let mut k = KernelBuilder::new(format!("{ptrs} pointers"));
        let args: Vec<Ptr> = (0..ptrs).map(|_| k.ptr_arg()).collect();
        let (count, step, out) = (k.int_arg(), k.int_arg(), k.ptr_arg());
        let sum = k.splat(0.0);
        let moving = k.ptr();
        k.repeat(Count::Static(2), |k| {
            k.repeat(Count::Int(count), |k| {
                for &ptr in &args {
                    k.binary_to(VecBinary::Sub, sum, sum, ptr.at(0));
                    k.advance(ptr, 4);
                }
                k.advance_int(args[1], step);
                k.set_ptr(moving, args[0], Offset::Int(step));
                k.binary_to(VecBinary::Add, sum, sum, moving.at(4));
                k.set_ptr(moving, args[2], Offset::Bytes(8));
                k.binary_to(VecBinary::Add, sum, sum, moving.at(0));
                k.lookup(moving, args[3], args[4].at(0), (0, 4096));
                k.lookup(args[5], args[5], args[4].at(0), (0, 4096));
            });
        });
        k.store(out.at(0), sum, 8);
        let kernel = k.finish(Spills::Allowed);
        let mut buffers: Vec<Vec<u32>> = (0..ptrs).map(|i| numbers(i as u64, 64)).collect();
        buffers[4] = vec![8; 64];
        buffers.push(vec![7; 8]);
        let mut args: Vec<_> = (0..ptrs).map(|i| at(i, 0)).collect();
        args.extend([super::harness::int(3), super::harness::int(4), at(ptrs, 0)]);
        check(&kernel, &Case { buffers, args });
    }
}
