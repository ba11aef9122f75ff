//! What code is made for: instruction set and caches.

use std::fmt;
use std::str::FromStr;

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

/// How closely IEEE arithmetic is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Math {
    /// Sums may be computed by other products of the same value (Winograd's filtering). A non-finite input may
    /// affect the outputs whose window or whose tile of 4×4 outputs contains it, and no others.
    #[default]
    Default,
    /// Every output is the sum of its own products. A non-finite input may affect the outputs whose window
    /// contains it.
    Strict,
}

/// An instruction set with what of it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isa {
    /// x86-64, up to a level.
    X64(X64Level),
    /// AArch64 with NEON.
    Aarch64,
}

/// How much of x86-64 is used; each level has all of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum X64Level {
    /// SSE4.1, which every such CPU since 2008 has; roundings would be library calls without.
    Sse41,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, VL, DQ and BW.
    Avx512,
}

impl Target {
    /// The pinned target of snapshots: x86-64 with AVX2 and FMA, 32 KiB L1, 512 KiB L2.
    pub const X64_AVX2: Target =
        Target { isa: Isa::X64(X64Level::Avx2), l1_bytes: 32 << 10, l2_bytes: 512 << 10 };
    /// x86-64 without AVX, caches as above.
    pub const X64: Target = Target { isa: Isa::X64(X64Level::Sse41), ..Target::X64_AVX2 };
    /// x86-64 with AVX-512, caches as above.
    pub const X64_AVX512: Target = Target { isa: Isa::X64(X64Level::Avx512), ..Target::X64_AVX2 };
    /// AArch64, 64 KiB L1, 512 KiB L2.
    pub const AARCH64: Target = Target { isa: Isa::Aarch64, l1_bytes: 64 << 10, l2_bytes: 512 << 10 };

    /// What this machine is. Where its caches cannot be found out, those of the pinned targets stand;
    /// where the machine is none of the instruction sets, code is made for x86-64 and cannot be loaded.
    pub fn host() -> Target {
        let best = [Target::X64_AVX512, Target::X64_AVX2, Target::AARCH64];
        let pinned = best.into_iter().find(|target| Supported::check(target.isa).is_some());
        let pinned =
            pinned.unwrap_or(if cfg!(target_arch = "aarch64") { Target::AARCH64 } else { Target::X64 });
        let [l1_bytes, l2_bytes, _] = cache_bytes();
        Target {
            l1_bytes: l1_bytes.unwrap_or(pinned.l1_bytes),
            l2_bytes: l2_bytes.unwrap_or(pinned.l2_bytes),
            ..pinned
        }
    }

    /// Whether it has fused multiply-add.
    pub const fn has_fma(&self) -> bool {
        match self.isa {
            Isa::X64(level) => !matches!(level, X64Level::Sse41),
            Isa::Aarch64 => true,
        }
    }

    /// Whether it has registers of 16 lanes, and 32 of them.
    pub const fn has_wide(&self) -> bool {
        matches!(self.isa, Isa::X64(X64Level::Avx512))
    }

    /// The same machine without registers of 16 lanes.
    pub const fn without_wide(self) -> Target {
        if self.has_wide() { Target { isa: Target::X64_AVX2.isa, ..self } } else { self }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Isa::X64(X64Level::Avx512) => "x86_64-avx512",
            Isa::X64(X64Level::Avx2) => "x86_64-avx2",
            Isa::X64(X64Level::Sse41) => "x86_64",
            Isa::Aarch64 => "aarch64",
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.isa.fmt(f)
    }
}

/// A target that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown target `{0}`; there are x86_64-avx512, x86_64-avx2, x86_64, aarch64 and host")]
pub struct UnknownTarget(pub String);

impl FromStr for Target {
    type Err = UnknownTarget;

    /// A pinned target by its name, or `host`.
    fn from_str(name: &str) -> Result<Target, UnknownTarget> {
        match name {
            "host" => Ok(Target::host()),
            "x86_64-avx512" => Ok(Target::X64_AVX512),
            "x86_64-avx2" => Ok(Target::X64_AVX2),
            "x86_64" => Ok(Target::X64),
            "aarch64" => Ok(Target::AARCH64),
            _ => Err(UnknownTarget(name.to_owned())),
        }
    }
}

/// Proof that this machine executes an instruction set: mapping code demands it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supported {
    isa: Isa,
}

impl Supported {
    /// Asks the machine.
    pub fn check(isa: Isa) -> Option<Supported> {
        let supported = match isa {
            Isa::X64(level) => x64_has(level),
            Isa::Aarch64 => cfg!(all(target_arch = "aarch64", target_endian = "little")),
        };
        supported.then_some(Supported { isa })
    }

    /// What is proven.
    pub fn isa(self) -> Isa {
        self.isa
    }
}

#[cfg(target_arch = "x86_64")]
fn x64_has(level: X64Level) -> bool {
    // The macro also asks whether the system keeps the registers.
    let sse41 = std::is_x86_feature_detected!("sse4.1") && std::is_x86_feature_detected!("ssse3");
    let avx2 = std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma");
    let avx512 = std::is_x86_feature_detected!("avx512f")
        && std::is_x86_feature_detected!("avx512vl")
        && std::is_x86_feature_detected!("avx512dq")
        && std::is_x86_feature_detected!("avx512bw");
    sse41 && (level < X64Level::Avx2 || avx2) && (level < X64Level::Avx512 || avx512)
}

#[cfg(not(target_arch = "x86_64"))]
fn x64_has(_level: X64Level) -> bool {
    false
}

/// Bytes of this machine's third-level cache, where it has one and tells; others may share it.
pub fn host_l3_bytes() -> Option<u32> {
    cache_bytes()[2]
}

/// Bytes of the data caches of the first three levels of the first CPU, as Linux tells them.
fn cache_bytes() -> [Option<u32>; 3] {
    let mut found = [None; 3];
    for index in 0..8 {
        let read = |file: &str| {
            let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{file}");
            std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
        };
        let (Some(level), Some(kind), Some(size)) = (read("level"), read("type"), read("size")) else {
            break;
        };
        match (level.as_str(), kind.as_str()) {
            ("1", "Data" | "Unified") => found[0] = parse_cache_size(&size),
            ("2", "Data" | "Unified") => found[1] = parse_cache_size(&size),
            ("3", "Data" | "Unified") => found[2] = parse_cache_size(&size),
            _ => {}
        }
    }
    found
}

/// `48K` → 49,152; nothing for sizes that no such cache has.
fn parse_cache_size(text: &str) -> Option<u32> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'K' => (text.strip_suffix('K')?, 1 << 10),
        b'M' => (text.strip_suffix('M')?, 1 << 20),
        _ => (text, 1),
    };
    let bytes = digits.parse::<u32>().ok()?.checked_mul(unit)?;
    (4 << 10..=1 << 30).contains(&bytes).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_targets_correspond() {
        for target in [Target::X64_AVX512, Target::X64_AVX2, Target::X64, Target::AARCH64] {
            assert_eq!(target.to_string().parse(), Ok(target));
        }
        assert!("sparc".parse::<Target>().is_err());
    }

    #[test]
    fn parses_what_linux_says_about_caches() {
        assert_eq!(parse_cache_size("48K"), Some(48 << 10));
        assert_eq!(parse_cache_size("2M"), Some(2 << 20));
        assert_eq!(parse_cache_size("524288"), Some(512 << 10));
        for nonsense in ["", "K", "0K", "-1K", "4294967295M", "1G", "2048M"] {
            assert_eq!(parse_cache_size(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn the_host_runs_what_is_made_for_it() {
        let host = Target::host();
        assert!(Supported::check(host.isa).is_some());
        assert_eq!(host, Target::host());
    }
}
