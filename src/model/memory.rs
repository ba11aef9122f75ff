//! What a program takes, known before there is one.

use super::{Error, Options};
use crate::graph::Graph;
use crate::kernels::step::Lowered;
use crate::pipeline;
use crate::runtime::params::Params;

/// What a program takes while it runs, in bytes. Machine code, text and graph are not counted: they depend on
/// the number of layers alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The parameters as the file has them, in f32.
    pub weights: u64,
    /// The parameters as the program wants them.
    pub packed: u64,
    /// Taps and tables.
    pub constants: u64,
    /// For the values in between, of one run at a time, on as many threads as the options name, or one.
    pub scratch: u64,
    /// One sample of every input.
    pub inputs: u64,
    /// One sample of every output.
    pub outputs: u64,
}

impl Memory {
    /// All of it. No stage before the run holds more: weights are either part of their file's bytes or copied
    /// out of them, and these gone, before they are packed.
    pub fn total(&self) -> u64 {
        let parts = [self.weights, self.packed, self.constants, self.scratch, self.inputs, self.outputs];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    pub(super) fn of(graph: &Graph, lowered: &Lowered, threads: usize) -> Memory {
        let sum = |bytes: &[u64]| bytes.iter().copied().fold(0, u64::saturating_add);
        Memory {
            weights: Params::size_bytes(graph),
            packed: lowered.packed_bytes,
            constants: lowered.consts.len() as u64,
            scratch: lowered.arena_bytes.saturating_add(lowered.local_bytes.saturating_mul(threads as u64)),
            inputs: sum(&lowered.input_bytes),
            outputs: sum(&lowered.output_bytes),
        }
    }
}

/// What a program for a checked graph will take.
///
/// # Errors
/// [`Error::Unsupported`] where there can be none.
pub fn memory(graph: &Graph, options: &Options) -> Result<Memory, Error> {
    let plan = pipeline::plan(
        &pipeline::optimise(&pipeline::specialise(graph, &[], options.math)),
        &options.plan_options(),
    )?;
    Ok(Memory::of(graph, &pipeline::lower(&plan)?, options.stated_threads()))
}
