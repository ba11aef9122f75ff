//! Assembling: instructions to bytes, jumps and constants resolved.

use iced_x86::{Code, Encoder, IcedError, Instruction, MemoryOperand, Register};

use super::EmitError;
use super::pool::{ALIGN, Constant, ConstantId, Pool};

/// A place in the code that a jump leads back to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label(usize);

/// A jump forwards whose target is not known yet.
#[derive(Debug)]
#[must_use]
pub(super) struct Pending {
    /// Where the four bytes of the distance stand; the next instruction follows them.
    at: usize,
}

/// An instruction's operand in the constant pool, to be filled in.
struct Fixup {
    /// Where the four bytes of the distance stand.
    at: usize,
    /// What it is measured from.
    next: usize,
    constant: ConstantId,
}

/// The code so far.
pub(super) struct Assembler {
    encoder: Encoder,
    position: usize,
    pool: Pool,
    fixups: Vec<Fixup>,
    /// Places of distances of forward jumps and their values.
    patches: Vec<(usize, i32)>,
}

impl Assembler {
    pub fn new() -> Result<Self, EmitError> {
        Ok(Assembler {
            encoder: Encoder::try_new(64)?,
            position: 0,
            pool: Pool::default(),
            fixups: Vec::new(),
            patches: Vec::new(),
        })
    }

    /// Appends an instruction.
    pub fn emit(&mut self, instruction: Result<Instruction, IcedError>) -> Result<(), EmitError> {
        self.position += self.encoder.encode(&instruction?, self.position as u64)?;
        Ok(())
    }

    /// Appends an instruction whose memory operand is a constant; `make` gets the operand.
    pub fn emit_constant(
        &mut self,
        constant: Constant,
        make: impl FnOnce(MemoryOperand) -> Result<Instruction, IcedError>,
    ) -> Result<(), EmitError> {
        let start = self.position;
        self.emit(make(MemoryOperand::with_base_displ(Register::RIP, start as i64)))?;
        let at = start + self.encoder.get_constant_offsets().displacement_offset();
        let constant = self.pool.add(constant);
        self.fixups.push(Fixup { at, next: self.position, constant });
        Ok(())
    }

    /// This place.
    pub fn label(&self) -> Label {
        Label(self.position)
    }

    /// Appends nops up to a multiple of `align`, a power of two.
    pub fn align(&mut self, align: usize) {
        let mut gap = self.position.next_multiple_of(align) - self.position;
        self.position += gap;
        while gap > 0 {
            let nop = NOPS[gap.min(NOPS.len()) - 1];
            nop.iter().for_each(|&byte| self.encoder.write_u8(byte));
            gap -= nop.len();
        }
    }

    /// A jump back if the last count was not 0.
    pub fn jump_back_if_not_zero(&mut self, target: Label) -> Result<(), EmitError> {
        // A short jump has two bytes and reaches back 128 from its end.
        let near = self.position + 2 - target.0 <= 128;
        let code = if near { Code::Jne_rel8_64 } else { Code::Jne_rel32_64 };
        self.emit(Instruction::with_branch(code, target.0 as u64))
    }

    /// A jump forwards if the last comparison was with something less or equal.
    pub fn jump_forward_if_not_positive(&mut self) -> Result<Pending, EmitError> {
        self.emit(Instruction::with_branch(Code::Jle_rel32_64, self.position as u64))?;
        Ok(Pending { at: self.position - 4 })
    }

    /// The jump leads here.
    pub fn land(&mut self, jump: Pending) {
        self.patches.push((jump.at, (self.position - jump.at - 4) as i32));
    }

    /// The bytes, constants included, and where the instructions end.
    pub fn finish(mut self) -> Result<(Vec<u8>, usize), EmitError> {
        let mut bytes = self.encoder.take_buffer();
        let code_len = bytes.len();
        if code_len != self.position {
            return Err(bug("the length of the code is not what was counted"));
        }
        let (constants, places) = self.pool.lay_out();
        let start = code_len.next_multiple_of(ALIGN);
        for fixup in &self.fixups {
            let place = Pool::place(&places, fixup.constant).ok_or_else(|| bug("no such constant"))?;
            self.patches.push((fixup.at, (start + place - fixup.next) as i32));
        }
        for (at, distance) in self.patches {
            let field = bytes.get_mut(at..at + 4).ok_or_else(|| bug("a patch outside the code"))?;
            field.copy_from_slice(&distance.to_le_bytes());
        }
        if !constants.is_empty() {
            bytes.resize(start, 0xcc);
            bytes.extend(constants);
        }
        Ok((bytes, code_len))
    }
}

/// The recommended nops of 1 to 9 bytes.
const NOPS: [&[u8]; 9] = [
    &[0x90],
    &[0x66, 0x90],
    &[0x0f, 0x1f, 0x00],
    &[0x0f, 0x1f, 0x40, 0x00],
    &[0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
    &[0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];

fn bug(what: &str) -> EmitError {
    EmitError::Assembler(what.to_owned())
}
