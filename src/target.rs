//! What code is made for: instruction set and caches.

/// A target. The same text, target and version give the same code bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The instruction set.
    pub isa: Isa,
    /// Bytes of the first-level data cache.
    pub l1_bytes: u32,
    /// Bytes of the second-level cache.
    pub l2_bytes: u32,
}

/// An instruction set with what of it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isa {
    /// x86-64; with AVX2 and FMA where the flag says so, else plain SSE2.
    X64 {
        /// Whether AVX2 and FMA may be used.
        avx2_fma: bool,
    },
    /// AArch64 with NEON.
    Aarch64,
}

impl Target {
    /// The pinned target of snapshots: x86-64 with AVX2 and FMA, 32 KiB L1, 512 KiB L2.
    pub const X64_AVX2: Target =
        Target { isa: Isa::X64 { avx2_fma: true }, l1_bytes: 32 << 10, l2_bytes: 512 << 10 };

    /// Whether it has fused multiply-add.
    pub const fn has_fma(&self) -> bool {
        match self.isa {
            Isa::X64 { avx2_fma } => avx2_fma,
            Isa::Aarch64 => true,
        }
    }
}
