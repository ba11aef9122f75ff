//! Graphs of training as programs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::TrainError;
use super::step::Built;
use crate::graph::Graph;
use crate::model::{Error, Options, Stats, machine_code, pool_for};
use crate::pipeline;
use crate::runtime::{Executor, Loaded, Packed, Pool, Scratch, Sequential};
use crate::tensor::Tensor;

/// What a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Step,
    Evaluation,
}

/// The programs of a training by what they are for and for how many samples. They share threads and a limit of
/// memory.
pub(super) struct Programs {
    options: Options,
    programs: BTreeMap<(Kind, usize), Compiled>,
    pool: Option<Arc<Pool>>,
    /// Bytes of packed constants, tables and scratch memory.
    own_bytes: u64,
}

impl Programs {
    pub(super) fn new(options: Options) -> Programs {
        Programs { options, programs: BTreeMap::new(), pool: None, own_bytes: 0 }
    }

    /// Bytes that all of them hold.
    pub(super) fn own_bytes(&self) -> u64 {
        self.own_bytes
    }

    /// A program, compiled where there is none yet, beside a state of `held` bytes.
    pub(super) fn get(
        &mut self,
        kind: Kind,
        samples: usize,
        held: u64,
        build: impl FnOnce() -> Result<Built, TrainError>,
    ) -> Result<&mut Compiled, TrainError> {
        use std::collections::btree_map::Entry;
        match self.programs.entry((kind, samples)) {
            Entry::Occupied(found) => Ok(found.into_mut()),
            Entry::Vacant(place) => {
                let built = build()?;
                // Inputs and outputs count as the program's: of these the state is there already.
                let beside = self.own_bytes.saturating_add(held.saturating_sub(built.state_bytes));
                let compiled = Compiled::new(built, &self.options, beside, &mut self.pool)?;
                self.own_bytes += compiled.own_bytes;
                Ok(place.insert(compiled))
            }
        }
    }
}

/// A program and its memory.
pub(super) struct Compiled {
    pub(super) built: Built,
    loaded: Loaded,
    packed: Packed,
    scratch: Scratch,
    pool: Option<Arc<Pool>>,
    own_bytes: u64,
}

/// A program of training has no parameters: they are inputs.
const NONE: [Tensor; 0] = [];

impl Compiled {
    /// Compiles a graph for the memory that is left beside so many bytes, and for the threads of the programs before,
    /// where there are any.
    fn new(
        built: Built,
        options: &Options,
        beside: u64,
        pool: &mut Option<Arc<Pool>>,
    ) -> Result<Compiled, TrainError> {
        let graph: Graph = pipeline::optimise(&built.graph);
        let left = match options.memory_limit() {
            Some(limit) => options.clone().memory(limit.saturating_sub(beside)),
            None => options.clone(),
        };
        let mut stats = Stats::default();
        let loaded = machine_code(&graph, &left, &mut stats).map_err(|error| {
            match (error, options.memory_limit()) {
                (Error::Memory { needed, layer, .. }, Some(limit))
                    if needed.saturating_add(beside) > limit =>
                {
                    Error::Memory { needed: needed.saturating_add(beside), limit, layer }
                }
                (error, _) => error,
            }
        })?;
        if pool.is_none() {
            *pool = pool_for(&loaded, options);
        }
        let pool = pool.clone();
        let packed = loaded.prepare_on(executor(pool.as_ref()), &NONE).map_err(Error::from)?;
        let threads = executor(pool.as_ref()).threads();
        let scratch = loaded.scratch(threads).map_err(Error::from)?;
        let memory = stats.memory;
        let own_bytes = memory.packed.saturating_add(memory.constants).saturating_add(memory.scratch);
        Ok(Compiled { built, loaded, packed, scratch, pool, own_bytes })
    }

    /// Runs once.
    pub(super) fn run(&mut self, inputs: &[&[f32]], outputs: &mut [&mut [f32]]) -> Result<(), TrainError> {
        let executor = executor(self.pool.as_ref());
        let run = self.loaded.run_on(executor, &self.packed, &NONE, &mut self.scratch, inputs, outputs);
        run.map_err(|e| Error::from(e).into())
    }
}

fn executor(pool: Option<&Arc<Pool>>) -> &dyn Executor {
    pool.map_or(&Sequential, |pool| &**pool)
}
