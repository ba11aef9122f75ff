use super::*;
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{Cmp, Spills, VecBinary, VecUnary};

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn at(buffer: usize, offset: i64) -> ArgValue {
    ArgValue::Ptr(Place { buffer, offset })
}

/// Runs `body` with pointers to two inputs of 8 and gives what it returns.
fn eval(
    a: [f32; 8],
    b: [f32; 8],
    rounding: FmaRounding,
    body: impl FnOnce(&mut KernelBuilder, Vreg, Vreg) -> Vreg,
) -> [u32; 8] {
    let mut k = KernelBuilder::new("test");
    let [pa, pb, out] = [k.ptr_arg(), k.ptr_arg(), k.ptr_arg()];
    let (ra, rb) = (k.load(pa.at(0), 8), k.load(pb.at(0), 8));
    let result = body(&mut k, ra, rb);
    k.store(out.at(0), result, 8);
    let kernel = k.finish(Spills::Allowed);
    let mut memory = Memory { buffers: vec![floats(&a), floats(&b), vec![0; 32]] };
    run_kernel(&kernel, &[at(0, 0), at(1, 0), at(2, 0)], &mut memory, rounding).unwrap();
    memory.load_vector(Place { buffer: 2, offset: 0 }).unwrap()
}

const NAN: f32 = f32::NAN;

#[test]
fn max_and_min_give_the_second_operand_for_nan_and_zeros() {
    let a = [NAN, 1.0, 0.0, -0.0, 2.0, 1.0, -1.0, f32::INFINITY];
    let b = [1.0, NAN, -0.0, 0.0, 1.0, 2.0, -2.0, 0.0];
    let max = eval(a, b, FmaRounding::Once, |k, a, b| k.binary(VecBinary::Max, a, b)).map(f32::from_bits);
    assert_eq!(max[0], 1.0);
    assert!(max[1].is_nan());
    assert_eq!((max[2].to_bits(), max[3].to_bits()), (0x8000_0000, 0));
    assert_eq!(max[4..], [2.0, 2.0, -1.0, f32::INFINITY]);
    let min = eval(a, b, FmaRounding::Once, |k, a, b| k.binary(VecBinary::Min, a, b)).map(f32::from_bits);
    assert_eq!((min[0], min[2].to_bits(), min[3].to_bits()), (1.0, 0x8000_0000, 0));
    assert_eq!(min[4..], [1.0, 1.0, -2.0, 0.0]);
}

#[test]
fn fma_rounds_once_or_twice() {
    let x = 1.0 + f32::EPSILON;
    let fma = |rounding| {
        eval([x; 8], [x; 8], rounding, |k, a, b| {
            let acc = k.splat(-(x * x));
            k.fma(acc, a, b);
            acc
        })
    };
    assert_eq!(fma(FmaRounding::Twice), [0; 8]);
    assert_eq!(f32::from_bits(fma(FmaRounding::Once)[0]), f32::EPSILON * f32::EPSILON);
}

#[test]
fn conversions_round_to_even_and_saturate_to_the_least_integer() {
    let a = [0.5, 1.5, -2.5, 2_147_483_648.0, -2_147_483_648.0, NAN, f32::INFINITY, -0.3];
    let ints = eval(a, a, FmaRounding::Once, |k, a, _| k.unary(VecUnary::ToInt, a)).map(|x| x as i32);
    assert_eq!(ints, [0, 2, -2, i32::MIN, i32::MIN, i32::MIN, i32::MIN, 0]);
    let round = eval(a, a, FmaRounding::Once, |k, a, _| k.unary(VecUnary::Round, a)).map(f32::from_bits);
    assert_eq!(round[..3], [0.0, 2.0, -2.0]);
    assert_eq!(round[7].to_bits(), 0x8000_0000);
    let floor = eval(a, a, FmaRounding::Once, |k, a, _| k.unary(VecUnary::Floor, a)).map(f32::from_bits);
    assert_eq!((floor[..3].to_vec(), floor[7]), (vec![0.0, 1.0, -3.0], -1.0));
}

#[test]
fn sums_of_lanes_keep_their_order() {
    // (1e8 + 1) + (−1e8 + 0) loses the 1; (1e8 − 1e8) + … would keep it.
    let a = [1e8, 0.0, -1e8, 0.0, 1.0, 0.0, 0.0, 0.0];
    let sum = eval(a, a, FmaRounding::Once, |k, a, _| k.unary(VecUnary::SumLanes, a));
    assert_eq!(sum, [0f32.to_bits(); 8]);
    let b = [3.0, 9.0, -1.0, 4.0, 5.0, 2.0, 8.0, 1.0];
    let max = eval(b, b, FmaRounding::Once, |k, a, _| k.unary(VecUnary::MaxLanes, a));
    assert_eq!(max, [9f32.to_bits(); 8]);
}

#[test]
fn comparisons_bits_and_shifts() {
    let a = [1.0, 2.0, NAN, 0.0, -1.0, 5.0, 6.0, 7.0];
    let b = [1.0, 3.0, 1.0, -0.0, NAN, 4.0, 6.0, 8.0];
    let cmp = |c| eval(a, b, FmaRounding::Once, |k, a, b| k.cmp(c, a, b)).map(|m| m == u32::MAX);
    assert_eq!(cmp(Cmp::Eq), [true, false, false, true, false, false, true, false]);
    assert_eq!(cmp(Cmp::Lt), [false, true, false, false, false, false, false, true]);
    assert_eq!(cmp(Cmp::Le), [true, true, false, true, false, false, true, true]);
    assert_eq!(cmp(Cmp::Unordered), [false, false, true, false, true, false, false, false]);
    let blended = eval(a, b, FmaRounding::Once, |k, a, b| {
        let mask = k.cmp(Cmp::Lt, a, b);
        k.blend(mask, b, a)
    });
    assert_eq!(f32::from_bits(blended[1]), 3.0);
    assert_eq!(f32::from_bits(blended[5]), 5.0);
    let x = f32::from_bits(0x8000_0011);
    let shifted = eval([x; 8], [0.0; 8], FmaRounding::Once, |k, a, _| {
        let r = k.unary(VecUnary::ShiftRightArithmetic(4), a);
        let l = k.unary(VecUnary::ShiftLeft(4), a);
        let u = k.unary(VecUnary::ShiftRight(4), a);
        let sum = k.binary(VecBinary::AddInt, r, l);
        let sum = k.binary(VecBinary::SubInt, sum, u);
        k.binary(VecBinary::AndNot, u, sum)
    });
    let expected = !0x0800_0001u32 & 0xf800_0001u32.wrapping_add(0x110).wrapping_sub(0x0800_0001);
    assert_eq!(shifted, [expected; 8]);
}

#[test]
fn transposes_and_strided_accesses_move_every_lane() {
    let mut k = KernelBuilder::new("test");
    let (x, out) = (k.ptr_arg(), k.ptr_arg());
    let regs: [Vreg; 8] = std::array::from_fn(|i| k.load_strided(x.at(4 * i as i32), 32, 8));
    k.inst(Inst::Transpose { regs });
    for (i, &reg) in regs.iter().enumerate() {
        k.store_strided(out.at(4 * i as i32), reg, 32, 8);
    }
    let kernel = k.finish(Spills::Allowed);
    let data: Vec<f32> = (0..64).map(|i| i as f32).collect();
    let mut memory = Memory { buffers: vec![floats(&data), vec![0; 256]] };
    run_kernel(&kernel, &[at(0, 0), at(1, 0)], &mut memory, FmaRounding::Once).unwrap();
    // A strided load of columns, a transposition and a strided store: three transpositions are one.
    let expected: Vec<f32> = (0..64).map(|i| (i % 8 * 8 + i / 8) as f32).collect();
    assert_eq!(memory.buffers[1], floats(&expected));
}

#[test]
fn loops_pointers_lookups_and_gathers() {
    let mut k = KernelBuilder::new("test");
    let (x, table, out) = (k.ptr_arg(), k.ptr_arg(), k.ptr_arg());
    let (n, step) = (k.int_arg(), k.int_arg());
    k.repeat(Count::Int(n), |k| {
        let row = k.ptr();
        k.lookup(row, x, table.at(0), (0, 32));
        k.repeat(Count::Static(2), |k| {
            let index = k.load(table.at(4), 8);
            let v = k.vreg();
            k.inst(Inst::Gather { dst: v, addr: row.at(0), index, bounds: (0, 7) });
            k.store(out.at(0), v, 8);
            k.advance(out, 32);
        });
        k.advance_int(x, step);
    });
    let kernel = k.finish(Spills::Allowed);
    let mut bytes: Vec<u8> = 32i32.to_le_bytes().to_vec();
    bytes.extend([7i32, 6, 5, 4, 3, 2, 1, 0].iter().flat_map(|i| i.to_le_bytes()));
    let data: Vec<f32> = (0..24).map(|i| i as f32).collect();
    let mut memory = Memory { buffers: vec![floats(&data), bytes, vec![0; 128]] };
    let args = [at(0, 0), at(1, 0), at(2, 0), ArgValue::Int(2), ArgValue::Int(32)];
    run_kernel(&kernel, &args, &mut memory, FmaRounding::Once).unwrap();
    let expected: Vec<f32> =
        [15, 15, 23, 23].iter().flat_map(|&top| (0..8).map(move |i| (top - i) as f32)).collect();
    assert_eq!(memory.buffers[2], floats(&expected));
    let outside = [at(0, 0), at(1, 0), at(2, 0), ArgValue::Int(3), ArgValue::Int(32)];
    assert!(run_kernel(&kernel, &outside, &mut memory, FmaRounding::Once).is_err());
}

#[test]
fn wrong_kernels_are_errors() {
    let run = |args: &[ArgValue], body: &dyn Fn(&mut KernelBuilder, Ptr)| {
        let mut k = KernelBuilder::new("bad");
        let p = k.ptr_arg();
        body(&mut k, p);
        let kernel = k.finish(Spills::Allowed);
        let mut memory = Memory { buffers: vec![vec![0; 64]] };
        run_kernel(&kernel, args, &mut memory, FmaRounding::Once).map_err(|e| e.what)
    };
    let err = |body: &dyn Fn(&mut KernelBuilder, Ptr)| run(&[at(0, 0)], body).unwrap_err();
    let load = |offset: i32| {
        move |k: &mut KernelBuilder, p: Ptr| {
            k.load(p.at(offset), 8);
        }
    };
    assert!(run(&[at(0, 0)], &load(32)).is_ok());
    assert_eq!(err(&load(33)), "an access to 32 bytes at 33 of buffer 0, which has 64");
    assert!(err(&load(-1)).contains("at -1"));
    assert!(run(&[at(1, 0)], &load(0)).is_err());
    assert!(run(&[], &load(0)).unwrap_err().contains("arguments"));
    assert!(run(&[ArgValue::Int(0)], &load(0)).unwrap_err().contains("arguments"));
    let register = |k: &mut KernelBuilder, _: Ptr| {
        k.copy(Vreg(9));
    };
    assert!(err(&register).contains("v9"));
    let unassigned = |k: &mut KernelBuilder, _: Ptr| {
        let q = k.ptr();
        k.advance(q, 4);
    };
    assert!(err(&unassigned).contains("p1"));
    let shift = |k: &mut KernelBuilder, p: Ptr| {
        let v = k.load(p.at(0), 8);
        k.unary(VecUnary::ShiftLeft(32), v);
    };
    assert!(err(&shift).contains("shift"));
    let part = |k: &mut KernelBuilder, p: Ptr| {
        let dst = k.vreg();
        k.inst(Inst::LoadPart { dst, addr: p.at(0), lanes: 8 });
    };
    assert!(err(&part).contains("8 lanes"));
}
