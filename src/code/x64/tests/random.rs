//! Random kernels: nested loops, more values than registers, every operation.

use std::collections::HashMap;

use proptest::prelude::*;

use super::harness::{Case, Rng, at, check, int, numbers};
use crate::code::x64::abi::Abi;
use crate::code::x64::allocate::{Home, assign};
use crate::code::x64::flat::{Class, Role, flatten};
use crate::code::x64::live::{Kind, ranges};
use crate::code::x64::vector_file;
use crate::kernels::build::KernelBuilder;
use crate::kernels::interpret::ArgValue;
use crate::kernels::ir::{
    Arith, Cache, Cmp, Count, Inst, Int, Kernel, MAX_LOOP_DEPTH, Offset, Operand, Ptr, Spills, VecBinary,
    VecUnary, Vreg, Wide, WideInst, WideOperand,
};

/// Words of a buffer; pointers start in the middle and stay within.
const WORDS: usize = 16384;
const MIDDLE: i64 = 2 * WORDS as i64;
/// Entries of the table of offsets.
const TABLE: usize = 64;
const ARITH: [Arith; 7] =
    [Arith::Add, Arith::Sub, Arith::Mul, Arith::Div, Arith::Max, Arith::Min, Arith::And];

/// Writes a kernel statement by statement.
///
/// Registers are of two kinds: bits, whose every bit is defined, and floats, which may hold NaNs with
/// any payload. Only bits are operands of operations on bits.
struct Writer {
    rng: Rng,
    bits: Vec<Vreg>,
    floats: Vec<Vreg>,
    /// Floats.
    wides: Vec<Wide>,
    /// Read only, then written only, then moving ones derived from the former.
    inputs: Vec<Ptr>,
    outputs: Vec<Ptr>,
    moving: Vec<Ptr>,
    table: Ptr,
    counts: Vec<Int>,
    steps: Vec<Int>,
    left: usize,
}

impl Writer {
    fn any(&mut self) -> Vreg {
        let all = self.bits.len() + self.floats.len();
        let i = self.rng.below(all);
        if i < self.bits.len() { self.bits[i] } else { self.floats[i - self.bits.len()] }
    }

    fn bits(&mut self) -> Vreg {
        self.rng.pick(&self.bits)
    }

    fn float(&mut self) -> Vreg {
        self.rng.pick(&self.floats)
    }

    fn offset(&mut self) -> i32 {
        4 * self.rng.below(256) as i32 - 512
    }

    fn constant(&mut self) -> u32 {
        numbers(self.rng.next(), 1)[0] & 0xff7f_ffff
    }

    fn input(&mut self) -> Ptr {
        let all: Vec<Ptr> = self.inputs.iter().chain(&self.moving).copied().collect();
        self.rng.pick(&all)
    }

    /// The last operand: any register for a float operation, else one with defined bits.
    fn operand(&mut self, bits: bool) -> Operand {
        match self.rng.below(5) {
            0 => Operand::Const(self.constant()),
            1 => Operand::Mem(self.input().at(self.offset())),
            _ if bits => Operand::Reg(self.bits()),
            _ => Operand::Reg(self.any()),
        }
    }

    /// Statements, some of them on registers that only this block knows.
    fn block(&mut self, k: &mut KernelBuilder, depth: usize) {
        let outer = (self.bits.len(), self.floats.len());
        for _ in 0..self.rng.below(6) {
            let own = k.load(self.input().at(self.offset()), 8);
            if self.rng.below(2) == 0 { self.bits.push(own) } else { self.floats.push(own) }
        }
        self.statements(k, depth);
        self.bits.truncate(outer.0);
        self.floats.truncate(outer.1);
    }

    fn statements(&mut self, k: &mut KernelBuilder, depth: usize) {
        let statements = 1 + self.rng.below(12);
        for _ in 0..statements {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            match self.rng.below(12) {
                0 | 1 if depth < MAX_LOOP_DEPTH => {
                    let count = match self.rng.below(3) {
                        0 => Count::Int(self.rng.pick(&self.counts)),
                        _ => Count::Static(1 + self.rng.below(3) as u32),
                    };
                    k.repeat(count, |k| self.block(k, depth + 1));
                }
                2 => self.pointer(k),
                _ => self.inst(k),
            }
        }
    }

    fn pointer(&mut self, k: &mut KernelBuilder) {
        let dst = self.rng.pick(&self.moving);
        match self.rng.below(5) {
            0 => k.advance(dst, 4 * self.rng.below(9) as i32 - 16),
            1 => k.advance_int(dst, self.rng.pick(&self.steps)),
            2 => {
                let by = Offset::Bytes(self.offset());
                k.set_ptr(dst, self.rng.pick(&self.inputs), by);
            }
            3 => {
                let by = Offset::Int(self.rng.pick(&self.steps));
                k.set_ptr(dst, self.rng.pick(&self.inputs), by);
            }
            _ => {
                let table = self.table.at(4 * self.rng.below(TABLE) as i32);
                k.lookup(dst, self.rng.pick(&self.inputs), table, (-256, 256));
            }
        }
    }

    fn wide_inst(&mut self, k: &mut KernelBuilder) {
        let (dst, a) = (self.rng.pick(&self.wides), self.rng.pick(&self.wides));
        let addr = self.input().at(self.offset());
        if self.wides.len() >= 8 && self.rng.below(8) == 0 {
            let first = self.rng.below(self.wides.len() - 7);
            let regs = std::array::from_fn(|i| self.wides[first + i]);
            return k.wide_inst(WideInst::Transpose { regs, back: self.rng.below(2) == 0 });
        }
        let inst = match self.rng.below(13) {
            0 => WideInst::Splat { dst, bits: 0 },
            1 => WideInst::Splat { dst, bits: self.constant() },
            2 => WideInst::Load { dst, addr },
            3 => WideInst::LoadSplat { dst, addr },
            10 => WideInst::LoadTwice { dst, addr },
            12 => {
                let op = self.rng.pick(&ARITH);
                WideInst::Arith { op, dst, a, b: self.rng.pick(&self.wides) }
            }
            11 => {
                let (low, high) = (a, self.rng.pick(&self.wides));
                WideInst::Slide { dst, low, high, by: 1 + self.rng.below(15) as u8 }
            }
            8 => WideInst::LoadPart {
                dst,
                addr,
                lanes: 1 + self.rng.below(15) as u8,
                last: self.rng.below(2) == 0,
            },
            9 => WideInst::Store { addr: self.rng.pick(&self.outputs).at(self.offset()), src: a },
            4 | 5 => WideInst::Half { dst: self.float(), src: a, high: self.rng.below(2) == 0 },
            _ => {
                let b = match self.rng.below(3) {
                    0 => WideOperand::Reg(self.rng.pick(&self.wides)),
                    1 => WideOperand::Mem(addr),
                    _ => WideOperand::Splat(addr),
                };
                WideInst::Fma { acc: dst, a, b }
            }
        };
        k.wide_inst(inst);
    }

    fn inst(&mut self, k: &mut KernelBuilder) {
        if !self.wides.is_empty() && self.rng.below(4) == 0 {
            return self.wide_inst(k);
        }
        let (bits, float) = (self.bits(), self.float());
        let stride = self.rng.pick(&[8, 12, 20, -4, -16]);
        let lanes = 1 + self.rng.below(8);
        let load = self.input().at(self.offset());
        let store = self.rng.pick(&self.outputs).at(self.offset());
        match self.rng.below(21) {
            0 => {
                let lanes = self.constant();
                k.inst(Inst::Splat { dst: bits, bits: if lanes & 4 == 0 { 0 } else { lanes } });
            }
            1 => k.inst(Inst::Move { dst: bits, src: self.bits() }),
            2 => k.inst(Inst::Move { dst: float, src: self.any() }),
            3 => k.load_to(bits, load, lanes),
            4 if stride == -4 => k.inst(Inst::Prefetch { addr: load, cache: Cache::First }),
            4 => k.inst(Inst::LoadSplat { dst: float, addr: load }),
            5 => k.inst(Inst::LoadStrided { dst: bits, addr: load, stride, lanes: lanes as u8 }),
            6 => {
                let index = k.binary(VecBinary::And, bits, Operand::Const(15));
                k.inst(Inst::Gather { dst: float, addr: load, index, bounds: (0, 15) });
            }
            7 => k.store(store, self.any(), lanes),
            8 => k.inst(Inst::StoreStrided { addr: store, src: self.any(), stride, lanes: lanes as u8 }),
            9..=11 => k.fma(float, self.any(), self.operand(false)),
            12 | 13 => {
                use VecBinary::{Add, Div, Max, Min, Mul, Sub};
                let op = self.rng.pick(&[Add, Sub, Mul, Div, Max, Min]);
                k.binary_to(op, float, self.any(), self.operand(false));
            }
            14 => {
                use VecBinary::{AddInt, And, AndNot, Or, SubInt, Xor};
                let op = self.rng.pick(&[And, Or, Xor, AndNot, AddInt, SubInt]);
                k.binary_to(op, bits, self.bits(), self.operand(true));
            }
            15 => {
                let cmp = self.rng.pick(&[Cmp::Eq, Cmp::Lt, Cmp::Le, Cmp::Unordered]);
                k.binary_to(VecBinary::Cmp(cmp), bits, self.any(), self.operand(false));
            }
            16 => {
                use VecUnary::{Floor, MaxLanes, Round, Sqrt, SumLanes};
                let op = self.rng.pick(&[Floor, MaxLanes, Round, Sqrt, SumLanes]);
                k.inst(Inst::Unary { op, dst: float, src: self.any() });
            }
            17 => {
                use VecUnary::{ShiftLeft, ShiftRight, ShiftRightArithmetic};
                let by = self.rng.below(32) as u8;
                let op = self.rng.pick(&[ShiftLeft(by), ShiftRight(by), ShiftRightArithmetic(by)]);
                let (op, src) = match self.rng.below(3) {
                    0 => (VecUnary::ToInt, self.any()),
                    1 => (VecUnary::ToFloat, self.bits()),
                    _ => (op, self.bits()),
                };
                k.inst(Inst::Unary { op, dst: bits, src });
            }
            19 => {
                let (low, high) = (self.any(), self.any());
                let slid = k.vreg();
                k.inst(Inst::Slide { dst: slid, low, high, by: 1 + self.rng.below(7) as u8 });
                k.inst(Inst::Move { dst: bits, src: slid });
            }
            18 => {
                let (mask, on, off) = (self.bits(), self.any(), self.any());
                k.inst(Inst::Blend { dst: float, mask, on, off });
            }
            _ => {
                if let Some(regs) = self.eight() {
                    k.inst(Inst::Transpose { regs });
                }
            }
        }
    }

    /// Eight registers of one kind.
    fn eight(&mut self) -> Option<[Vreg; 8]> {
        let mut list = if self.rng.below(2) == 0 { self.bits.clone() } else { self.floats.clone() };
        if list.len() < 8 {
            return None;
        }
        for i in 0..8 {
            let j = i + self.rng.below(list.len() - i);
            list.swap(i, j);
        }
        list.first_chunk().copied()
    }
}

fn random_kernel(
    seed: u64,
    registers: usize,
    wides: usize,
    pointers: usize,
    statements: usize,
) -> (Kernel, Case) {
    let mut rng = Rng(seed);
    let mut k = KernelBuilder::new(format!("random {seed} {registers} {wides} {pointers} {statements}"));
    let mut args: Vec<ArgValue> = Vec::new();
    let mut buffers = Vec::new();
    let mut buffer = |k: &mut KernelBuilder, args: &mut Vec<ArgValue>, words: Vec<u32>| {
        let middle = if words.len() == TABLE { 0 } else { MIDDLE };
        args.push(at(buffers.len(), middle));
        buffers.push(words);
        k.ptr_arg()
    };
    let inputs = (0..2).map(|i| buffer(&mut k, &mut args, numbers(seed ^ i, WORDS))).collect::<Vec<_>>();
    let outputs = (0..2).map(|_| buffer(&mut k, &mut args, vec![7; WORDS])).collect();
    let offsets = (0..TABLE).map(|_| 4 * rng.below(129) as u32).map(|x| x.wrapping_sub(256)).collect();
    let table = buffer(&mut k, &mut args, offsets);
    let mut ints = |k: &mut KernelBuilder, values: &[i64]| {
        args.extend(values.iter().map(|&value| int(value)));
        values.iter().map(|_| k.int_arg()).collect::<Vec<_>>()
    };
    let (counts, steps) = (ints(&mut k, &[0, 1, 2, 3]), ints(&mut k, &[8, -12, 0]));
    let moving: Vec<Ptr> = (0..pointers).map(|_| k.ptr()).collect();
    for (i, &ptr) in moving.iter().enumerate() {
        k.set_ptr(ptr, inputs[i % 2], Offset::Bytes(4 * i as i32));
    }
    let registers: Vec<Vreg> = (0..registers).map(|i| k.load(inputs[0].at(32 * i as i32), 8)).collect();
    let wides: Vec<Wide> = (0..wides).map(|_| k.wide()).collect();
    for (i, &dst) in wides.iter().enumerate() {
        k.wide_inst(WideInst::Load { dst, addr: inputs[1].at(36 * i as i32) });
    }
    let (bits, floats) = registers.split_at(registers.len() / 2);
    let mut writer = Writer {
        rng,
        bits: bits.to_vec(),
        floats: floats.to_vec(),
        wides: wides.clone(),
        inputs,
        outputs,
        moving,
        table,
        counts,
        steps,
        left: statements,
    };
    while writer.left > 0 {
        writer.block(&mut k, 0);
    }
    for (i, &reg) in registers.iter().enumerate() {
        k.store(writer.outputs[0].at(4096 + 32 * i as i32), reg, 8);
    }
    for (i, &ptr) in writer.moving.iter().enumerate() {
        let value = k.load_splat(ptr.at(0));
        k.store(writer.outputs[1].at(4096 + 32 * i as i32), value, 8);
    }
    for (i, &wide) in wides.iter().enumerate() {
        for high in [false, true] {
            let value = k.half(wide, high);
            k.store(writer.outputs[1].at(6144 + 64 * i as i32 + 32 * i32::from(high)), value, 8);
        }
    }
    (k.finish(Spills::Allowed), Case { buffers, args })
}

/// No two values that are live at once have the same home, and every access lies within its value's time.
fn check_homes(kernel: &Kernel) {
    let mut flat = flatten(kernel).unwrap();
    let mut ranges = ranges(&mut flat, "").unwrap();
    let mut homes = Vec::new();
    for file in [vector_file(kernel), &[(Class::General, &Abi::SysV.general()[..])]] {
        assign(&mut flat, &mut ranges, file, Spills::Allowed, &mut homes).unwrap();
    }
    let mut last = HashMap::new();
    let mut order: Vec<usize> = (0..ranges.len()).filter(|&n| ranges[n].kind != Kind::Gone).collect();
    order.sort_by_key(|&n| ranges[n].start);
    for number in order {
        let range = ranges[number];
        let in_register = matches!(homes[number], Home::Register(_));
        assert_eq!(in_register, range.kind != Kind::Memory, "{number}: {range:?}");
        match homes[number] {
            Home::Slot(_) => assert_ne!(range.class, Class::Wide),
            // The upper ones have no names in the instructions of other classes.
            Home::Register(register) => assert!(register < 16 || range.class == Class::Wide),
        }
        let Some(before) = last.insert((range.class == Class::General, homes[number]), range) else {
            continue;
        };
        assert!(before.end < range.start, "{before:?} and {range:?} have the same home");
    }
    for (p, item) in (0..).zip(&flat.items) {
        for access in flat.accesses(item) {
            let Some(range) = ranges.get(access.range as usize) else { continue };
            let times = match access.role {
                Role::Use => 2 * p..=2 * p,
                Role::Def | Role::UseLate => 2 * p + 1..=2 * p + 1,
                Role::Update | Role::Temp => 2 * p..=2 * p + 1,
            };
            assert!(range.start <= *times.start() && *times.end() <= range.end, "{access:?} of {range:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_kernels_compute_what_the_interpreter_does(
        seed: u64,
        registers in 2_usize..32,
        wides in prop_oneof![Just(0_usize), 1_usize..26],
        pointers in 1_usize..24,
        statements in 1_usize..120,
    ) {
        let (kernel, case) = random_kernel(seed, registers, wides, pointers, statements);
        check_homes(&kernel);
        check(&kernel, &case);
    }
}
