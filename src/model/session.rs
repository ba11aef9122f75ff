//! Programs for any size of input, made when a size is first seen.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Error, Model, Options, Program};
use crate::runtime::{Executor, Pool};
use crate::tensor::{Tensor, TensorView};

/// The axes of one sample of each input, and the program for them.
type Entry = (Vec<Vec<usize>>, Arc<Program>);

/// A model that is compiled anew for each size of its inputs, with the last programs kept.
///
/// Shared by threads; a compilation holds up the others. The programs compute on the same threads.
#[derive(Debug)]
pub struct Session {
    model: Model,
    options: Options,
    capacity: usize,
    kept: Mutex<Kept>,
}

/// What a session has made so far.
#[derive(Debug, Default)]
struct Kept {
    /// The programs with the shapes they are for, the last used first.
    programs: Vec<Entry>,
    /// The threads of the first program that has all it may have.
    pool: Option<Arc<Pool>>,
}

impl Session {
    /// A session that keeps up to `capacity` programs (at least one), each with the scratch memory of its last run.
    pub fn new(model: Model, options: Options, capacity: usize) -> Session {
        Session { model, options, capacity: capacity.max(1), kept: Mutex::default() }
    }

    /// The program for inputs of these shapes, compiled if it is not there.
    ///
    /// # Errors
    /// As [`Model::compile`].
    pub fn program(&self, inputs: &[TensorView<'_>]) -> Result<Arc<Program>, Error> {
        let signature = self.model.signature(self.options.model.as_deref());
        let ports = signature.inputs.iter().map(|input| (input.batched, input.dims.len()));
        let shapes: Vec<Vec<usize>> = inputs
            .iter()
            .zip(ports)
            .map(|(input, (batched, rank))| match input.shape() {
                [_, sample @ ..] if batched && sample.len() == rank => sample.to_vec(),
                shape => shape.to_vec(),
            })
            .collect();
        // A poisoned lock only means that a compilation was cut short; the list is whole.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { programs, pool } = &mut *kept;
        if let Some(at) = programs.iter().position(|(known, _)| *known == shapes) {
            programs[..=at].rotate_right(1);
        } else {
            let mut options = self.options.clone();
            options.positional.clone_from(&shapes);
            if options.pool.is_none() {
                options.pool.clone_from(pool);
            }
            let program = Arc::new(self.model.compile(&options)?);
            // A small program may have fewer threads than a later one is worth.
            let whole = program.pool().filter(|own| own.threads() == options.resolved_threads());
            *pool = pool.take().or(whole.cloned());
            programs.insert(0, (shapes, program));
            programs.truncate(self.capacity);
        }
        match programs.first() {
            Some((_, program)) => Ok(Arc::clone(program)),
            None => Err(Error::Bug { message: "a session lost its program".to_owned() }),
        }
    }

    /// Runs the program for inputs of these shapes; see [`Program::run`].
    ///
    /// # Errors
    /// As [`Session::program`] and [`Program::run`].
    pub fn run(&self, inputs: &[TensorView<'_>]) -> Result<Vec<Tensor>, Error> {
        self.program(inputs)?.run(inputs)
    }
}
