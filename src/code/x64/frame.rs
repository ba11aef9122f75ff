//! The stack frame, prologue and epilogue.
//!
//! From the stack pointer upwards: vector slots, preserved vector registers, general slots, and,
//! where the frame is aligned for vectors, the stack pointer as it was. Pushed registers lie above.

use iced_x86::{Code, Instruction, MemoryOperand, Register};

use super::EmitError;
use super::abi::{Abi, Gpr, r64, xmm};
use super::allocate::Outcome;
use super::asm::Assembler;

const VECTOR_SLOT: u32 = 32;
const GENERAL_SLOT: u32 = 8;
const PAGE: u32 = 4096;

/// What the frame holds, and where.
pub(super) struct Frame {
    pushed: Vec<Gpr>,
    saved_vectors: Vec<u8>,
    saved_vectors_at: u32,
    general_at: u32,
    /// Where the stack pointer is kept, if the frame is aligned.
    stack_pointer_at: Option<u32>,
    bytes: u32,
}

impl Frame {
    pub fn new(abi: Abi, vector: &Outcome, general: &Outcome, extra_vector_slots: u32) -> Self {
        let used = |bits: u32| move |&&register: &&u8| bits >> register & 1 == 1;
        let pushed: Vec<Gpr> = abi.preserved_general().iter().filter(used(general.used)).copied().collect();
        let saved_vectors: Vec<u8> =
            abi.preserved_vector().iter().filter(used(vector.used)).copied().collect();
        let saved_vectors_at = (vector.slots + extra_vector_slots) * VECTOR_SLOT;
        let general_at = saved_vectors_at + saved_vectors.len() as u32 * 16;
        let top = general_at + general.slots * GENERAL_SLOT;
        let aligned = general_at > 0;
        let bytes = (top + if aligned { GENERAL_SLOT } else { 0 }).next_multiple_of(16);
        let stack_pointer_at = aligned.then_some(top);
        Frame { pushed, saved_vectors, saved_vectors_at, general_at, stack_pointer_at, bytes }
    }

    /// A vector slot.
    pub fn vector_slot(&self, slot: u32) -> MemoryOperand {
        at(slot * VECTOR_SLOT)
    }

    /// One lane of a vector slot.
    pub fn vector_slot_lane(&self, slot: u32, lane: u32) -> MemoryOperand {
        at(slot * VECTOR_SLOT + lane * 4)
    }

    /// A slot of a pointer or a counter.
    pub fn general_slot(&self, slot: u32) -> MemoryOperand {
        at(self.general_at + slot * GENERAL_SLOT)
    }

    /// Saves what must be preserved and makes the frame. Nothing else is live but the argument.
    pub fn enter(&self, asm: &mut Assembler) -> Result<(), EmitError> {
        for &register in &self.pushed {
            asm.emit(Instruction::with1(Code::Push_r64, r64(register)))?;
        }
        if self.stack_pointer_at.is_some() {
            // rax holds nothing yet in either convention.
            asm.emit(Instruction::with2(Code::Mov_r64_rm64, Register::RAX, Register::RSP))?;
        }
        // Pages are touched in order, or a guard page could be stepped over.
        for _ in 0..self.bytes / PAGE {
            asm.emit(Instruction::with2(Code::Sub_rm64_imm32, Register::RSP, PAGE as i32))?;
            asm.emit(Instruction::with2(Code::Or_rm32_imm8, at(0), 0))?;
        }
        let rest = self.bytes % PAGE;
        if rest > 0 {
            asm.emit(Instruction::with2(
                code_add_imm(Code::Sub_rm64_imm8, rest),
                Register::RSP,
                rest as i32,
            ))?;
        }
        if let Some(place) = self.stack_pointer_at {
            asm.emit(Instruction::with2(Code::And_rm64_imm8, Register::RSP, -(VECTOR_SLOT as i32)))?;
            asm.emit(Instruction::with2(Code::Mov_rm64_r64, at(place), Register::RAX))?;
        }
        for (i, &register) in self.saved_vectors.iter().enumerate() {
            let slot = at(self.saved_vectors_at + 16 * i as u32);
            asm.emit(Instruction::with2(Code::VEX_Vmovaps_xmmm128_xmm, slot, xmm(register)))?;
        }
        Ok(())
    }

    /// Undoes [`Self::enter`] and returns.
    pub fn leave(&self, asm: &mut Assembler) -> Result<(), EmitError> {
        asm.emit(Ok(Instruction::with(Code::VEX_Vzeroupper)))?;
        for (i, &register) in self.saved_vectors.iter().enumerate() {
            let slot = at(self.saved_vectors_at + 16 * i as u32);
            asm.emit(Instruction::with2(Code::VEX_Vmovaps_xmm_xmmm128, xmm(register), slot))?;
        }
        if let Some(place) = self.stack_pointer_at {
            asm.emit(Instruction::with2(Code::Mov_r64_rm64, Register::RSP, at(place)))?;
        } else if self.bytes > 0 {
            let code = code_add_imm(Code::Add_rm64_imm8, self.bytes);
            asm.emit(Instruction::with2(code, Register::RSP, self.bytes as i32))?;
        }
        for &register in self.pushed.iter().rev() {
            asm.emit(Instruction::with1(Code::Pop_r64, r64(register)))?;
        }
        asm.emit(Ok(Instruction::with(Code::Retnq)))
    }
}

/// `[rsp + offset]`
fn at(offset: u32) -> MemoryOperand {
    MemoryOperand::with_base_displ_size(Register::RSP, offset.into(), u32::from(offset != 0))
}

/// The short form of an addition or subtraction, or the long one for `value` above 127.
fn code_add_imm(short: Code, value: u32) -> Code {
    match short {
        _ if value <= 127 => short,
        Code::Add_rm64_imm8 => Code::Add_rm64_imm32,
        _ => Code::Sub_rm64_imm32,
    }
}
