//! Registers and the two calling conventions.

use iced_x86::Register;

/// A calling convention for `extern "C"` on x86-64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Abi {
    /// Everywhere but on Windows: the argument is in rdi, no vector register is preserved.
    SysV,
    /// Windows: the argument is in rcx; xmm6 to xmm15 are preserved.
    Win64,
}

/// A general-purpose register, by its number.
pub(super) type Gpr = u8;

const RAX: Gpr = 0;
const RCX: Gpr = 1;
const RDX: Gpr = 2;
const RBX: Gpr = 3;
const RBP: Gpr = 5;
const RSI: Gpr = 6;
const RDI: Gpr = 7;

impl Abi {
    /// The convention of a C function on this host.
    pub const fn host() -> Abi {
        if cfg!(windows) { Abi::Win64 } else { Abi::SysV }
    }

    /// Holds the argument, a pointer to the kernel's arguments, to the end.
    pub(super) const fn args(self) -> Gpr {
        match self {
            Abi::SysV => RDI,
            Abi::Win64 => RCX,
        }
    }

    /// General-purpose registers in the order of preference: those that need not be saved first, and
    /// those last that cost a byte as a base (r12 and, as rbp, r13).
    pub(super) const fn general(self) -> &'static [Gpr; 14] {
        match self {
            Abi::SysV => &[RAX, RCX, RDX, RSI, 8, 9, 10, 11, RBX, 14, 15, 12, RBP, 13],
            Abi::Win64 => &[RAX, RDX, 8, 9, 10, 11, RBX, RSI, RDI, 14, 15, 12, RBP, 13],
        }
    }

    /// General-purpose registers that a function must preserve, in the order of [`Self::general`].
    pub(super) fn preserved_general(self) -> &'static [Gpr] {
        match self {
            Abi::SysV => &self.general()[8..],
            Abi::Win64 => &self.general()[6..],
        }
    }

    /// Vector registers whose lower halves a function must preserve.
    pub(super) const fn preserved_vector(self) -> &'static [u8] {
        match self {
            Abi::SysV => &[],
            Abi::Win64 => &[6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        }
    }
}

/// Vector registers of 8 lanes in the order of preference: the first eight save a byte in some encodings.
/// The upper 16 are not for them: their instructions are longer, and there are none for some operations.
pub(super) const VECTOR: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Vector registers of 16 lanes in the order of preference: first those that no other value can have.
pub(super) const WIDE: [u8; 32] = [
    31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4,
    3, 2, 1, 0,
];

/// The 64-bit register.
pub(super) const fn r64(number: Gpr) -> Register {
    use Register::*;
    const ALL: [Register; 16] =
        [RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15];
    ALL[number as usize & 15]
}

/// Its lower 32 bits.
pub(super) const fn r32(number: Gpr) -> Register {
    use Register::*;
    const ALL: [Register; 16] =
        [EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI, R8D, R9D, R10D, R11D, R12D, R13D, R14D, R15D];
    ALL[number as usize & 15]
}

/// The 256-bit register.
pub(super) const fn ymm(number: u8) -> Register {
    use Register::*;
    const ALL: [Register; 16] = [
        YMM0, YMM1, YMM2, YMM3, YMM4, YMM5, YMM6, YMM7, YMM8, YMM9, YMM10, YMM11, YMM12, YMM13, YMM14, YMM15,
    ];
    ALL[number as usize & 15]
}

/// Its lower half.
pub(super) const fn xmm(number: u8) -> Register {
    use Register::*;
    const ALL: [Register; 16] = [
        XMM0, XMM1, XMM2, XMM3, XMM4, XMM5, XMM6, XMM7, XMM8, XMM9, XMM10, XMM11, XMM12, XMM13, XMM14, XMM15,
    ];
    ALL[number as usize & 15]
}

/// The 512-bit register, one of 32.
pub(super) const fn zmm(number: u8) -> Register {
    use Register::*;
    const ALL: [Register; 32] = [
        ZMM0, ZMM1, ZMM2, ZMM3, ZMM4, ZMM5, ZMM6, ZMM7, ZMM8, ZMM9, ZMM10, ZMM11, ZMM12, ZMM13, ZMM14, ZMM15,
        ZMM16, ZMM17, ZMM18, ZMM19, ZMM20, ZMM21, ZMM22, ZMM23, ZMM24, ZMM25, ZMM26, ZMM27, ZMM28, ZMM29,
        ZMM30, ZMM31,
    ];
    ALL[number as usize & 31]
}

/// Its lower half, for instructions that reach all 32.
pub(super) const fn ymm_of_32(number: u8) -> Register {
    use Register::*;
    const ALL: [Register; 32] = [
        YMM0, YMM1, YMM2, YMM3, YMM4, YMM5, YMM6, YMM7, YMM8, YMM9, YMM10, YMM11, YMM12, YMM13, YMM14, YMM15,
        YMM16, YMM17, YMM18, YMM19, YMM20, YMM21, YMM22, YMM23, YMM24, YMM25, YMM26, YMM27, YMM28, YMM29,
        YMM30, YMM31,
    ];
    ALL[number as usize & 31]
}
