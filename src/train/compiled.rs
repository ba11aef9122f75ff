//! A graph of training as a program.

use std::sync::Arc;

use super::TrainError;
use super::step::Built;
use crate::graph::Graph;
use crate::model::{Error, Options, machine_code, pool_for};
use crate::pipeline;
use crate::runtime::{Executor, Loaded, Packed, Pool, Scratch, Sequential};
use crate::tensor::Tensor;

/// A program and its memory.
pub(super) struct Compiled {
    pub(super) built: Built,
    loaded: Loaded,
    packed: Packed,
    scratch: Scratch,
    pool: Option<Arc<Pool>>,
}

/// A program of training has no parameters: they are inputs.
const NONE: [Tensor; 0] = [];

impl Compiled {
    /// Compiles a graph; `pool` is that of the programs before, where there is one.
    pub(super) fn new(
        built: Built,
        options: &Options,
        pool: Option<Arc<Pool>>,
    ) -> Result<Compiled, TrainError> {
        let graph: Graph = pipeline::optimise(&built.graph);
        let loaded = machine_code(&graph, options, &mut Default::default())?;
        let pool = pool.or_else(|| pool_for(&loaded, options));
        let packed = loaded.prepare_on(executor(pool.as_ref()), &NONE).map_err(Error::from)?;
        let threads = executor(pool.as_ref()).threads();
        let scratch = loaded.scratch(threads).map_err(Error::from)?;
        Ok(Compiled { built, loaded, packed, scratch, pool })
    }

    /// Runs once.
    pub(super) fn run(&mut self, inputs: &[&[f32]], outputs: &mut [&mut [f32]]) -> Result<(), TrainError> {
        let executor = executor(self.pool.as_ref());
        let run = self.loaded.run_on(executor, &self.packed, &NONE, &mut self.scratch, inputs, outputs);
        run.map_err(|e| Error::from(e).into())
    }

    /// The threads that it computes with.
    pub(super) fn pool(&self) -> Option<Arc<Pool>> {
        self.pool.clone()
    }
}

fn executor(pool: Option<&Arc<Pool>>) -> &dyn Executor {
    pool.map_or(&Sequential, |pool| &**pool)
}
