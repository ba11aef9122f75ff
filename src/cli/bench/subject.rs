//! A program with everything that its runs need, allocated beforehand.

use std::time::{Duration, Instant};

use crate::cli::failure::Failure;
use crate::cli::inputs::Inputs;
use crate::cli::models::Compiled;
use crate::model::Scratch;
use crate::tensor::{Tensor, TensorView};

/// Without `--warmup`: so many runs at the most, …
const WARM_RUNS: usize = 50;
/// … but no more, after two of them, once this time has passed.
const WARM_TIME: Duration = Duration::from_millis(500);

/// What is measured.
pub(super) struct Subject<'a> {
    compiled: &'a Compiled,
    inputs: Vec<TensorView<'a>>,
    scratch: Scratch,
    outputs: Vec<Tensor>,
    /// The time of allocating scratch memory and of the first run.
    first: Duration,
}

impl<'a> Subject<'a> {
    /// Allocates outputs and scratch memory and runs once.
    pub(super) fn new(compiled: &'a Compiled, inputs: &'a Inputs) -> Result<Subject<'a>, Failure> {
        let inputs: Vec<TensorView<'_>> = inputs.ready.iter().map(|r| r.tensor.view()).collect();
        let outputs = compiled.program().outputs_for(&inputs)?;
        let start = Instant::now();
        let scratch = compiled.program().scratch()?;
        let mut subject = Subject { compiled, inputs, scratch, outputs, first: Duration::ZERO };
        subject.run()?;
        subject.first = start.elapsed();
        Ok(subject)
    }

    /// The time of the first run, scratch memory allocated in it.
    pub(super) fn first(&self) -> Duration {
        self.first
    }

    /// What the last run computed.
    pub(super) fn outputs(&self) -> &[Tensor] {
        &self.outputs
    }

    /// One run, from and to the caller's row-major memory.
    pub(super) fn run(&mut self) -> Result<Duration, Failure> {
        let mut outputs: Vec<&mut [f32]> = self.outputs.iter_mut().map(Tensor::data_mut).collect();
        let start = Instant::now();
        self.compiled.program().run_into(&mut self.scratch, &self.inputs, &mut outputs)?;
        Ok(start.elapsed())
    }

    /// Runs until caches, branch predictors and the clock have settled.
    pub(super) fn warm_up(&mut self, runs: Option<u32>) -> Result<(), Failure> {
        let start = Instant::now();
        let mut done = 0;
        let wanted = runs.map_or(WARM_RUNS, |n| n as usize);
        while done < wanted && (runs.is_some() || done < 2 || start.elapsed() < WARM_TIME) {
            self.run()?;
            done += 1;
        }
        Ok(())
    }

    /// One run as its steps; their times, one for each, are added to `steps`.
    pub(super) fn run_by_steps(&mut self, steps: &mut [Duration]) -> Result<Duration, Failure> {
        let mut outputs: Vec<&mut [f32]> = self.outputs.iter_mut().map(Tensor::data_mut).collect();
        let start = Instant::now();
        self.compiled.program().run_timed(&mut self.scratch, &self.inputs, &mut outputs, steps)?;
        Ok(start.elapsed())
    }
}
