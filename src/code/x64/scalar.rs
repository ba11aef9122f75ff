//! Pointers and loops.

use iced_x86::{Code, Instruction};

use super::EmitError;
use super::abi::{Gpr, r32, r64};
use super::allocate::Home;
use super::emit::{Emitter, OpenLoop, memory_at};
use super::flat::{Class, Var, pointer};
use crate::kernels::ir::{Addr, Arg, Count, Int, Offset, Ptr};

/// Where hot loops start: at a multiple of this.
const LOOP_ALIGN: usize = 32;

impl Emitter<'_> {
    /// Loads the pointers among the arguments.
    pub(super) fn entry(&mut self) -> Result<(), EmitError> {
        let kernel = self.kernel;
        for (number, arg) in kernel.args.iter().enumerate() {
            let Arg::Ptr(ptr) = arg else { continue };
            let Some(home) = self.argument_home(*ptr)? else { continue };
            let source = self.int(Int(number as u32))?;
            let register = self.register_for(home)?;
            self.op(Instruction::with2(Code::Mov_r64_rm64, r64(register), source))?;
            self.keep(home, register)?;
        }
        self.set_masks()
    }

    /// `dst = base + by`
    pub(super) fn advance(&mut self, dst: Ptr, base: Ptr, by: Offset) -> Result<(), EmitError> {
        let home = self.general_written(pointer(dst))?;
        let from = self.general_read(base)?;
        if home == from {
            return self.add_in_place(home, by);
        }
        match by {
            Offset::Bytes(bytes) => {
                let base = self.pointer(base)?;
                let register = self.register_for(home)?;
                if bytes != 0 {
                    let sum = memory_at(base, bytes);
                    self.op(Instruction::with2(Code::Lea_r64_m, r64(register), sum))?;
                } else if register != base {
                    self.op(Instruction::with2(Code::Mov_r64_rm64, r64(register), r64(base)))?;
                }
                self.keep(home, register)
            }
            Offset::Int(int) => {
                let register = self.register_for(home)?;
                let by = self.int(int)?;
                self.op(Instruction::with2(Code::Mov_r64_rm64, r64(register), by))?;
                self.add_home(register, from)?;
                self.keep(home, register)
            }
        }
    }

    /// `dst = base + sign_extend(i32 at table)`
    pub(super) fn lookup(&mut self, dst: Ptr, base: Ptr, table: Addr) -> Result<(), EmitError> {
        let home = self.general_written(pointer(dst))?;
        let from = self.general_read(base)?;
        let table = self.memory(table)?;
        if dst == base {
            let offset = self.temp(Class::General)?;
            self.op(Instruction::with2(Code::Movsxd_r64_rm32, r64(offset), table))?;
            return match home {
                Home::Register(register) => {
                    self.op(Instruction::with2(Code::Add_r64_rm64, r64(register), r64(offset)))
                }
                Home::Slot(slot) => {
                    let slot = self.frame.general_slot(slot);
                    self.op(Instruction::with2(Code::Add_rm64_r64, slot, r64(offset)))
                }
            };
        }
        let register = self.register_for(home)?;
        self.op(Instruction::with2(Code::Movsxd_r64_rm32, r64(register), table))?;
        self.add_home(register, from)?;
        self.keep(home, register)
    }

    pub(super) fn loop_start(&mut self, number: u32, count: Count, hot: bool) -> Result<(), EmitError> {
        let home = self.general_written(self.counter(number))?;
        let mut skip = None;
        let wide = matches!(count, Count::Int(_));
        match count {
            Count::Static(count) => match home {
                Home::Register(register) => {
                    self.op(Instruction::with2(Code::Mov_r32_imm32, r32(register), count))?;
                }
                Home::Slot(slot) => {
                    let slot = self.frame.general_slot(slot);
                    self.op(Instruction::with2(Code::Mov_rm32_imm32, slot, count))?;
                }
            },
            Count::Int(int) => {
                let register = self.register_for(home)?;
                let count = self.int(int)?;
                self.op(Instruction::with2(Code::Mov_r64_rm64, r64(register), count))?;
                self.keep(home, register)?;
                self.op(Instruction::with2(Code::Test_rm64_r64, r64(register), r64(register)))?;
                skip = Some(self.asm.jump_forward_if_not_positive()?);
            }
        }
        if hot {
            self.asm.align(LOOP_ALIGN);
        }
        let head = self.asm.label();
        self.open.push(OpenLoop { head, skip, wide });
        Ok(())
    }

    pub(super) fn loop_end(&mut self, number: u32) -> Result<(), EmitError> {
        let home = self.general_written(self.counter(number))?;
        let open = self.open.pop().ok_or_else(|| self.bug("a loop that ends but did not start"))?;
        match home {
            Home::Register(register) if open.wide => {
                self.op(Instruction::with1(Code::Dec_rm64, r64(register)))?;
            }
            Home::Register(register) => self.op(Instruction::with1(Code::Dec_rm32, r32(register)))?,
            Home::Slot(slot) => {
                let code = if open.wide { Code::Dec_rm64 } else { Code::Dec_rm32 };
                let slot = self.frame.general_slot(slot);
                self.op(Instruction::with1(code, slot))?;
            }
        }
        self.asm.jump_back_if_not_zero(open.head)?;
        if let Some(skip) = open.skip {
            self.asm.land(skip);
        }
        Ok(())
    }

    fn counter(&self, number: u32) -> Var {
        Var { class: Class::General, number: self.kernel.ptrs + number }
    }

    fn add_in_place(&mut self, home: Home, by: Offset) -> Result<(), EmitError> {
        match (home, by) {
            (_, Offset::Bytes(0)) => Ok(()),
            (Home::Register(register), Offset::Bytes(bytes)) => {
                let code =
                    if i8::try_from(bytes).is_ok() { Code::Add_rm64_imm8 } else { Code::Add_rm64_imm32 };
                self.op(Instruction::with2(code, r64(register), bytes))
            }
            (Home::Slot(slot), Offset::Bytes(bytes)) => {
                let slot = self.frame.general_slot(slot);
                self.op(Instruction::with2(Code::Add_rm64_imm32, slot, bytes))
            }
            (Home::Register(register), Offset::Int(int)) => {
                let by = self.int(int)?;
                self.op(Instruction::with2(Code::Add_r64_rm64, r64(register), by))
            }
            (Home::Slot(slot), Offset::Int(int)) => {
                let (by, scratch) = (self.int(int)?, self.general_scratch()?);
                self.op(Instruction::with2(Code::Mov_r64_rm64, r64(scratch), by))?;
                let slot = self.frame.general_slot(slot);
                self.op(Instruction::with2(Code::Add_rm64_r64, slot, r64(scratch)))
            }
        }
    }

    /// `register += home`
    fn add_home(&mut self, register: Gpr, home: Home) -> Result<(), EmitError> {
        match home {
            Home::Register(other) => {
                self.op(Instruction::with2(Code::Add_r64_rm64, r64(register), r64(other)))
            }
            Home::Slot(slot) => {
                let slot = self.frame.general_slot(slot);
                self.op(Instruction::with2(Code::Add_r64_rm64, r64(register), slot))
            }
        }
    }

    /// The register to compute in what `home` is to hold.
    fn register_for(&self, home: Home) -> Result<Gpr, EmitError> {
        match home {
            Home::Register(register) => Ok(register),
            Home::Slot(_) => self.general_scratch(),
        }
    }

    /// Stores the register to `home`, if that is in memory.
    fn keep(&mut self, home: Home, register: Gpr) -> Result<(), EmitError> {
        let Home::Slot(slot) = home else { return Ok(()) };
        let slot = self.frame.general_slot(slot);
        self.op(Instruction::with2(Code::Mov_rm64_r64, slot, r64(register)))
    }
}
