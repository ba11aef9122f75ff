//! Random kernels that keep the IR's invariants, for comparing executors.
//!
//! A kernel is decoded from a [`Script`], any list of numbers, so that proptest can shrink it. Registers are kept
//! in two kinds, for executors agree on NaNs but not on their payloads: *numbers*, of which a NaN is
//! only known to be one, and *bits*, which are exact. What turns numbers into bits (comparisons,
//! conversions) does not look at payloads.

use proptest::prelude::*;

use super::build::KernelBuilder;
use super::ir::{
    Addr, Arith, Cache, Cmp, Count, Inst, Int, Kernel, LANES, Offset, Operand, Ptr, Spills, VecBinary,
    VecUnary, Vreg, Wide, WideInst, WideOperand,
};
use super::step::{Base, Call, CallArg, KernelId, Lowered, Nest, Step};

/// Any numbers; four make an operation.
pub(crate) type Script = Vec<[u32; 4]>;

/// Scripts of up to `most` operations.
pub(crate) fn scripts(most: usize) -> impl Strategy<Value = Script> {
    prop::collection::vec(any::<[u32; 4]>(), 1..most)
}

/// Bytes on either side of where the pointer arguments point.
const REACH: i64 = 2048;
/// f32 of each buffer.
pub(crate) const BUFFER_WORDS: usize = 2 * REACH as usize / 4;
/// How often the loops with run-time counts run.
const COUNTS: [i64; 3] = [0, 1, 3];
/// Least and greatest entry of the index table, in elements.
const INDEX: (i32, i32) = (-9, 9);

const ARITH: [Arith; 7] =
    [Arith::Add, Arith::Sub, Arith::Mul, Arith::Div, Arith::Max, Arith::Min, Arith::And];

/// A program of one step that calls one kernel once: input 0 is numbers, input 1 bits, output 0 numbers,
/// output 1 bits.
pub(crate) fn program(script: &Script) -> Lowered {
    let (kernel, args) = Decoder::new().decode(script);
    let nest = Nest::new(Vec::new(), vec![Call { kernel: KernelId(0), args }]);
    Lowered {
        kernels: vec![kernel],
        prepare: Vec::new(),
        run: vec![Step { name: "random".to_owned(), nests: vec![nest] }],
        consts: table(1).chain(table(4)).collect(),
        packed_bytes: 0,
        arena_bytes: 0,
        local_bytes: 0,
        input_bytes: vec![4 * BUFFER_WORDS as u64; 2],
        output_bytes: vec![4 * BUFFER_WORDS as u64; 2],
        param_bytes: Vec::new(),
    }
}

/// 64 entries: multiples of `unit`, -9 to 9.
fn table(unit: i32) -> impl Iterator<Item = u8> {
    (0..64).flat_map(move |i: i32| (unit * (i * 7 % 19 + INDEX.0)).to_le_bytes())
}

/// Numbers of every kind: mostly small, some at the edges of the format.
pub(crate) fn numbers(seed: u32) -> Vec<f32> {
    const SPECIAL: [f32; 16] = [
        0.0,
        -0.0,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN_POSITIVE,
        1e-42,
        2_147_483_648.0,
        -2_147_483_648.0,
        2_147_483_520.0,
        0.5,
        1.5,
        -2.5,
        8_388_609.0,
        -0.3,
    ];
    bits(seed)
        .into_iter()
        .map(|bits| match bits % 8 {
            0 => SPECIAL[(bits >> 8) as usize % SPECIAL.len()],
            _ => (bits as i32 >> 8) as f32 / (1 << 20) as f32,
        })
        .collect()
}

/// Words in no order.
pub(crate) fn bits(seed: u32) -> Vec<u32> {
    let mut state = u64::from(seed) << 1 | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    };
    (0..BUFFER_WORDS).map(|_| next()).collect()
}

struct Decoder {
    k: KernelBuilder,
    numbers: Vec<Vreg>,
    bits: Vec<Vreg>,
    /// Numbers; none in programs for every target.
    wides: Vec<Wide>,
    number_in: Ptr,
    bits_in: Ptr,
    table: Ptr,
    number_out: Ptr,
    bits_out: Ptr,
    counts: Vec<Int>,
}

impl Decoder {
    fn new() -> Decoder {
        let mut k = KernelBuilder::new("random");
        let [number_in, bits_in, table, number_out, bits_out] = std::array::from_fn(|_| k.ptr_arg());
        let counts = COUNTS.iter().map(|_| k.int_arg()).collect();
        let mut decoder = Decoder {
            k,
            numbers: Vec::new(),
            bits: Vec::new(),
            wides: Vec::new(),
            number_in,
            bits_in,
            table,
            number_out,
            bits_out,
            counts,
        };
        for i in 0..4 {
            decoder.numbers.push(decoder.k.load(number_in.at(36 * i), LANES));
            decoder.bits.push(decoder.k.load(bits_in.at(36 * i), LANES));
        }
        decoder
    }

    fn decode(mut self, script: &Script) -> (Kernel, Vec<CallArg>) {
        if script.first().is_some_and(|op| op[3] >> 16 & 1 == 1) {
            for i in 0..2 {
                let dst = self.k.wide();
                self.k.wide_inst(WideInst::Load { dst, addr: self.number_in.at(68 * i) });
                self.wides.push(dst);
            }
        }
        self.ops(script, 0);
        for (i, &wide) in self.wides.iter().enumerate() {
            for high in [false, true] {
                let half = self.k.half(wide, high);
                self.k.store(
                    self.number_out.at(1024 + 64 * (i % 8) as i32 + 32 * i32::from(high)),
                    half,
                    LANES,
                );
            }
        }
        for (i, &reg) in self.numbers.iter().enumerate() {
            self.k.store(self.number_out.at(32 * (i % 32) as i32), reg, LANES);
        }
        for (i, &reg) in self.bits.iter().enumerate() {
            self.k.store(self.bits_out.at(32 * (i % 32) as i32), reg, LANES);
        }
        let ptr = |base, offset| CallArg::Ptr { base, offset, strides: Vec::new(), tables: Vec::new() };
        let mut args = vec![
            ptr(Base::Input(0), REACH),
            ptr(Base::Input(1), REACH),
            ptr(Base::Consts, 0),
            ptr(Base::Output(0), REACH),
            ptr(Base::Output(1), REACH),
        ];
        args.extend(COUNTS.iter().map(|&count| CallArg::Int(count)));
        (self.k.finish(Spills::Allowed), args)
    }

    fn ops(&mut self, script: &[[u32; 4]], depth: usize) {
        let mut rest = script;
        while let Some((&op, tail)) = rest.split_first() {
            rest = tail;
            // A loop takes some of the operations that follow.
            if op[0] % 12 == 0 && depth < 3 {
                let (body, tail) = rest.split_at(rest.len().min(op[1] as usize % 12));
                rest = tail;
                self.repeat(op, body, depth);
            } else {
                self.op(op);
            }
        }
    }

    fn repeat(&mut self, [_, _, kind, which]: [u32; 4], body: &[[u32; 4]], depth: usize) {
        let count = match kind as usize % 6 {
            i @ 0..3 => Count::Int(self.counts[i]),
            i => Count::Static(i as u32 - 2),
        };
        let k = &mut self.k;
        // Pointers of the loop's own, so that they stay near.
        let [number_in, bits_in, number_out, bits_out] =
            [self.number_in, self.bits_in, self.number_out, self.bits_out].map(|ptr| {
                let own = k.ptr();
                k.set_ptr(own, ptr, Offset::Bytes(0));
                own
            });
        let mut inner = Decoder {
            k: KernelBuilder::new(""),
            numbers: self.numbers.clone(),
            bits: self.bits.clone(),
            wides: self.wides.clone(),
            number_in,
            bits_in,
            table: self.table,
            number_out,
            bits_out,
            counts: self.counts.clone(),
        };
        self.k.repeat(count, |k| {
            std::mem::swap(k, &mut inner.k);
            inner.ops(body, depth + 1);
            let step = [4, -4, 32, 36][which as usize % 4];
            for ptr in [number_in, bits_in, number_out, bits_out] {
                inner.k.advance(ptr, step);
            }
            std::mem::swap(k, &mut inner.k);
        });
        // What only a loop assigns that may not run is unassigned after it.
        if !matches!(count, Count::Int(_)) {
            self.numbers = inner.numbers;
            self.bits = inner.bits;
            self.wides = inner.wides;
        }
    }

    fn number(&self, n: u32) -> Vreg {
        self.numbers[n as usize % self.numbers.len()]
    }

    fn bit(&self, n: u32) -> Vreg {
        self.bits[n as usize % self.bits.len()]
    }

    /// An address near, a multiple of 4.
    fn near(ptr: Ptr, n: u32) -> Addr {
        ptr.at((n % 128) as i32 * 4 - 256)
    }

    /// A register to assign: a new one or one there is.
    fn target(&mut self, n: u32, bits: bool) -> Vreg {
        let list = if bits { &mut self.bits } else { &mut self.numbers };
        if n & 1 == 0 || list.len() > 40 {
            return list[n as usize / 2 % list.len()];
        }
        let reg = self.k.vreg();
        list.push(reg);
        reg
    }

    fn operand(&self, n: u32, bits: bool) -> Operand {
        let (list, ptr) = if bits { (&self.bits, self.bits_in) } else { (&self.numbers, self.number_in) };
        match n % 4 {
            0 => Operand::Mem(Self::near(ptr, n >> 2)),
            1 if bits => Operand::Const(n),
            1 => Operand::Const(((n as i32) as f32 / 1e6).to_bits()),
            _ => Operand::Reg(list[n as usize / 4 % list.len()]),
        }
    }

    fn wide_op(&mut self, [kind, a, b, c]: [u32; 4]) {
        let pick = |n: u32| self.wides[n as usize % self.wides.len()];
        let (x, y, acc) = (pick(a), pick(a >> 8), pick(c));
        let addr = Self::near(self.number_in, b);
        if kind / 64 % 15 > 12 && self.wides.len() >= LANES {
            let first = a as usize % (self.wides.len() - LANES + 1);
            let regs = std::array::from_fn(|i| self.wides[first + i]);
            return self.k.wide_inst(WideInst::Transpose { regs, back: b & 1 == 0 });
        }
        let inst = match kind / 64 % 13 {
            0 => WideInst::Half { dst: self.target(c, false), src: x, high: b & 1 == 1 },
            1 => WideInst::Fma { acc, a: x, b: WideOperand::Mem(addr) },
            2 => WideInst::Fma { acc, a: x, b: WideOperand::Splat(addr) },
            3 | 4 => WideInst::Fma { acc, a: x, b: WideOperand::Reg(y) },
            8 => WideInst::Store { addr: Self::near(self.number_out, b), src: x },
            load => {
                let dst = if self.wides.len() < 12 { self.k.wide() } else { acc };
                if !self.wides.contains(&dst) {
                    self.wides.push(dst);
                }
                match load {
                    5 => WideInst::Splat { dst, bits: if b & 7 == 0 { 0 } else { (b as f32).to_bits() } },
                    6 => WideInst::Load { dst, addr },
                    12 => WideInst::Arith { op: ARITH[b as usize % 7], dst, a: x, b: y },
                    11 => WideInst::Slide { dst, low: x, high: y, by: (c % 15 + 1) as u8 },
                    10 => WideInst::LoadTwice { dst, addr },
                    9 => WideInst::LoadPart { dst, addr, lanes: (c % 15 + 1) as u8, last: c & 16 == 0 },
                    _ => WideInst::LoadSplat { dst, addr },
                }
            }
        };
        self.k.wide_inst(inst);
    }

    fn op(&mut self, [kind, a, b, c]: [u32; 4]) {
        if !self.wides.is_empty() && kind % 26 > 20 && kind & 32 == 0 {
            return self.wide_op([kind, a, b, c]);
        }
        const BINARY: [VecBinary; 6] =
            [VecBinary::Add, VecBinary::Sub, VecBinary::Mul, VecBinary::Div, VecBinary::Max, VecBinary::Min];
        const BITS: [VecBinary; 6] = [
            VecBinary::And,
            VecBinary::Or,
            VecBinary::Xor,
            VecBinary::AndNot,
            VecBinary::AddInt,
            VecBinary::SubInt,
        ];
        const CMP: [Cmp; 4] = [Cmp::Eq, Cmp::Lt, Cmp::Le, Cmp::Unordered];
        const UNARY: [VecUnary; 5] =
            [VecUnary::Sqrt, VecUnary::Round, VecUnary::Floor, VecUnary::SumLanes, VecUnary::MaxLanes];
        let by = (b % 32) as u8;
        let shifts = [VecUnary::ShiftLeft(by), VecUnary::ShiftRight(by), VecUnary::ShiftRightArithmetic(by)];
        let choose = kind / 64;
        // Operands are read before targets are made: a new target is unassigned.
        let (x, y, bx, by) = (self.number(a), self.operand(b, false), self.bit(a), self.operand(b, true));
        let bits = choose & 1 == 1;
        let (any, input, output) = if bits {
            (self.bit(a), self.bits_in, self.bits_out)
        } else {
            (self.number(a), self.number_in, self.number_out)
        };
        let at = Self::near(input, b);
        let stride = [4, -4, 8, 12, -20, 36][b as usize % 6];
        let inst = match kind % 26 {
            0 | 1 => {
                let op = BINARY[choose as usize % 6];
                Inst::Binary { op, dst: self.target(c, false), a: x, b: y }
            }
            2 | 3 => Inst::Fma { acc: self.number(c), a: x, b: y },
            4 => Inst::Binary { op: BITS[choose as usize % 6], dst: self.target(c, true), a: bx, b: by },
            5 | 6 => {
                let op = VecBinary::Cmp(CMP[choose as usize % 4]);
                Inst::Binary { op, dst: self.target(c, true), a: x, b: y }
            }
            7 => Inst::Unary { op: UNARY[choose as usize % 5], dst: self.target(c, false), src: x },
            8 => Inst::Unary { op: shifts[choose as usize % 3], dst: self.target(c, true), src: bx },
            9 => Inst::Unary { op: VecUnary::ToInt, dst: self.target(c, true), src: x },
            10 => Inst::Unary { op: VecUnary::ToFloat, dst: self.target(c, false), src: bx },
            11 => {
                // Absolute value, or sign changed: a NaN stays one.
                let (op, with) =
                    if bits { (VecBinary::And, 0x7fff_ffff) } else { (VecBinary::Xor, 0x8000_0000) };
                Inst::Binary { op, dst: self.target(c, false), a: x, b: Operand::Const(with) }
            }
            12 => {
                let (mask, off) = (self.bit(b), if bits { self.bit(b >> 8) } else { self.number(b >> 8) });
                Inst::Blend { dst: self.target(c, bits), mask, on: any, off }
            }
            13 => Inst::Move { dst: self.target(c, bits), src: any },
            // Bits seen as numbers.
            14 => Inst::Move { dst: self.target(c, false), src: bx },
            15 => {
                Inst::Splat { dst: self.target(c, bits), bits: if bits { b } else { (b as f32).to_bits() } }
            }
            16 => Inst::Load { dst: self.target(c, bits), addr: at },
            17 if a & 15 == 0 => {
                Inst::Prefetch { addr: at, cache: if b & 1 == 0 { Cache::First } else { Cache::Second } }
            }
            17 => Inst::LoadSplat { dst: self.target(c, bits), addr: at },
            18 if a & 8 == 0 => {
                Inst::LoadLast { dst: self.target(c, bits), addr: at, lanes: (a % 7 + 1) as u8 }
            }
            18 => Inst::LoadPart { dst: self.target(c, bits), addr: at, lanes: (a % 7 + 1) as u8 },
            19 => {
                let lanes = (a % 8 + 1) as u8;
                Inst::LoadStrided { dst: self.target(c, bits), addr: at, stride, lanes }
            }
            20 => {
                let index = self.k.load(self.table.at((a % 48) as i32 * 4), LANES);
                Inst::Gather { dst: self.target(c, bits), addr: at, index, bounds: INDEX }
            }
            21 => Inst::Store { addr: Self::near(output, b), src: any },
            22 => Inst::StorePart { addr: Self::near(output, b), src: any, lanes: (c % 7 + 1) as u8 },
            23 => {
                let lanes = (c % 8 + 1) as u8;
                Inst::StoreStrided { addr: Self::near(output, b >> 8), src: any, stride, lanes }
            }
            24 if choose & 2 == 0 => {
                let (low, high) = (any, self.number(b));
                let fresh = self.k.vreg();
                self.k.inst(Inst::Slide { dst: fresh, low, high, by: (a % 7 + 1) as u8 });
                Inst::Move { dst: self.target(c, bits), src: fresh }
            }
            24 => {
                let list = if bits { &mut self.bits } else { &mut self.numbers };
                while list.len() < LANES {
                    let (copy, first) = (self.k.vreg(), list[0]);
                    self.k.inst(Inst::Move { dst: copy, src: first });
                    list.push(copy);
                }
                let first = c as usize % (list.len() - LANES + 1);
                Inst::Transpose { regs: std::array::from_fn(|i| list[first + i]) }
            }
            _ => {
                let row = self.k.ptr();
                let table = self.table.at(256 + (a % 64) as i32 * 4);
                self.k.lookup(row, input, table, (4 * INDEX.0, 4 * INDEX.1));
                Inst::Load { dst: self.target(c, bits), addr: Self::near(row, b) }
            }
        };
        self.k.inst(inst);
    }
}
