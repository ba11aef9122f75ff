//! Emission: one pass over the flat list.

use iced_x86::{Code, IcedError, Instruction, MemoryOperand, Register};

use super::EmitError;
use super::abi::{Abi, Gpr, r64, ymm};
use super::allocate::{Home, Outcome, Save};
use super::asm::{Assembler, Label, Pending};
use super::flat::{Access, Class, Flat, Item, NO_RANGE, Op, Role, Var, pointer, vector, wide};
use super::frame::Frame;
use super::wide::{WideMask, masks};
use crate::kernels::ir::{Addr, Inst, Int, Kernel, Ptr, Spills, Vreg, Wide};

/// Where everything is kept.
pub(super) struct Allocation {
    /// By range.
    pub homes: Vec<Home>,
    pub vector: Outcome,
    pub general: Outcome,
}

/// A source operand.
#[derive(Clone, Copy)]
pub(super) enum Source {
    Register(u8),
    Memory(MemoryOperand),
}

/// A loop that is open.
pub(super) struct OpenLoop {
    pub head: Label,
    pub skip: Option<Pending>,
    /// The counter is a 64-bit argument.
    pub wide: bool,
}

/// Emits one kernel.
pub(super) struct Emitter<'a> {
    pub kernel: &'a Kernel,
    pub flat: &'a Flat<'a>,
    pub allocation: &'a Allocation,
    pub abi: Abi,
    pub asm: Assembler,
    pub frame: Frame,
    pub open: Vec<OpenLoop>,
    /// The first of the vector slots that [`super::transpose`] uses as a buffer.
    pub buffer: u32,
    /// Masks of wide registers that stay in mask registers, in the order of these.
    pub masks: Vec<WideMask>,
    /// The number of the item that is emitted, and its accesses.
    item: usize,
    accesses: &'a [Access],
}

impl<'a> Emitter<'a> {
    pub fn new(
        kernel: &'a Kernel,
        flat: &'a Flat<'a>,
        allocation: &'a Allocation,
        abi: Abi,
    ) -> Result<Self, EmitError> {
        let transposes = flat.items.iter().any(|item| matches!(item.op, Op::Inst(Inst::Transpose { .. })));
        let extra = if allocation.vector.slots > 0 && transposes { 8 } else { 0 };
        Ok(Emitter {
            kernel,
            flat,
            allocation,
            abi,
            asm: Assembler::new()?,
            frame: Frame::new(abi, &allocation.vector, &allocation.general, extra),
            open: Vec::new(),
            buffer: allocation.vector.slots,
            masks: masks(flat),
            item: 0,
            accesses: &[],
        })
    }

    /// The bytes, and where the instructions end.
    pub fn run(mut self) -> Result<(Vec<u8>, usize), EmitError> {
        self.frame.enter(&mut self.asm)?;
        let allocation = self.allocation;
        let mut vector_saves = allocation.vector.saves.iter().peekable();
        let mut general_saves = allocation.general.saves.iter().peekable();
        for (number, item) in self.flat.items.iter().enumerate() {
            self.item = number;
            while let Some(save) = vector_saves.next_if(|save| save.item as usize == number) {
                let (register, slot) = self.save(save)?;
                let slot = self.frame.vector_slot(slot);
                self.op(Instruction::with2(Code::VEX_Vmovaps_ymmm256_ymm, slot, ymm(register)))?;
            }
            while let Some(save) = general_saves.next_if(|save| save.item as usize == number) {
                let (register, slot) = self.save(save)?;
                let slot = self.frame.general_slot(slot);
                self.op(Instruction::with2(Code::Mov_rm64_r64, slot, r64(register)))?;
            }
            self.item(item)?;
        }
        self.frame.leave(&mut self.asm)?;
        self.asm.finish()
    }

    fn save(&self, save: &Save) -> Result<(u8, u32), EmitError> {
        let home = |range: u32| self.allocation.homes.get(range as usize);
        match (home(save.from), home(save.to)) {
            (Some(&Home::Register(register)), Some(&Home::Slot(slot))) => Ok((register, slot)),
            _ => Err(self.bug("a value to save that is not in a register")),
        }
    }

    fn item(&mut self, item: &Item<'a>) -> Result<(), EmitError> {
        self.accesses = self.flat.accesses(item);
        match item.op {
            Op::Entry => self.entry(),
            Op::Inst(inst) => self.inst(inst),
            Op::Advance { dst, base, by } => self.advance(dst, base, by),
            Op::Lookup { dst, base, table } => self.lookup(dst, base, table),
            Op::LoopStart { number, count } => {
                let shape = self.flat.loops.get(number as usize).copied().unwrap_or_default();
                let hot = self.kernel.spills == Spills::Refused && shape.innermost && shape.contracts;
                self.loop_start(number, count, hot)
            }
            Op::LoopEnd { number } => self.loop_end(number),
        }
    }

    /// Where an access of this item finds its variable; `None` for an argument that is never read.
    fn find(&self, var: Var, matches: impl Fn(Role) -> bool) -> Result<Option<Home>, EmitError> {
        let access = self.accesses.iter().find(|access| access.var == var && matches(access.role));
        let access = access.ok_or_else(|| self.bug("an access that was not listed"))?;
        if access.range == NO_RANGE {
            return Ok(None);
        }
        let home = self.allocation.homes.get(access.range as usize).copied();
        home.map(Some).ok_or_else(|| self.bug("a range without a home"))
    }

    fn read_home(&self, var: Var) -> Result<Home, EmitError> {
        let home = self.find(var, |role| matches!(role, Role::Use | Role::UseLate | Role::Update))?;
        home.ok_or_else(|| self.bug("a read without a range"))
    }

    fn write_home(&self, var: Var) -> Result<Home, EmitError> {
        let home = self.find(var, |role| matches!(role, Role::Def | Role::Update))?;
        home.ok_or_else(|| self.bug("a write without a range"))
    }

    /// A bug of the emitter as an error.
    pub fn bug(&self, what: &str) -> EmitError {
        EmitError::Operation { kernel: self.kernel.name.clone(), what: what.to_owned() }
    }

    /// A temporary of this item.
    pub fn temp(&self, class: Class) -> Result<u8, EmitError> {
        let is_temp = |access: &&Access| access.role == Role::Temp && access.var.class == class;
        let access = self.accesses.iter().find(is_temp);
        match access.and_then(|access| self.allocation.homes.get(access.range as usize)) {
            Some(Home::Register(register)) => Ok(*register),
            _ => Err(self.bug("a temporary without a register")),
        }
    }

    /// Vector scratch register 0 or 1 of this item; an item with one value in memory has only one.
    pub fn scratch(&self, which: usize) -> Result<u8, EmitError> {
        self.scratch_of(&self.allocation.vector, which)
    }

    /// The scratch register for pointers.
    pub fn general_scratch(&self) -> Result<Gpr, EmitError> {
        self.scratch_of(&self.allocation.general, 0)
    }

    fn scratch_of(&self, outcome: &Outcome, which: usize) -> Result<u8, EmitError> {
        let [first, second] = outcome.scratch.get(self.item).copied().unwrap_or([NO_RANGE; 2]);
        let range = if which == 1 && second != NO_RANGE { second } else { first };
        match self.allocation.homes.get(range as usize) {
            Some(Home::Register(register)) => Ok(*register),
            _ => Err(self.bug("no scratch register")),
        }
    }

    /// The register of a value that is read, loaded to scratch register `which` if it is in memory.
    pub fn read(&mut self, reg: Vreg, which: usize) -> Result<u8, EmitError> {
        match self.read_home(vector(reg))? {
            Home::Register(register) => Ok(register),
            Home::Slot(slot) => {
                let register = self.scratch(which)?;
                let slot = self.frame.vector_slot(slot);
                self.asm.emit(Instruction::with2(Code::VEX_Vmovaps_ymm_ymmm256, ymm(register), slot))?;
                Ok(register)
            }
        }
    }

    /// A value that is read, from wherever it is.
    pub fn source(&mut self, reg: Vreg) -> Result<Source, EmitError> {
        Ok(match self.read_home(vector(reg))? {
            Home::Register(register) => Source::Register(register),
            Home::Slot(slot) => Source::Memory(self.frame.vector_slot(slot)),
        })
    }

    /// The register to write a value to: scratch register 0 if it is kept in memory. [`Self::wrote`] follows.
    pub fn target(&self, reg: Vreg) -> Result<u8, EmitError> {
        match self.write_home(vector(reg))? {
            Home::Register(register) => Ok(register),
            Home::Slot(_) => self.scratch(0),
        }
    }

    /// Stores what was written to [`Self::target`], if it is kept in memory.
    pub fn wrote(&mut self, reg: Vreg) -> Result<(), EmitError> {
        let Home::Slot(slot) = self.write_home(vector(reg))? else { return Ok(()) };
        let register = self.scratch(0)?;
        let slot = self.frame.vector_slot(slot);
        self.asm.emit(Instruction::with2(Code::VEX_Vmovaps_ymmm256_ymm, slot, ymm(register)))
    }

    /// The register of a wide value that is read.
    pub fn read_wide(&self, reg: Wide) -> Result<u8, EmitError> {
        self.in_register(self.read_home(wide(reg))?)
    }

    /// The register to write a wide value to.
    pub fn target_wide(&self, reg: Wide) -> Result<u8, EmitError> {
        self.in_register(self.write_home(wide(reg))?)
    }

    fn in_register(&self, home: Home) -> Result<u8, EmitError> {
        match home {
            Home::Register(register) => Ok(register),
            Home::Slot(_) => Err(self.bug("a wide value in memory")),
        }
    }

    /// Where a pointer or counter is after this item.
    pub fn general_written(&self, var: Var) -> Result<Home, EmitError> {
        self.write_home(var)
    }

    /// As [`Self::general_written`], but `None` for an argument that is never read.
    pub fn argument_home(&self, ptr: Ptr) -> Result<Option<Home>, EmitError> {
        self.find(pointer(ptr), |role| role == Role::Def)
    }

    /// Where a pointer is before this item.
    pub fn general_read(&self, ptr: Ptr) -> Result<Home, EmitError> {
        self.read_home(pointer(ptr))
    }

    /// A pointer in a register, loaded to the scratch register if it is in memory.
    pub fn pointer(&mut self, ptr: Ptr) -> Result<Gpr, EmitError> {
        match self.general_read(ptr)? {
            Home::Register(register) => Ok(register),
            Home::Slot(slot) => {
                let register = self.general_scratch()?;
                let slot = self.frame.general_slot(slot);
                self.asm.emit(Instruction::with2(Code::Mov_r64_rm64, r64(register), slot))?;
                Ok(register)
            }
        }
    }

    /// A memory operand, the pointer in a register.
    pub fn memory(&mut self, addr: Addr) -> Result<MemoryOperand, EmitError> {
        Ok(memory_at(self.pointer(addr.ptr)?, addr.offset))
    }

    /// An integer argument in memory.
    pub fn int(&self, int: Int) -> Result<MemoryOperand, EmitError> {
        let offset = i32::try_from(8 * i64::from(int.0)).map_err(|_| self.bug("too many arguments"))?;
        Ok(memory_at(self.abi.args(), offset))
    }

    /// `code dst, a, b`
    pub fn op3(&mut self, code: Code, dst: Register, a: Register, b: Register) -> Result<(), EmitError> {
        self.asm.emit(Instruction::with3(code, dst, a, b))
    }

    /// `code dst, a, b, imm`
    pub fn op3_imm(
        &mut self,
        code: Code,
        dst: Register,
        a: Register,
        b: Register,
        imm: u32,
    ) -> Result<(), EmitError> {
        self.asm.emit(Instruction::with4(code, dst, a, b, imm))
    }

    /// Appends an instruction.
    pub fn op(&mut self, instruction: Result<Instruction, IcedError>) -> Result<(), EmitError> {
        self.asm.emit(instruction)
    }
}

/// `[base + offset]`
pub(super) fn memory_at(base: Gpr, offset: i32) -> MemoryOperand {
    MemoryOperand::with_base_displ_size(r64(base), offset.into(), u32::from(offset != 0))
}
