//! How a model is compiled.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::Model;
use crate::code::Backend;
use crate::graph::check::CheckOptions;
use crate::plan::PlanOptions;
use crate::runtime::{Executor, Placement, Pool};
use crate::target::{Isa, Math, Target, X64Level};

/// Options of [`Model::compile`], set by chained calls.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(super) model: Option<String>,
    pub(super) positional: Vec<Vec<usize>>,
    pub(super) named: BTreeMap<String, Vec<usize>>,
    pub(super) sizes: BTreeMap<String, u64>,
    pub(super) backend: Option<Backend>,
    pub(super) target: Option<Target>,
    pub(super) math: Math,
    pub(super) weights: Option<PathBuf>,
    pub(super) seed: u64,
    pub(super) strict_weights: bool,
    pub(super) outside_weights: bool,
    pub(super) memory: Option<u64>,
    pub(super) threads: Option<usize>,
    pub(super) pool: Option<Arc<Pool>>,
    pub(super) placement: Placement,
    pub(super) names_wanted: bool,
}

impl Options {
    /// Which model of a file that has several.
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.model = Some(name.into());
        self
    }

    /// The axes of one sample of the next input, in the model's order.
    pub fn input(mut self, dims: impl Into<Vec<usize>>) -> Self {
        self.positional.push(dims.into());
        self
    }

    /// The axes of one sample of an input.
    pub fn named_input(mut self, name: impl Into<String>, dims: impl Into<Vec<usize>>) -> Self {
        self.named.insert(name.into(), dims.into());
        self
    }

    /// A number for a size that the model leaves open.
    pub fn size(mut self, symbol: impl Into<String>, n: u64) -> Self {
        self.sizes.insert(symbol.into(), n);
        self
    }

    /// The emitter of kernels. Default: x64 where AVX2 and FMA are, else Cranelift.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// The machine to compile for. Default: this one. Code for another cannot be run.
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// How closely IEEE arithmetic is followed.
    pub fn math(mut self, math: Math) -> Self {
        self.math = math;
        self
    }

    /// A safetensors file instead of the one that the model names.
    pub fn weights_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.weights = Some(path.into());
        self
    }

    /// The seed of weights where no file gives them. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Whether tensors that the model does not use are an error instead of a warning.
    pub fn strict_weights(mut self, strict: bool) -> Self {
        self.strict_weights = strict;
        self
    }

    /// Whether files that the text names may lie outside of its folder.
    pub fn allow_outside_weights(mut self, allow: bool) -> Self {
        self.outside_weights = allow;
        self
    }

    /// The most bytes a program may take: weights, packed weights and scratch memory. Default: no limit.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// How many threads compute a run, the calling one included. Results do not depend on it. Default: as many as
    /// this process may use processors, see [`Pool::available`].
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Threads that several programs share, instead of a pool of the program's own.
    pub fn pool(mut self, pool: Arc<Pool>) -> Self {
        self.pool = Some(pool);
        self
    }

    /// Where the program's buffers lie, its weights included: for tests, which put them beside pages that cannot be
    /// accessed. Memory limits do not count these. Default: [`Placement::Plain`].
    pub fn placement(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self
    }

    /// Weights will go into a file: layers that have some need names, as if they came from one.
    pub(crate) fn names_wanted(mut self) -> Self {
        self.names_wanted = true;
        self
    }

    /// The most bytes a program may take, where there is a limit.
    pub(crate) fn memory_limit(&self) -> Option<u64> {
        self.memory
    }

    /// The threads that are used, the calling one included.
    pub fn resolved_threads(&self) -> usize {
        match &self.pool {
            Some(pool) => pool.threads(),
            None => self.threads.unwrap_or_else(Pool::available).max(1),
        }
    }

    /// The threads that were asked for, so that what is said of a program does not depend on the machine.
    pub(super) fn stated_threads(&self) -> usize {
        if self.threads.is_some() || self.pool.is_some() { self.resolved_threads() } else { 1 }
    }

    /// The machine that is compiled for. Cranelift has vectors of 128 bits: where nobody asks for more, a plan
    /// for registers of 512 would only make it keep them in memory.
    pub fn resolved_target(&self) -> Target {
        self.target.unwrap_or_else(|| match self.backend {
            Some(Backend::Cranelift) => Target::host().without_wide(),
            _ => Target::host(),
        })
    }

    /// What the planner wants to know.
    pub fn plan_options(&self) -> PlanOptions {
        PlanOptions { target: self.resolved_target(), math: self.math }
    }

    /// The emitter that is used.
    pub fn resolved_backend(&self) -> Backend {
        self.backend_for(&self.resolved_target())
    }

    /// The emitter that is used for a target: for who has asked already what the machine is, which reads files.
    pub(super) fn backend_for(&self, target: &Target) -> Backend {
        self.backend.unwrap_or(match target.isa {
            Isa::X64(X64Level::Avx2 | X64Level::Avx512) => Backend::X64,
            Isa::X64(X64Level::Sse41) | Isa::Aarch64 => Backend::Cranelift,
        })
    }

    /// What the checker wants to know.
    pub(super) fn check_options(&self, model: &Model) -> CheckOptions {
        let signature = model.signature(self.model.as_deref());
        let as_u64 = |dims: &Vec<usize>| dims.iter().map(|&d| d as u64).collect::<Vec<u64>>();
        let mut inputs: BTreeMap<String, Vec<u64>> =
            self.named.iter().map(|(name, dims)| (name.clone(), as_u64(dims))).collect();
        for (input, dims) in signature.inputs.iter().zip(&self.positional) {
            inputs.entry(input.name.clone()).or_insert_with(|| as_u64(dims));
        }
        CheckOptions {
            model: self.model.clone(),
            sizes: self.sizes.clone(),
            inputs,
            weights_given: self.names_wanted || self.weights.is_some() || model.weights.is_some(),
        }
    }
}
