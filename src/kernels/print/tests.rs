use super::*;
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{Cache, Spills};
use crate::kernels::step::{Call, KernelId};

#[test]
fn a_kernel_and_its_step_print_as_they_are_written() {
    let mut k = KernelBuilder::new("demo");
    let (x, y, n) = (k.ptr_arg(), k.ptr_arg(), k.int_arg());
    k.repeat(Count::Int(n), |k| {
        let v = k.load(x.at(-8), 8);
        let acc = k.splat(0.5);
        k.fma(acc, v, y.at(32));
        let sign = k.binary(VecBinary::And, acc, Operand::Const(0x8000_0000));
        let mask = k.cmp(Cmp::Lt, v, -1.5);
        let chosen = k.blend(mask, sign, acc);
        let exponent = k.unary(VecUnary::ShiftRight(23), chosen);
        let bits = k.binary(VecBinary::Or, exponent, f32::NAN);
        k.store(y.at(4), bits, 3);
        k.advance(x, 32);
        let row = k.ptr();
        k.lookup(row, x, y.at(0), (-4, 4));
        let (a, b) = (k.wide(), k.wide());
        k.wide_inst(WideInst::Load { dst: a, addr: x.at(64) });
        k.wide_inst(WideInst::LoadTwice { dst: b, addr: x.at(8) });
        k.wide_inst(WideInst::LoadPart { dst: b, addr: x.at(0), lanes: 9, last: false });
        k.wide_inst(WideInst::LoadPart { dst: b, addr: x.at(0), lanes: 3, last: true });
        k.wide_inst(WideInst::LoadSplat { dst: b, addr: x.at(4) });
        for operand in [WideOperand::Reg(b), WideOperand::Mem(y.at(0)), WideOperand::Splat(y.at(8))] {
            k.wide_inst(WideInst::Fma { acc: a, a: b, b: operand });
        }
        k.wide_inst(WideInst::Store { addr: y.at(64), src: a });
        k.wide_inst(WideInst::Slide { dst: b, low: a, high: b, by: 15 });
        k.wide_inst(WideInst::Arith { op: crate::kernels::ir::Arith::Max, dst: b, a, b });
        let eight = [0; 8].map(|_| k.wide());
        eight.iter().for_each(|&dst| k.wide_inst(WideInst::Splat { dst, bits: 0 }));
        k.wide_inst(WideInst::Transpose { regs: eight, back: true });
        let slid = k.vreg();
        k.inst(Inst::Slide { dst: slid, low: v, high: acc, by: 1 });
        for cache in [Cache::First, Cache::Second] {
            k.inst(Inst::Prefetch { addr: x.at(4096), cache });
        }
        k.half(a, false);
        k.half(a, true);
    });
    let kernel = k.finish(Spills::Allowed);
    let args = vec![
        CallArg::Ptr { base: Base::Arena, offset: 64, strides: vec![128, 0, -8], tables: Vec::new() },
        CallArg::Ptr {
            base: Base::Param(2),
            offset: 0,
            strides: vec![0; 3],
            tables: vec![TableArg { dim: 1, offsets: (0..10).collect() }],
        },
        CallArg::Int(7),
    ];
    let nest = Nest::new(vec![2, 10, 3], vec![Call { kernel: KernelId(0), args }]);
    let lowered = Lowered {
        kernels: vec![kernel],
        prepare: Vec::new(),
        run: vec![Step { name: "a: demo".to_owned(), nests: vec![Nest { anew: true, ..nest }] }],
        consts: vec![0; 4],
        packed_bytes: 0,
        arena_bytes: 1024,
        local_bytes: 0,
        input_bytes: Vec::new(),
        output_bytes: Vec::new(),
        param_bytes: vec![0, 0, 64],
    };
    let expected = "\
consts 4 bytes, packed 0 bytes, arena 1024 bytes

== run
step a: demo, 60 units
  for x0 < 2, x1 < 10, x2 < 3, shared out anew
    k0 demo(arena + 64 + 128·x0 - 8·x2, param2 + [0, 1, 2, 3, …, 6, 7, 8, 9][x1], 7)

k0: kernel demo(p0, p1, i2)
  loop i2 {
    v0 = load [p0 - 8]
    v1 = splat 0.5
    v1 = fma v1, v0, [p1 + 32]
    v2 = and v1, 0x80000000
    v3 = lt v0, -1.5
    v4 = v3 ? v2 : v1
    v5 = shr v4, 23
    v6 = or v5, 0x7fc00000
    store 3 of [p1 + 4], v6
    p0 = p0 + 32
    p2 = p0 + lookup [p1] in -4..=4
    w0 = load [p0 + 64]
    w1 = load twice [p0 + 8]
    w1 = load 9 of [p0]
    w1 = load last 3 of [p0]
    w1 = load splat [p0 + 4]
    w0 = fma w0, w1, w1
    w0 = fma w0, w1, [p1]
    w0 = fma w0, w1, splat [p1 + 8]
    store [p1 + 64], w0
    w1 = slide w0, w1 by 15
    w1 = max w0, w1
    w2 = splat 0.0
    w3 = splat 0.0
    w4 = splat 0.0
    w5 = splat 0.0
    w6 = splat 0.0
    w7 = splat 0.0
    w8 = splat 0.0
    w9 = splat 0.0
    transpose back w2, w3, w4, w5, w6, w7, w8, w9
    v7 = slide v0, v1 by 1
    prefetch [p0 + 4096]
    prefetch.l2 [p0 + 4096]
    v8 = low w0
    v9 = high w0
  }
";
    assert_eq!(lowered.to_string(), expected);
}
