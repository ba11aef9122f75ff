//! Targets as Cranelift knows them.

use cranelift_codegen::isa::{self, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable, SetError};
use target_lexicon::{Aarch64Architecture, Architecture, BinaryFormat, Environment, Triple, Vendor};

use super::{CodeError, Target};
use crate::target::{Isa, X64Level};

/// How functions are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// Cranelift's `opt_level`.
    pub opt_level: &'static str,
    /// Cranelift's `regalloc_algorithm`.
    pub regalloc: &'static str,
}

/// Kernels: in the order in which they are written. The e-graph pass of `speed` sinks multiply-adds
/// below the loads of a block, which spills everything.
pub(super) const KERNELS: Options = Options { opt_level: "none", regalloc: "backtracking" };
/// Drivers: small, run once for each unit, and many: how fast they compile counts. The 147 of ResNet-18 take
/// 16 ms so; `speed` takes a third more, backtracking half as much again for drivers of several calls (measured).
pub(super) const DRIVERS: Options = Options { opt_level: "none", regalloc: "single_pass" };

/// Cranelift's description of a target, its features set as [`Target`] says whatever the host has.
pub(super) fn target_isa(target: &Target, options: Options) -> Result<OwnedTargetIsa, CodeError> {
    let unsupported = |error: &dyn std::fmt::Display| {
        CodeError::Unsupported(format!("Cranelift makes no code for {target} here: {error}"))
    };
    let flags = flags(options).map_err(|error| unsupported(&error))?;
    let mut builder = isa::lookup(triple(target)).map_err(|error| unsupported(&error))?;
    if let Isa::X64(level) = target.isa {
        let features: &[&str] = match level {
            X64Level::Sse41 => &["has_sse3", "has_ssse3", "has_sse41"],
            // Cranelift has vectors of 128 bits only.
            X64Level::Avx2 | X64Level::Avx512 => {
                &["has_sse3", "has_ssse3", "has_sse41", "has_sse42", "has_avx", "has_avx2", "has_fma"]
            }
        };
        for feature in features {
            builder.enable(feature).map_err(|error| unsupported(&error))?;
        }
    }
    builder.finish(settings::Flags::new(flags)).map_err(|error| unsupported(&error))
}

/// What the loader needs to know of a target.
pub(crate) fn host_isa(target: &Target) -> Result<OwnedTargetIsa, CodeError> {
    target_isa(target, DRIVERS)
}

fn flags(options: Options) -> Result<settings::Builder, SetError> {
    let mut flags = settings::builder();
    flags.set("opt_level", options.opt_level)?;
    flags.set("regalloc_algorithm", options.regalloc)?;
    flags.set("is_pic", "false")?;
    flags.set("unwind_info", "false")?;
    flags.set("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" })?;
    // Frames are small: no probes, which would be calls out of the module.
    flags.set("enable_probestack", "false")?;
    Ok(flags)
}

/// The architecture is the target's; the rest, which says how functions are called, is this machine's.
fn triple(target: &Target) -> Triple {
    let host = Triple::host();
    Triple {
        architecture: match target.isa {
            Isa::X64(_) => Architecture::X86_64,
            Isa::Aarch64 => Architecture::Aarch64(Aarch64Architecture::Aarch64),
        },
        vendor: Vendor::Unknown,
        operating_system: host.operating_system,
        environment: Environment::Unknown,
        binary_format: BinaryFormat::Unknown,
    }
}
