//! Operations on the eight lanes of a register, as two halves of four.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{
    ConstantData, Endianness, InstBuilder, MemFlagsData, Opcode, Type, Value, ValueDef, types,
};
use cranelift_frontend::FunctionBuilder;

use super::emit::Halves;
use crate::code::{CodeError, Target};
use crate::kernels::ir::{Cmp, VecBinary, VecUnary};
use crate::target::{Isa, X64Level};

/// Appends operations where the builder stands.
pub(super) struct Lanes<'a, 'f> {
    pub(super) builder: &'a mut FunctionBuilder<'f>,
    pub(super) target: Target,
}

impl<'f> Lanes<'_, 'f> {
    fn ins<'short>(&'short mut self) -> cranelift_frontend::FuncInstBuilder<'short, 'f> {
        self.builder.ins()
    }

    /// Accesses do not trap, for they stay in their buffers, and are aligned to 4 bytes at the most: parameters begin
    /// anywhere.
    pub(super) fn flags(&self) -> MemFlagsData {
        MemFlagsData::new().with_notrap()
    }

    fn is_x64(&self) -> bool {
        matches!(self.target.isa, Isa::X64(_))
    }

    fn both(&mut self, a: Halves, mut op: impl FnMut(&mut Self, Value) -> Value) -> Halves {
        [op(self, a[0]), op(self, a[1])]
    }

    fn pairs(
        &mut self,
        a: Halves,
        b: Halves,
        mut op: impl FnMut(&mut Self, Value, Value) -> Value,
    ) -> Halves {
        [op(self, a[0], b[0]), op(self, a[1], b[1])]
    }

    // Bits seen as another type of the same size.

    fn cast(&mut self, to: Type, value: Value) -> Value {
        if self.builder.func.dfg.value_type(value) == to {
            return value;
        }
        self.ins().bitcast(to, MemFlagsData::new().with_endianness(Endianness::Little), value)
    }

    fn float(&mut self, value: Value) -> Value {
        self.cast(types::F32X4, value)
    }

    fn int(&mut self, value: Value) -> Value {
        self.cast(types::I32X4, value)
    }

    fn quad(&mut self, bits: u32) -> Value {
        let data: Vec<u8> = bits.to_le_bytes().repeat(4);
        let constant = self.builder.func.dfg.constants.insert(ConstantData::from(data));
        self.ins().vconst(types::F32X4, constant)
    }

    /// The same bits in every lane.
    pub(super) fn splat(&mut self, bits: u32) -> Halves {
        let quad = self.quad(bits);
        [quad, quad]
    }

    // Memory.

    /// The first lanes, 0 in the others; touches no other memory.
    pub(super) fn load(&mut self, ptr: Value, offset: i32, lanes: u8) -> Result<Halves, CodeError> {
        let (low, high) = split(lanes)?;
        Ok([self.load_quad(ptr, offset, 4, low)?, self.load_quad(ptr, add(offset, 16)?, 4, high)?])
    }

    /// The last lanes, 0 in the others; touches no other memory.
    pub(super) fn load_last(&mut self, ptr: Value, offset: i32, lanes: u8) -> Result<Halves, CodeError> {
        let (high, low) = split(lanes)?;
        let flags = self.flags();
        let mut halves = [self.quad(0); 2];
        for (half, count, first) in [(0, low, 0), (1, high, low)] {
            for i in 0..count {
                let value = self.ins().load(types::F32, flags, ptr, step(offset, 4, first + i)?);
                halves[half] = self.ins().insertlane(halves[half], value, 4 - count + i);
            }
        }
        Ok(halves)
    }

    /// The first lanes, 0 in the others; lane i from `offset + i · stride`.
    pub(super) fn load_strided(
        &mut self,
        ptr: Value,
        offset: i32,
        stride: i32,
        lanes: u8,
    ) -> Result<Halves, CodeError> {
        let (low, high) = split(lanes)?;
        let second = if high == 0 { 0 } else { step(offset, stride, 4)? };
        Ok([self.load_quad(ptr, offset, stride, low)?, self.load_quad(ptr, second, stride, high)?])
    }

    fn load_quad(&mut self, ptr: Value, offset: i32, stride: i32, lanes: u8) -> Result<Value, CodeError> {
        let flags = self.flags();
        if lanes == 4 && stride == 4 {
            // Without AVX, a vector operand in memory must be aligned to 16 bytes. Cranelift 0.135.8 forgets
            // that for comparisons; it folds no load that it sees as another type.
            if self.target.isa == Isa::X64(X64Level::Sse41) {
                let bytes = self.ins().load(types::I8X16, flags, ptr, offset);
                return Ok(self.float(bytes));
            }
            return Ok(self.ins().load(types::F32X4, flags, ptr, offset));
        }
        if lanes == 0 {
            return Ok(self.quad(0));
        }
        let first = self.ins().load(types::F32, flags, ptr, offset);
        // The other lanes are 0.
        let mut quad = self.ins().scalar_to_vector(types::F32X4, first);
        for lane in 1..lanes {
            let value = self.ins().load(types::F32, flags, ptr, step(offset, stride, lane)?);
            quad = self.ins().insertlane(quad, value, lane);
        }
        Ok(quad)
    }

    /// One f32 in every lane.
    pub(super) fn load_splat(&mut self, ptr: Value, offset: i32) -> Halves {
        let flags = self.flags();
        let value = self.ins().load(types::F32, flags, ptr, offset);
        let quad = self.ins().splat(types::F32X4, value);
        [quad, quad]
    }

    /// Lane i from `offset + 4 · index[i]`.
    pub(super) fn gather(&mut self, ptr: Value, offset: i32, index: Halves) -> Halves {
        let flags = self.flags();
        self.both(index, |lanes, index| {
            let index = lanes.int(index);
            let mut quad = None;
            for lane in 0..4 {
                let index = lanes.ins().extractlane(index, lane);
                let index = lanes.ins().sextend(types::I64, index);
                let bytes = lanes.ins().ishl_imm_u(index, 2);
                let address = lanes.ins().iadd(ptr, bytes);
                let value = lanes.ins().load(types::F32, flags, address, offset);
                quad = Some(match quad {
                    None => lanes.ins().scalar_to_vector(types::F32X4, value),
                    Some(quad) => lanes.ins().insertlane(quad, value, lane),
                });
            }
            quad.unwrap_or(index)
        })
    }

    /// Stores the first lanes; touches no other memory.
    pub(super) fn store(&mut self, ptr: Value, offset: i32, src: Halves, lanes: u8) -> Result<(), CodeError> {
        let (low, high) = split(lanes)?;
        self.store_quad(ptr, offset, src[0], 4, low)?;
        self.store_quad(ptr, add(offset, 16)?, src[1], 4, high)
    }

    /// Stores the first lanes, lane i to `offset + i · stride`, in this order.
    pub(super) fn store_strided(
        &mut self,
        ptr: Value,
        offset: i32,
        src: Halves,
        stride: i32,
        lanes: u8,
    ) -> Result<(), CodeError> {
        let (low, high) = split(lanes)?;
        let second = if high == 0 { 0 } else { step(offset, stride, 4)? };
        self.store_quad(ptr, offset, src[0], stride, low)?;
        self.store_quad(ptr, second, src[1], stride, high)
    }

    fn store_quad(
        &mut self,
        ptr: Value,
        offset: i32,
        quad: Value,
        stride: i32,
        lanes: u8,
    ) -> Result<(), CodeError> {
        let flags = self.flags();
        if lanes == 4 && stride == 4 {
            self.ins().store(flags, quad, ptr, offset);
            return Ok(());
        }
        for lane in 0..lanes {
            let value = self.ins().extractlane(quad, lane);
            self.ins().store(flags, value, ptr, step(offset, stride, lane)?);
        }
        Ok(())
    }

    // Arithmetic.

    /// `a · b + c`: rounded once where the target does so itself.
    pub(super) fn fma(&mut self, a: Halves, b: Halves, c: Halves) -> Halves {
        let fused = self.target.has_fma();
        let mut half = |a, b, c| {
            if fused {
                return self.ins().fma(a, b, c);
            }
            let product = self.ins().fmul(a, b);
            self.ins().fadd(product, c)
        };
        [half(a[0], b[0], c[0]), half(a[1], b[1], c[1])]
    }

    pub(super) fn binary(&mut self, op: VecBinary, a: Halves, b: Halves) -> Halves {
        self.pairs(a, b, |lanes, a, b| lanes.binary_quad(op, a, b))
    }

    fn binary_quad(&mut self, op: VecBinary, a: Value, b: Value) -> Value {
        match op {
            VecBinary::Add => self.ins().fadd(a, b),
            VecBinary::Sub => self.ins().fsub(a, b),
            VecBinary::Mul => self.ins().fmul(a, b),
            VecBinary::Div => self.ins().fdiv(a, b),
            // In this form x64 has one instruction for each.
            VecBinary::Max => self.pick(FloatCC::LessThan, (b, a), a, b),
            VecBinary::Min => self.pick(FloatCC::LessThan, (a, b), a, b),
            VecBinary::And => self.ins().band(a, b),
            VecBinary::Or => self.ins().bor(a, b),
            VecBinary::Xor => self.ins().bxor(a, b),
            VecBinary::AndNot => {
                let not = self.ins().bnot(a);
                self.ins().band(b, not)
            }
            VecBinary::Cmp(cmp) => {
                let mask = self.compare(cmp, a, b);
                self.float(mask)
            }
            VecBinary::AddInt | VecBinary::SubInt => {
                let (a, b) = (self.int(a), self.int(b));
                let result =
                    if op == VecBinary::AddInt { self.ins().iadd(a, b) } else { self.ins().isub(a, b) };
                self.float(result)
            }
        }
    }

    /// `x cc y ? on : off`
    fn pick(&mut self, cc: FloatCC, (x, y): (Value, Value), on: Value, off: Value) -> Value {
        let mask = self.ins().fcmp(cc, x, y);
        let mask = self.float(mask);
        self.ins().bitselect(mask, on, off)
    }

    /// The mask as i32x4.
    fn compare(&mut self, cmp: Cmp, a: Value, b: Value) -> Value {
        match cmp {
            Cmp::Eq => self.ins().fcmp(FloatCC::Equal, a, b),
            Cmp::Lt => self.ins().fcmp(FloatCC::LessThan, a, b),
            Cmp::Le => self.ins().fcmp(FloatCC::LessThanOrEqual, a, b),
            Cmp::Unordered if self.is_x64() => self.ins().fcmp(FloatCC::Unordered, a, b),
            // AArch64 compares vectors in ordered ways only.
            Cmp::Unordered => {
                let a = self.ins().fcmp(FloatCC::NotEqual, a, a);
                let b = self.ins().fcmp(FloatCC::NotEqual, b, b);
                self.ins().bor(a, b)
            }
        }
    }

    pub(super) fn unary(&mut self, op: VecUnary, x: Halves) -> Halves {
        match op {
            VecUnary::SumLanes => self.across(VecBinary::Add, x),
            VecUnary::MaxLanes => self.across(VecBinary::Max, x),
            _ => self.both(x, |lanes, x| lanes.unary_quad(op, x)),
        }
    }

    fn unary_quad(&mut self, op: VecUnary, x: Value) -> Value {
        match op {
            VecUnary::Sqrt => self.ins().sqrt(x),
            VecUnary::Round => self.ins().nearest(x),
            VecUnary::Floor => self.ins().floor(x),
            VecUnary::ToInt => {
                let result = self.nearest_int(x);
                self.float(result)
            }
            VecUnary::ToFloat => {
                let x = self.int(x);
                self.ins().fcvt_from_sint(types::F32X4, x)
            }
            VecUnary::ShiftLeft(by) => self.shift(x, by, |lanes, x, by| lanes.ins().ishl(x, by)),
            VecUnary::ShiftRight(by) => self.shift(x, by, |lanes, x, by| lanes.ins().ushr(x, by)),
            VecUnary::ShiftRightArithmetic(by) => {
                self.shift(x, by.min(31), |lanes, x, by| lanes.ins().sshr(x, by))
            }
            // Handled by `unary`, for they need both halves.
            VecUnary::SumLanes | VecUnary::MaxLanes => x,
        }
    }

    /// All bits are shifted out where `by` is 32 or more.
    fn shift(&mut self, x: Value, by: u8, op: impl FnOnce(&mut Self, Value, Value) -> Value) -> Value {
        if by >= 32 {
            return self.quad(0);
        }
        let x = self.int(x);
        let by = self.ins().iconst(types::I32, i64::from(by));
        let result = op(self, x, by);
        self.float(result)
    }

    /// To nearest even; the least i32 where that does not fit or is NaN.
    fn nearest_int(&mut self, x: Value) -> Value {
        let rounded = self.ins().nearest(x);
        if self.is_x64() {
            return self.ins().x86_cvtt2dq(types::I32X4, rounded);
        }
        // Saturates below to the least i32 already.
        let int = self.ins().fcvt_to_sint_sat(types::I32X4, rounded);
        let limit = self.quad((i32::MAX as f32).to_bits());
        let fits = self.ins().fcmp(FloatCC::LessThan, rounded, limit);
        let least = self.quad(i32::MIN as u32);
        let least = self.int(least);
        self.ins().bitselect(fits, int, least)
    }

    /// `op` over all lanes in the order that the IR defines, in every lane.
    fn across(&mut self, op: VecBinary, x: Halves) -> Halves {
        let quads = self.binary_quad(op, x[0], x[1]);
        let upper = self.shuffle(quads, quads, [2, 3, 2, 3]);
        let two = self.binary_quad(op, quads, upper);
        let second = self.shuffle(two, two, [1, 1, 1, 1]);
        let one = self.binary_quad(op, two, second);
        let all = self.shuffle(one, one, [0, 0, 0, 0]);
        [all, all]
    }

    /// The mask's highest bit of each lane chooses.
    pub(super) fn blend(&mut self, mask: Halves, on: Halves, off: Halves) -> Halves {
        let mut half = |mask, on, off| {
            let mask = if self.is_comparison(mask) {
                mask
            } else {
                let mask = self.int(mask);
                let by = self.ins().iconst(types::I32, 31);
                let mask = self.ins().sshr(mask, by);
                self.float(mask)
            };
            self.ins().bitselect(mask, on, off)
        };
        [half(mask[0], on[0], off[0]), half(mask[1], on[1], off[1])]
    }

    /// Whether a value is seen to come from a comparison: all its lanes are all ones or all zeros.
    fn is_comparison(&self, value: Value) -> bool {
        let dfg = &self.builder.func.dfg;
        let ValueDef::Result(inst, _) = dfg.value_def(value) else { return false };
        match dfg.insts[inst].opcode() {
            Opcode::Fcmp => true,
            Opcode::Bitcast | Opcode::Bor => dfg.inst_args(inst).iter().all(|&arg| self.is_comparison(arg)),
            _ => false,
        }
    }

    /// Lanes of `a` (0 to 3) and `b` (4 to 7).
    fn shuffle(&mut self, a: Value, b: Value, lanes: [u8; 4]) -> Value {
        let bytes: Vec<u8> = lanes.iter().flat_map(|&lane| (0..4).map(move |byte| 4 * lane + byte)).collect();
        let mask = self.builder.func.dfg.immediates.push(ConstantData::from(bytes));
        let first = self.cast(types::I8X16, a);
        let second = if a == b { first } else { self.cast(types::I8X16, b) };
        let result = self.ins().shuffle(first, second, mask);
        self.float(result)
    }

    /// Eight lanes from lane `by` on, of the quads one after the other.
    pub(super) fn slide(&mut self, quads: &[Value], by: u8) -> Result<Halves, CodeError> {
        let (first, rest) = (usize::from(by / 4), by % 4);
        let Some(&[a, b]) = quads.get(first..first + 2) else {
            return Err(CodeError::bug("", format!("a slide by {by}")));
        };
        if rest == 0 {
            return Ok([a, b]);
        }
        let &c = quads.get(first + 2).ok_or_else(|| CodeError::bug("", format!("a slide by {by}")))?;
        let lanes = [rest, rest + 1, rest + 2, rest + 3];
        Ok([self.shuffle(a, b, lanes), self.shuffle(b, c, lanes)])
    }

    /// Row i becomes column i.
    pub(super) fn transpose(&mut self, rows: [Halves; 8]) -> [Halves; 8] {
        let mut block = |first: usize, half: usize| {
            let row = |i: usize| rows[first + i][half];
            let (a, b, c, d) = (row(0), row(1), row(2), row(3));
            let ab = [self.shuffle(a, b, [0, 4, 1, 5]), self.shuffle(a, b, [2, 6, 3, 7])];
            let cd = [self.shuffle(c, d, [0, 4, 1, 5]), self.shuffle(c, d, [2, 6, 3, 7])];
            [
                self.shuffle(ab[0], cd[0], [0, 1, 4, 5]),
                self.shuffle(ab[0], cd[0], [2, 3, 6, 7]),
                self.shuffle(ab[1], cd[1], [0, 1, 4, 5]),
                self.shuffle(ab[1], cd[1], [2, 3, 6, 7]),
            ]
        };
        // The off-diagonal blocks change places.
        let (top_left, bottom_left) = (block(0, 0), block(4, 0));
        let (top_right, bottom_right) = (block(0, 1), block(4, 1));
        std::array::from_fn(|i| {
            if i < 4 { [top_left[i], bottom_left[i]] } else { [top_right[i - 4], bottom_right[i - 4]] }
        })
    }
}

/// How many of the first lanes are in the low half and in the high half.
fn split(lanes: u8) -> Result<(u8, u8), CodeError> {
    match lanes {
        1..=8 => Ok((lanes.min(4), lanes.saturating_sub(4))),
        _ => Err(CodeError::bug("", format!("{lanes} lanes"))),
    }
}

fn add(offset: i32, bytes: i32) -> Result<i32, CodeError> {
    offset.checked_add(bytes).ok_or_else(|| CodeError::bug("", "an offset overflows"))
}

fn step(offset: i32, stride: i32, lane: u8) -> Result<i32, CodeError> {
    stride
        .checked_mul(i32::from(lane))
        .and_then(|bytes| offset.checked_add(bytes))
        .ok_or_else(|| CodeError::bug("", "an offset overflows"))
}
