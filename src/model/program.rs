//! A compiled model for one size of its inputs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::stages::{Stats, machine_code, timed, within_memory};
use super::weights::{Placed, beneath, placed, weights};
use super::{Error, Model, Options};
use crate::diag::Diagnostic;
use crate::graph::{Graph, Value};
use crate::io::safe_file;
use crate::runtime::params::Params;
use crate::runtime::{self, Executor, Loaded, Packed, Pool, RunError, Sequential};
use crate::tensor::{Tensor, TensorView};
use crate::{limits, pipeline};

/// An input or output of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Whether it has a batch axis in front of `dims`.
    pub batched: bool,
    /// The axes of one sample.
    pub dims: Vec<usize>,
}

impl Port {
    fn elements(&self) -> usize {
        self.dims.iter().product()
    }
}

/// A compiled model with its weights. Immutable; share it among threads.
///
/// A run computes on the calling thread and on those of the program's pool, see [`Options::threads`]. Of several runs
/// at the same time one has the pool for a step, the others compute this step by themselves: who runs many at once is
/// served best by programs of one thread.
pub struct Program {
    graph: Graph,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    labels: Option<Vec<String>>,
    warnings: Vec<Diagnostic>,
    seeded: bool,
    stats: Stats,
    loaded: Loaded,
    params: Arc<Params>,
    /// The parameters as the code reads them.
    placed: Arc<[Placed]>,
    packed: Packed,
    /// None where no step is worth splitting.
    pool: Option<Arc<Pool>>,
    /// What the last run that brought no memory of its own has used, for so many threads.
    spare: Mutex<Option<(usize, Scratch)>>,
}

/// Memory for one run at a time.
pub struct Scratch(runtime::Scratch);

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("model", &self.graph.name)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

impl Program {
    pub(super) fn compile(model: &Model, options: &Options) -> Result<Program, Error> {
        let mut stats = Stats::default();
        let (graph, mut warnings) = timed(&mut stats.check, || model.graph(options))?;
        for (what, ports) in [("inputs", graph.inputs.len()), ("outputs", graph.outputs.len())] {
            if ports > limits::PORTS {
                let message =
                    format!("{ports} {what} are more than the {} that a program can have", limits::PORTS);
                return Err(Error::Unsupported { message });
            }
        }
        // Before anything of that size is allocated; what a plan adds is checked when there is one.
        within_memory(&graph, Params::size_bytes(&graph), options)?;
        let weights = timed(&mut stats.weights, || weights(model, options, &graph))?;
        let planned = timed(&mut stats.plan, || {
            pipeline::optimise(&pipeline::specialise(&graph, weights.params.tensors(), options.math))
        });
        let loaded = machine_code(&planned, options, &mut stats)?;
        warnings.extend(weights.warnings);
        let (params, seeded) = (weights.params, weights.seeded);
        let pool = pool_for(&loaded, options);
        let placed = placed(&params, options.placement)?;
        let packed = timed(&mut stats.pack, || loaded.prepare_on(executor(pool.as_ref()), &placed))?;
        let labels = labels(model, options, &graph)?;
        Ok(Program {
            inputs: ports(&graph, graph.inputs.iter().map(|i| (&i.name, i.value))),
            outputs: ports(&graph, graph.outputs.iter().map(|o| (&o.name, o.value))),
            labels,
            graph,
            warnings,
            seeded,
            stats,
            loaded,
            params: Arc::new(params),
            placed,
            packed,
            pool,
            spare: Mutex::default(),
        })
    }

    /// A program for another graph over the same inputs and parameters, compiled as it is: no pass runs.
    pub(super) fn with_graph(&self, graph: Graph, options: &Options) -> Result<Program, Error> {
        let mut stats = Stats::default();
        let loaded = machine_code(&graph, options, &mut stats)?;
        let pool = self.pool.clone().or_else(|| pool_for(&loaded, options));
        let packed = timed(&mut stats.pack, || loaded.prepare_on(executor(pool.as_ref()), &self.placed))?;
        Ok(Program {
            inputs: ports(&graph, graph.inputs.iter().map(|i| (&i.name, i.value))),
            outputs: ports(&graph, graph.outputs.iter().map(|o| (&o.name, o.value))),
            labels: None,
            graph,
            warnings: Vec::new(),
            seeded: self.seeded,
            stats,
            loaded,
            params: Arc::clone(&self.params),
            placed: Arc::clone(&self.placed),
            packed,
            pool,
            spare: Mutex::default(),
        })
    }

    /// The inputs, in the model's order.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// The outputs, in the model's order.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// Names of classes, where the model names a file of them.
    pub fn labels(&self) -> Option<&[String]> {
        self.labels.as_deref()
    }

    /// The graph as it was checked.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The canonical weights, in the order of the graph's parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Warnings of the check and of the weights.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Whether the weights were seeded, for want of a file.
    pub fn seeded(&self) -> bool {
        self.seeded
    }

    /// What the compilation took and gave.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The threads it computes on; none where it has only the calling one, or no step is worth splitting.
    pub fn pool(&self) -> Option<&Arc<Pool>> {
        self.pool.as_ref()
    }

    fn executor(&self) -> &dyn Executor {
        executor(self.pool.as_ref())
    }

    /// Memory for [`Program::run_into`].
    ///
    /// # Errors
    /// [`Error::Memory`] where memory is refused.
    pub fn scratch(&self) -> Result<Scratch, Error> {
        self.scratch_for(self.executor().threads())
    }

    /// Memory for [`Program::run_into_on`] and an executor of so many threads.
    ///
    /// # Errors
    /// [`Error::Memory`] where memory is refused.
    pub fn scratch_for(&self, threads: usize) -> Result<Scratch, Error> {
        Ok(Scratch(self.loaded.scratch(threads)?))
    }

    /// Runs the program. Inputs are in the model's order, each of the axes of its port, or of `[N]` and
    /// these where it is batched; outputs follow. Every sample is computed by itself.
    ///
    /// The memory for what lies between is kept for the next run; runs at the same time make their own. With
    /// [`Program::run_into`] the outputs' is the caller's, too.
    ///
    /// # Errors
    /// [`Error::Input`] where shapes do not fit, [`Error::Memory`] where memory is refused.
    pub fn run(&self, inputs: &[TensorView<'_>]) -> Result<Vec<Tensor>, Error> {
        self.run_on(self.executor(), inputs)
    }

    /// As [`Program::run`], on the threads of an executor: the result is the same to the bit.
    ///
    /// # Errors
    /// As [`Program::run`].
    pub fn run_on(&self, executor: &dyn Executor, inputs: &[TensorView<'_>]) -> Result<Vec<Tensor>, Error> {
        let mut outputs = self.outputs_for(inputs)?;
        let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(Tensor::data_mut).collect();
        let threads = executor.threads();
        let kept = self.spare().take().filter(|(of, _)| *of >= threads);
        let (of, mut scratch) = match kept {
            Some(kept) => kept,
            None => (threads, self.scratch_for(threads)?),
        };
        let result = self.run_into_on(executor, &mut scratch, inputs, &mut slices);
        *self.spare() = Some((of, scratch));
        result.map(|()| outputs)
    }

    fn spare(&self) -> MutexGuard<'_, Option<(usize, Scratch)>> {
        // Nothing is done while it is locked but to take or to put.
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Zeroed outputs of the shapes that inputs of these shapes give, for [`Program::run_into`].
    ///
    /// # Errors
    /// As [`Program::run`].
    pub fn outputs_for(&self, inputs: &[TensorView<'_>]) -> Result<Vec<Tensor>, Error> {
        let batch = self.batch(inputs)?;
        let mut outputs = Vec::new();
        for port in &self.outputs {
            let mut shape = port.dims.clone();
            if let (Some(n), true) = (batch.axis, port.batched) {
                shape.insert(0, n);
            }
            let output = Tensor::try_zeros(&shape).ok_or_else(|| Error::Memory {
                needed: shape.iter().fold(4u64, |n, &d| n.saturating_mul(d as u64)),
                limit: 0,
                layer: format!("the output `{}`", port.name),
            })?;
            outputs.push(output);
        }
        Ok(outputs)
    }

    /// As [`Program::run`], into memory that is there: allocates nothing. An output has as many elements
    /// as one sample times the batch.
    ///
    /// # Errors
    /// [`Error::Input`] where shapes do not fit; then nothing is run.
    pub fn run_into(
        &self,
        scratch: &mut Scratch,
        inputs: &[TensorView<'_>],
        outputs: &mut [&mut [f32]],
    ) -> Result<(), Error> {
        self.run_into_on(self.executor(), scratch, inputs, outputs)
    }

    /// As [`Program::run_into`], on the threads of an executor, but no more than the scratch memory is for.
    ///
    /// # Errors
    /// As [`Program::run_into`].
    pub fn run_into_on(
        &self,
        executor: &dyn Executor,
        scratch: &mut Scratch,
        inputs: &[TensorView<'_>],
        outputs: &mut [&mut [f32]],
    ) -> Result<(), Error> {
        self.each_sample(inputs, outputs, |x, y| {
            self.loaded.run_on(executor, &self.packed, &self.placed, &mut scratch.0, x, y)
        })
    }

    /// As [`Program::run_into`]; the time of each step ([`Stats::steps`] of them), summed over the batch,
    /// is added to its place in `times`.
    ///
    /// # Errors
    /// As [`Program::run_into`].
    pub fn run_timed(
        &self,
        scratch: &mut Scratch,
        inputs: &[TensorView<'_>],
        outputs: &mut [&mut [f32]],
        times: &mut [Duration],
    ) -> Result<(), Error> {
        self.each_sample(inputs, outputs, |x, y| {
            self.loaded.run_timed(self.executor(), &self.packed, &self.placed, &mut scratch.0, x, y, times)
        })
    }

    /// Runs one sample after the other.
    fn each_sample(
        &self,
        inputs: &[TensorView<'_>],
        outputs: &mut [&mut [f32]],
        mut run: impl FnMut(&[&[f32]], &mut [&mut [f32]]) -> Result<(), RunError>,
    ) -> Result<(), Error> {
        let batch = self.batch(inputs)?;
        let samples = batch.samples();
        if outputs.len() != self.outputs.len() {
            return Err(self.count_error("output", outputs.len(), self.outputs.len()));
        }
        for (port, output) in self.outputs.iter().zip(outputs.iter()) {
            let expected = port.elements() * if port.batched { samples } else { 1 };
            if output.len() != expected {
                let message = format!("the output has room for {} elements, not {expected}", output.len());
                return Err(Error::Input { name: port.name.clone(), message });
            }
        }
        for sample in 0..samples {
            let mut x: [&[f32]; limits::PORTS] = [&[]; limits::PORTS];
            for ((slot, port), input) in x.iter_mut().zip(&self.inputs).zip(inputs) {
                *slot = part(input.data(), port, sample).unwrap_or(&[]);
            }
            let mut y: [&mut [f32]; limits::PORTS] = std::array::from_fn(|_| &mut [][..]);
            for ((slot, port), output) in y.iter_mut().zip(&self.outputs).zip(outputs.iter_mut()) {
                let n = port.elements();
                let at = if port.batched { sample * n } else { 0 };
                *slot = output.get_mut(at..at + n).unwrap_or_default();
            }
            run(&x[..self.inputs.len()], &mut y[..self.outputs.len()])?;
        }
        Ok(())
    }

    fn count_error(&self, what: &str, given: usize, expected: usize) -> Error {
        let message = format!("{given} {what}s are given, the model has {expected}");
        Error::Input { name: self.graph.name.clone(), message }
    }

    /// Checks the shapes of inputs and that they agree about the batch.
    fn batch(&self, inputs: &[TensorView<'_>]) -> Result<Batch, Error> {
        if inputs.len() != self.inputs.len() {
            return Err(self.count_error("input", inputs.len(), self.inputs.len()));
        }
        let mut batch = Batch { axis: None };
        for (port, input) in self.inputs.iter().zip(inputs) {
            let fail = |message| Err(Error::Input { name: port.name.clone(), message });
            let n = match input.shape() {
                shape if shape == port.dims => continue,
                [n, rest @ ..] if port.batched && rest == port.dims => *n,
                shape => {
                    let n = if port.batched { ", with or without a batch axis in front" } else { "" };
                    return fail(format!(
                        "its shape is {shape:?}, but the program is for {:?}{n}",
                        port.dims
                    ));
                }
            };
            match batch.axis {
                Some(other) if other != n => {
                    return fail(format!("it has {n} samples, another input has {other}"));
                }
                _ => batch.axis = Some(n),
            }
        }
        // Without an axis an input is one sample, which goes with one sample only.
        let alone = self.inputs.iter().zip(inputs).find(|(p, x)| p.batched && x.shape() == p.dims);
        match (batch.axis, alone) {
            (Some(n), Some((port, _))) if n != 1 => Err(Error::Input {
                name: port.name.clone(),
                message: format!("it is one sample without a batch axis, another input has {n} samples"),
            }),
            _ => Ok(batch),
        }
    }
}

fn ports<'a>(graph: &Graph, named: impl Iterator<Item = (&'a String, Value)>) -> Vec<Port> {
    named
        .map(|(name, value)| {
            let ty = graph.ty(value);
            Port {
                name: name.clone(),
                batched: ty.batched,
                dims: ty.dims.iter().map(|&d| d as usize).collect(),
            }
        })
        .collect()
}

/// The pool that is shared, or one with as many threads as there are parts of a step at most.
pub(crate) fn pool_for(loaded: &Loaded, options: &Options) -> Option<Arc<Pool>> {
    if options.pool.is_some() {
        return options.pool.clone();
    }
    let threads = options.resolved_threads();
    match loaded.most_parts(threads, Sequential.grain()) {
        0 | 1 => None,
        parts => Some(Arc::new(Pool::new(parts))),
    }
}

fn executor(pool: Option<&Arc<Pool>>) -> &dyn Executor {
    pool.map_or(&Sequential, |pool| &**pool)
}

/// How many samples a call has.
#[derive(Clone, Copy)]
struct Batch {
    /// N, where an input has the axis.
    axis: Option<usize>,
}

impl Batch {
    fn samples(self) -> usize {
        self.axis.unwrap_or(1)
    }
}

/// The elements of one sample.
fn part<'a>(data: &'a [f32], port: &Port, sample: usize) -> Option<&'a [f32]> {
    let n = port.elements();
    let at = if port.batched { sample * n } else { 0 };
    data.get(at..at + n)
}

/// The names of classes, one a line.
fn labels(model: &Model, options: &Options, graph: &Graph) -> Result<Option<Vec<String>>, Error> {
    let Some(file) = &graph.labels else { return Ok(None) };
    let path = beneath(model, options, &file.path)?;
    let bytes = safe_file::read(&path, limits::TEXT_BYTES as u64)?;
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return Err(Error::File { message: format!("{path:?} is not valid UTF-8"), path });
    };
    Ok(Some(text.lines().map(str::to_owned).collect()))
}
