//! The stages of a compilation, timed.

use std::time::{Duration, Instant};

use super::{Error, Memory, Options};
use crate::graph::Graph;
use crate::kernels::step::Lowered;
use crate::pipeline;
use crate::plan::PlanOptions;
use crate::runtime::Loaded;

/// What a compilation took and gave.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Names, sizes and shapes.
    pub check: Duration,
    /// Graph passes and the plan.
    pub plan: Duration,
    /// Plan to vector IR.
    pub lower: Duration,
    /// Vector IR to machine code, verified.
    pub assemble: Duration,
    /// Mapping the code.
    pub load: Duration,
    /// Reading or seeding weights.
    pub weights: Duration,
    /// Packing them.
    pub pack: Duration,
    /// Bytes of machine code with its constants.
    pub code_bytes: u64,
    /// Kernels.
    pub kernels: usize,
    /// Steps of a run.
    pub steps: usize,
    /// What a run takes.
    pub memory: Memory,
}

impl Stats {
    /// The time from the syntax tree to code that can run, weights not counted.
    pub fn compile(&self) -> Duration {
        self.check + self.plan + self.lower + self.assemble + self.load
    }
}

/// Runs a stage and adds its time.
pub(super) fn timed<T>(total: &mut Duration, stage: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = stage();
    *total += start.elapsed();
    result
}

/// A graph to code that can run.
pub(crate) fn machine_code(graph: &Graph, options: &Options, stats: &mut Stats) -> Result<Loaded, Error> {
    let target = options.resolved_target();
    let backend = options.backend_for(&target);
    let plan = timed(&mut stats.plan, || pipeline::plan(graph, &PlanOptions { target, math: options.math }))?;
    let lowered = timed(&mut stats.lower, || pipeline::lower(&plan))?;
    drop(plan);
    check_memory(graph, &lowered, options)?;
    let threads = options.resolved_threads();
    let code = timed(&mut stats.assemble, || pipeline::assemble_on(threads, &lowered, &target, backend))?;
    let loaded = timed(&mut stats.load, || Loaded::load_placed(&code, options.placement))?;
    stats.code_bytes = code.functions.iter().map(|f| f.bytes.len() as u64).sum();
    stats.kernels = lowered.kernels.len();
    stats.steps = lowered.run.len();
    stats.memory = Memory::of(graph, &lowered, options.stated_threads());
    Ok(loaded)
}

/// Refuses a program that would take more memory than is allowed.
fn check_memory(graph: &Graph, lowered: &Lowered, options: &Options) -> Result<(), Error> {
    within_memory(graph, Memory::of(graph, lowered, options.resolved_threads()).total(), options)
}

pub(super) fn within_memory(graph: &Graph, needed: u64, options: &Options) -> Result<(), Error> {
    let Some(limit) = options.memory else { return Ok(()) };
    if needed <= limit {
        return Ok(());
    }
    let largest = graph.nodes.iter().max_by_key(|n| n.ty.elements());
    let layer = largest.map_or(String::new(), |n| format!("`{}` with shape {}", n.name, n.ty));
    Err(Error::Memory { needed, limit, layer })
}
