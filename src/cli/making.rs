//! How a program is made, for the commands that run one.

use std::path::PathBuf;

use super::failure::Failure;
use super::memory;
use super::models::{Opened, with_sizes};
use super::threads::Threads;
use super::values::{self, BackendName, MathName};
use crate::model::Options;

/// The arguments of every command that runs a program.
#[derive(clap::Args)]
pub(super) struct Making {
    /// Take the weights from this safetensors file
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,

    /// Refuse a weight file with tensors that the model does not use
    #[arg(long)]
    strict_weights: bool,

    /// Seed of random weights and inputs
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    #[command(flatten)]
    threads: Threads,

    /// Which emitter makes the kernels
    #[arg(long, value_name = "NAME")]
    backend: Option<BackendName>,

    /// Which liberties arithmetic may take
    #[arg(long, value_name = "MODE", default_value = "default")]
    math: MathName,

    /// The most memory to use, such as 512M or 2G; half of what is available by default
    #[arg(long, value_name = "SIZE", value_parser = values::bytes)]
    memory: Option<u64>,
}

impl Making {
    /// The seed of random weights and inputs.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// The name of the liberties that arithmetic may take.
    pub(super) fn math(&self) -> &'static str {
        match self.math {
            MathName::Default => "default",
            MathName::Strict => "strict",
        }
    }

    /// The weight file given.
    pub(super) fn weights(&self) -> Option<&PathBuf> {
        self.weights.as_ref()
    }

    /// The most bytes to use.
    pub(super) fn memory(&self) -> u64 {
        self.memory.unwrap_or_else(memory::default_limit)
    }

    /// How a program is made for some sizes with so much memory left.
    pub(super) fn options(
        &self,
        model: &Opened,
        sizes: &[(String, u64)],
        memory: u64,
    ) -> Result<Options, Failure> {
        let mut options = with_sizes(self.threads.set(model.options())?, sizes)
            .seed(self.seed)
            .math(self.math.into())
            .strict_weights(self.strict_weights)
            .memory(memory);
        if let Some(backend) = self.backend {
            options = options.backend(backend.into());
        }
        if let Some(weights) = &self.weights {
            options = options.weights_file(weights);
        }
        Ok(options)
    }
}
