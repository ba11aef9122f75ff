//! Targets as Cranelift knows them.

use cranelift_codegen::isa::{self, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable, SetError};
use target_lexicon::{Aarch64Architecture, Architecture, BinaryFormat, Environment, Triple, Vendor};

use super::{CodeError, Target};
use crate::target::{Isa, X64Level};

/// Cranelift's description of a target, its features set as [`Target`] says whatever the host has.
pub(crate) fn target_isa(target: &Target) -> Result<OwnedTargetIsa, CodeError> {
    let unsupported = |error: &dyn std::fmt::Display| {
        CodeError::Unsupported(format!("Cranelift makes no code for {target} here: {error}"))
    };
    let flags = flags().map_err(|error| unsupported(&error))?;
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

fn flags() -> Result<settings::Builder, SetError> {
    let mut flags = settings::builder();
    // In the order in which kernels are written: the e-graph pass of `speed` sinks multiply-adds below the
    // loads of a block, which spills everything.
    flags.set("opt_level", "none")?;
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
