//! Kernels: arguments, loops, pointers. Operations on lanes are in [`super::lanes`].

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};
use cranelift_frontend::{FunctionBuilder, Variable};

use super::lanes::Lanes;
use crate::code::{CodeError, Target};
use crate::kernels::ir::{
    Addr, Arg, Count, Inst, Int, Kernel, LANES, Offset, Operand, Ptr, Stmt, VECTOR_BYTES, Vreg, Wide,
    WideInst, WideOperand,
};

/// The halves of a vector register: lanes 0 to 3 and 4 to 7.
pub(super) type Halves = [Value; 2];

/// Appends a kernel's code to an empty function with one parameter, the argument array.
pub(super) fn kernel(
    builder: &mut FunctionBuilder<'_>,
    kernel: &Kernel,
    target: &Target,
) -> Result<(), CodeError> {
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let &[array] = builder.block_params(entry) else {
        return Err(bug("a kernel has one parameter"));
    };
    let ptrs = (0..kernel.ptrs).map(|_| builder.declare_var(types::I64)).collect();
    let vregs = (0..kernel.vregs)
        .map(|_| [builder.declare_var(types::F32X4), builder.declare_var(types::F32X4)])
        .collect();
    let wides = (0..kernel.wides).map(|_| [0; 4].map(|_| builder.declare_var(types::F32X4))).collect();
    let lanes = Lanes { builder, target: *target };
    let mut emitter = Emitter { lanes, ptrs, vregs, wides, ints: Vec::new() };
    for (position, arg) in kernel.args.iter().enumerate() {
        let offset = i32::try_from(8 * position).map_err(|_| bug("too many arguments"))?;
        let value = emitter.ins().load(types::I64, MemFlagsData::trusted(), array, offset);
        emitter.ints.push(value);
        if let Arg::Ptr(ptr) = arg {
            emitter.set_ptr(*ptr, value)?;
        }
    }
    emitter.body(&kernel.body)?;
    emitter.ins().return_(&[]);
    Ok(())
}

/// The state of one kernel.
struct Emitter<'a, 'f> {
    lanes: Lanes<'a, 'f>,
    ptrs: Vec<Variable>,
    vregs: Vec<[Variable; 2]>,
    /// Four lanes each, in order.
    wides: Vec<[Variable; 4]>,
    /// The arguments' values, by position.
    ints: Vec<Value>,
}

/// The offset of the second half of 16 lanes.
fn second_half(addr: Addr) -> Result<i32, CodeError> {
    addr.offset.checked_add(VECTOR_BYTES as i32).ok_or_else(|| bug("an offset overflows"))
}

fn bug(message: impl Into<String>) -> CodeError {
    CodeError::bug("", message)
}

impl<'f> Emitter<'_, 'f> {
    fn ins<'short>(&'short mut self) -> cranelift_frontend::FuncInstBuilder<'short, 'f> {
        self.lanes.builder.ins()
    }

    fn ptr(&mut self, ptr: Ptr) -> Result<Value, CodeError> {
        let &variable = self.ptrs.get(ptr.0 as usize).ok_or_else(|| bug(format!("no {ptr:?}")))?;
        Ok(self.lanes.builder.use_var(variable))
    }

    fn set_ptr(&mut self, ptr: Ptr, value: Value) -> Result<(), CodeError> {
        let &variable = self.ptrs.get(ptr.0 as usize).ok_or_else(|| bug(format!("no {ptr:?}")))?;
        self.lanes.builder.def_var(variable, value);
        Ok(())
    }

    fn int(&self, int: Int) -> Result<Value, CodeError> {
        self.ints.get(int.0 as usize).copied().ok_or_else(|| bug(format!("no {int:?}")))
    }

    fn reg(&mut self, reg: Vreg) -> Result<Halves, CodeError> {
        let &[low, high] = self.vregs.get(reg.0 as usize).ok_or_else(|| bug(format!("no {reg:?}")))?;
        Ok([self.lanes.builder.use_var(low), self.lanes.builder.use_var(high)])
    }

    fn set_reg(&mut self, reg: Vreg, value: Halves) -> Result<(), CodeError> {
        let &[low, high] = self.vregs.get(reg.0 as usize).ok_or_else(|| bug(format!("no {reg:?}")))?;
        self.lanes.builder.def_var(low, value[0]);
        self.lanes.builder.def_var(high, value[1]);
        Ok(())
    }

    fn operand(&mut self, operand: &Operand) -> Result<Halves, CodeError> {
        match *operand {
            Operand::Reg(reg) => self.reg(reg),
            Operand::Mem(Addr { ptr, offset }) => {
                let ptr = self.ptr(ptr)?;
                self.lanes.load(ptr, offset, 8)
            }
            Operand::Const(bits) => Ok(self.lanes.splat(bits)),
        }
    }

    fn body(&mut self, body: &[Stmt]) -> Result<(), CodeError> {
        for stmt in body {
            match stmt {
                Stmt::Inst(inst) => self.inst(inst)?,
                Stmt::Advance { dst, base, by } => {
                    let base = self.ptr(*base)?;
                    let sum = match *by {
                        Offset::Bytes(bytes) => self.ins().iadd_imm_s(base, i64::from(bytes)),
                        Offset::Int(int) => {
                            let int = self.int(int)?;
                            self.ins().iadd(base, int)
                        }
                    };
                    self.set_ptr(*dst, sum)?;
                }
                Stmt::Lookup { dst, base, table, bounds: _ } => {
                    let (base, ptr) = (self.ptr(*base)?, self.ptr(table.ptr)?);
                    let flags = self.lanes.flags();
                    let offset = self.ins().load(types::I32, flags, ptr, table.offset);
                    let offset = self.ins().sextend(types::I64, offset);
                    let sum = self.ins().iadd(base, offset);
                    self.set_ptr(*dst, sum)?;
                }
                Stmt::Loop { count, body } => self.repeat(*count, body)?,
            }
        }
        Ok(())
    }

    /// A loop that tests after its body: before it only where the count may be 0.
    fn repeat(&mut self, count: Count, body: &[Stmt]) -> Result<(), CodeError> {
        if let Count::Static(1) = count {
            return self.body(body);
        }
        let header = self.lanes.builder.create_block();
        let exit = self.lanes.builder.create_block();
        let left = self.lanes.builder.append_block_param(header, types::I64);
        match count {
            Count::Static(count) => {
                let count = self.ins().iconst(types::I64, i64::from(count));
                self.ins().jump(header, &[count.into()]);
            }
            Count::Int(int) => {
                let count = self.int(int)?;
                let any = self.ins().icmp_imm_s(IntCC::SignedGreaterThan, count, 0);
                self.ins().brif(any, header, &[count.into()], exit, &[]);
            }
        }
        self.lanes.builder.switch_to_block(header);
        self.body(body)?;
        let left = self.ins().iadd_imm_s(left, -1);
        self.ins().brif(left, header, &[left.into()], exit, &[]);
        self.lanes.builder.seal_block(header);
        self.lanes.builder.seal_block(exit);
        self.lanes.builder.switch_to_block(exit);
        Ok(())
    }

    fn inst(&mut self, inst: &Inst) -> Result<(), CodeError> {
        match *inst {
            Inst::Splat { dst, bits } => {
                let value = self.lanes.splat(bits);
                self.set_reg(dst, value)
            }
            Inst::Move { dst, src } => {
                let value = self.reg(src)?;
                self.set_reg(dst, value)
            }
            Inst::Load { dst, addr } => {
                let ptr = self.ptr(addr.ptr)?;
                let value = self.lanes.load(ptr, addr.offset, 8)?;
                self.set_reg(dst, value)
            }
            Inst::LoadSplat { dst, addr } => {
                let ptr = self.ptr(addr.ptr)?;
                let value = self.lanes.load_splat(ptr, addr.offset);
                self.set_reg(dst, value)
            }
            Inst::LoadPart { dst, addr, lanes } => {
                let ptr = self.ptr(addr.ptr)?;
                let value = self.lanes.load(ptr, addr.offset, lanes)?;
                self.set_reg(dst, value)
            }
            Inst::LoadLast { dst, addr, lanes } => {
                let ptr = self.ptr(addr.ptr)?;
                let value = self.lanes.load_last(ptr, addr.offset, lanes)?;
                self.set_reg(dst, value)
            }
            Inst::LoadStrided { dst, addr, stride, lanes } => {
                let ptr = self.ptr(addr.ptr)?;
                let value = self.lanes.load_strided(ptr, addr.offset, stride, lanes)?;
                self.set_reg(dst, value)
            }
            Inst::Gather { dst, addr, index, bounds: _ } => {
                let (ptr, index) = (self.ptr(addr.ptr)?, self.reg(index)?);
                let value = self.lanes.gather(ptr, addr.offset, index);
                self.set_reg(dst, value)
            }
            Inst::Store { addr, src } => {
                let (ptr, src) = (self.ptr(addr.ptr)?, self.reg(src)?);
                self.lanes.store(ptr, addr.offset, src, 8)
            }
            Inst::StorePart { addr, src, lanes } => {
                let (ptr, src) = (self.ptr(addr.ptr)?, self.reg(src)?);
                self.lanes.store(ptr, addr.offset, src, lanes)
            }
            Inst::StoreStrided { addr, src, stride, lanes } => {
                let (ptr, src) = (self.ptr(addr.ptr)?, self.reg(src)?);
                self.lanes.store_strided(ptr, addr.offset, src, stride, lanes)
            }
            Inst::Fma { acc, a, ref b } => {
                let (sum, a, b) = (self.reg(acc)?, self.reg(a)?, self.operand(b)?);
                let value = self.lanes.fma(a, b, sum);
                self.set_reg(acc, value)
            }
            Inst::Binary { op, dst, a, ref b } => {
                let (a, b) = (self.reg(a)?, self.operand(b)?);
                let value = self.lanes.binary(op, a, b);
                self.set_reg(dst, value)
            }
            Inst::Unary { op, dst, src } => {
                let src = self.reg(src)?;
                let value = self.lanes.unary(op, src);
                self.set_reg(dst, value)
            }
            Inst::Blend { dst, mask, on, off } => {
                let (mask, on, off) = (self.reg(mask)?, self.reg(on)?, self.reg(off)?);
                let value = self.lanes.blend(mask, on, off);
                self.set_reg(dst, value)
            }
            Inst::Slide { dst, low, high, by } => {
                let quads = [self.reg(low)?, self.reg(high)?].concat();
                let value = self.lanes.slide(&quads, by)?;
                self.set_reg(dst, value)
            }
            Inst::Transpose { ref regs } => {
                let rows = [
                    self.reg(regs[0])?,
                    self.reg(regs[1])?,
                    self.reg(regs[2])?,
                    self.reg(regs[3])?,
                    self.reg(regs[4])?,
                    self.reg(regs[5])?,
                    self.reg(regs[6])?,
                    self.reg(regs[7])?,
                ];
                let columns = self.lanes.transpose(rows);
                regs.iter().zip(columns).try_for_each(|(&reg, column)| self.set_reg(reg, column))
            }
            // Cranelift has no such instruction.
            Inst::Prefetch { .. } => Ok(()),
            Inst::Wide(inst) => self.wide_inst(inst),
        }
    }

    fn wide_inst(&mut self, inst: WideInst) -> Result<(), CodeError> {
        let (dst, value) = match inst {
            WideInst::Splat { dst, bits } => (dst, [self.lanes.splat(bits); 2]),
            WideInst::Load { dst, addr } => (dst, self.load_wide(addr)?),
            WideInst::LoadTwice { dst, addr } => {
                let ptr = self.ptr(addr.ptr)?;
                (dst, [self.lanes.load(ptr, addr.offset, LANES as u8)?; 2])
            }
            WideInst::LoadPart { dst, addr, lanes, last } => (dst, self.load_part_wide(addr, lanes, last)?),
            WideInst::LoadSplat { dst, addr } => (dst, self.splat_wide(addr)?),
            WideInst::Fma { acc, a, b } => {
                let (sum, a) = (self.wide(acc)?, self.wide(a)?);
                let b = match b {
                    WideOperand::Reg(reg) => self.wide(reg)?,
                    WideOperand::Mem(addr) => self.load_wide(addr)?,
                    WideOperand::Splat(addr) => self.splat_wide(addr)?,
                };
                (acc, [self.lanes.fma(a[0], b[0], sum[0]), self.lanes.fma(a[1], b[1], sum[1])])
            }
            WideInst::Store { addr, src } => {
                let (ptr, [low, high]) = (self.ptr(addr.ptr)?, self.wide(src)?);
                self.lanes.store(ptr, addr.offset, low, 8)?;
                return self.lanes.store(ptr, second_half(addr)?, high, 8);
            }
            WideInst::Arith { op, dst, a, b } => {
                let (a, b) = (self.wide(a)?, self.wide(b)?);
                let op = op.into();
                (dst, [self.lanes.binary(op, a[0], b[0]), self.lanes.binary(op, a[1], b[1])])
            }
            WideInst::Slide { dst, low, high, by } => {
                let quads = [self.wide(low)?, self.wide(high)?].concat().concat();
                let first = self.lanes.slide(&quads, by)?;
                let second = self.lanes.slide(quads.get(2..).unwrap_or_default(), by)?;
                (dst, [first, second])
            }
            WideInst::Transpose { regs, back } => return self.transpose_wide(regs, back),
            WideInst::Half { dst, src, high } => {
                let halves = self.wide(src)?;
                return self.set_reg(dst, halves[usize::from(high)]);
            }
        };
        self.set_wide(dst, value)
    }

    /// Two transpositions of 8×8: of the lower halves of rows, whose columns are those of the first four registers, and
    /// of the upper ones.
    fn transpose_wide(&mut self, regs: [Wide; LANES], back: bool) -> Result<(), CodeError> {
        let mut old = Vec::new();
        for reg in regs {
            old.push(self.wide(reg)?);
        }
        let blocks = [0, 1].map(|block| {
            let rows: [Halves; LANES] = std::array::from_fn(|i| match back {
                true => old[LANES / 2 * block + i / 2][i % 2],
                false => old[i][block],
            });
            self.lanes.transpose(rows)
        });
        for (i, reg) in regs.into_iter().enumerate() {
            let value = match back {
                true => [blocks[0][i], blocks[1][i]],
                false => [0, 1].map(|half| {
                    let column = 2 * i + half;
                    blocks[column / LANES][column % LANES]
                }),
            };
            self.set_wide(reg, value)?;
        }
        Ok(())
    }

    fn set_wide(&mut self, dst: Wide, value: [Halves; 2]) -> Result<(), CodeError> {
        let &variables = self.wides.get(dst.0 as usize).ok_or_else(|| bug(format!("no {dst:?}")))?;
        for (variable, value) in variables.into_iter().zip(value.into_iter().flatten()) {
            self.lanes.builder.def_var(variable, value);
        }
        Ok(())
    }

    fn wide(&mut self, reg: Wide) -> Result<[Halves; 2], CodeError> {
        let &variables = self.wides.get(reg.0 as usize).ok_or_else(|| bug(format!("no {reg:?}")))?;
        let [a, b, c, d] = variables.map(|variable| self.lanes.builder.use_var(variable));
        Ok([[a, b], [c, d]])
    }

    fn load_wide(&mut self, addr: Addr) -> Result<[Halves; 2], CodeError> {
        let ptr = self.ptr(addr.ptr)?;
        Ok([self.lanes.load(ptr, addr.offset, 8)?, self.lanes.load(ptr, second_half(addr)?, 8)?])
    }

    fn load_part_wide(&mut self, addr: Addr, lanes: u8, last: bool) -> Result<[Halves; 2], CodeError> {
        let ptr = self.ptr(addr.ptr)?;
        let zero = self.lanes.splat(0);
        let most = LANES as u8;
        Ok(match (lanes > most, last) {
            (false, false) => [self.lanes.load(ptr, addr.offset, lanes)?, zero],
            (true, false) => {
                let first = self.lanes.load(ptr, addr.offset, most)?;
                [first, self.lanes.load(ptr, second_half(addr)?, lanes - most)?]
            }
            (false, true) => [zero, self.last_lanes(ptr, addr.offset, lanes)?],
            (true, true) => {
                let more = lanes - most;
                let second = addr.offset.checked_add(4 * i32::from(more));
                let second = second.ok_or_else(|| bug("an offset overflows"))?;
                [self.last_lanes(ptr, addr.offset, more)?, self.lanes.load(ptr, second, most)?]
            }
        })
    }

    /// The last 1 to 8 lanes.
    fn last_lanes(&mut self, ptr: Value, offset: i32, lanes: u8) -> Result<Halves, CodeError> {
        if usize::from(lanes) == LANES {
            return self.lanes.load(ptr, offset, lanes);
        }
        self.lanes.load_last(ptr, offset, lanes)
    }

    fn splat_wide(&mut self, addr: Addr) -> Result<[Halves; 2], CodeError> {
        let ptr = self.ptr(addr.ptr)?;
        Ok([self.lanes.load_splat(ptr, addr.offset); 2])
    }
}
