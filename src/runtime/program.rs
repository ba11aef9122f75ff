//! Programs in memory.

use std::time::{Duration, Instant};

use super::buffer::{AlignedBytes, AllocError, Placement};
use super::call::{Buffers, PackedBytes, Sample, Workspace, execute};
use super::executor::{Executor, Sequential};
use super::map::CodeMap;
use super::steps::LoadedStep;
use super::{LoadError, Param, RunError};
use crate::code::{BufferSizes, Code};
use crate::kernels::step::Step;
use crate::target::Supported;

/// The most parts of a step.
const MOST_PARTS: usize = 1024;

/// A program whose code can be run, by several threads at once. Clones are not needed: share it.
pub struct Loaded {
    map: CodeMap,
    prepare: Vec<LoadedStep>,
    run: Vec<LoadedStep>,
    consts: AlignedBytes,
    sizes: BufferSizes,
    placement: Placement,
}

/// Weights as a program wants them.
pub struct Packed(AlignedBytes);

/// Memory for one run at a time.
pub struct Scratch {
    arena: AlignedBytes,
    workspace: Workspace,
}

impl Loaded {
    /// Maps a program's code.
    ///
    /// # Errors
    ///
    /// Where this machine lacks instructions, executable memory or memory.
    pub fn load(code: &Code) -> Result<Loaded, LoadError> {
        Loaded::load_placed(code, Placement::Plain)
    }

    /// As [`Self::load`]. All buffers that its code works on and that are not the caller's, also those that are made
    /// later, are at the placement: constants, packed weights, scratch memory and what each part has for itself.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub fn load_placed(code: &Code, placement: Placement) -> Result<Loaded, LoadError> {
        let supported = Supported::check(code.target.isa).ok_or(LoadError::Unsupported(code.target.isa))?;
        let map = CodeMap::new(code, supported)?;
        let steps = |steps: &[Step], costs: &[Vec<u64>]| {
            let costs = costs.iter().map(Vec::as_slice).chain(std::iter::repeat(&[][..]));
            let pairs = steps.iter().zip(costs);
            pairs
                .map(|(step, costs)| LoadedStep::new(step, costs, &map, &code.sizes))
                .collect::<Result<Vec<_>, LoadError>>()
        };
        let prepare = steps(&code.prepare, &code.prepare_costs)?;
        let run = steps(&code.run, &code.run_costs)?;
        let consts = AlignedBytes::copy_of(&code.consts, placement)?;
        Ok(Loaded { map, prepare, run, consts, sizes: code.sizes.clone(), placement })
    }

    /// The bytes of every buffer.
    pub fn sizes(&self) -> &BufferSizes {
        &self.sizes
    }

    /// The most parts that a step is worth splitting into, for up to `threads` of them and an
    /// [`Executor::grain`].
    pub fn most_parts(&self, threads: usize, grain: u64) -> usize {
        let steps = self.prepare.iter().chain(&self.run);
        steps.map(|step| step.work.parts(threads, grain)).max().unwrap_or(1)
    }

    /// Packs the parameters' canonical values, in the order of the program's parameters.
    ///
    /// # Errors
    ///
    /// Where a parameter is missing or has another size, or memory is refused.
    pub fn prepare<P: Param>(&self, params: &[P]) -> Result<Packed, RunError> {
        self.prepare_on(&Sequential, params)
    }

    /// As [`Self::prepare`], the parts of each step run by the executor.
    ///
    /// # Errors
    ///
    /// As [`Self::prepare`].
    pub fn prepare_on<P: Param>(&self, executor: &dyn Executor, params: &[P]) -> Result<Packed, RunError> {
        let mut packed = Packed(AlignedBytes::zeroed(self.sizes.packed, self.placement)?);
        self.fill(executor, params, &mut packed)?;
        Ok(packed)
    }

    /// As [`Self::prepare`], into what an earlier call gave.
    ///
    /// # Errors
    ///
    /// Where a parameter is missing or has another size.
    pub fn prepare_into<P: Param>(&self, params: &[P], packed: &mut Packed) -> Result<(), RunError> {
        self.fill(&Sequential, params, packed)
    }

    fn fill<P: Param>(
        &self,
        executor: &dyn Executor,
        params: &[P],
        packed: &mut Packed,
    ) -> Result<(), RunError> {
        let parts = executor.threads().clamp(1, MOST_PARTS);
        let mut workspace = Workspace::new(parts, &self.sizes, most_args(&self.prepare), self.placement)?;
        let buffers =
            Buffers { consts: &self.consts, packed: PackedBytes::Fill(&mut packed.0), params, sample: None };
        execute(&self.map, &self.prepare, &self.sizes, buffers, &mut workspace, executor, |_| ())
    }

    /// Memory for runs on at most `threads` threads, 1024 of them at most.
    ///
    /// # Errors
    ///
    /// Where memory is refused.
    pub fn scratch(&self, threads: usize) -> Result<Scratch, AllocError> {
        let (parts, args) = (threads.clamp(1, MOST_PARTS), most_args(&self.run));
        Ok(Scratch {
            arena: AlignedBytes::zeroed(self.sizes.arena, self.placement)?,
            workspace: Workspace::new(parts, &self.sizes, args, self.placement)?,
        })
    }

    /// Runs one sample on the calling thread. Allocates nothing.
    ///
    /// # Errors
    ///
    /// Where a tensor is missing or has another size; nothing is run then.
    pub fn run<P: Param>(
        &self,
        packed: &Packed,
        params: &[P],
        scratch: &mut Scratch,
        inputs: &[&[f32]],
        outputs: &mut [&mut [f32]],
    ) -> Result<(), RunError> {
        self.run_on(&Sequential, packed, params, scratch, inputs, outputs)
    }

    /// As [`Self::run`], the parts of each step run by the executor, no more than the scratch memory is for: the
    /// result is the same.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn run_on<P: Param>(
        &self,
        executor: &dyn Executor,
        packed: &Packed,
        params: &[P],
        scratch: &mut Scratch,
        inputs: &[&[f32]],
        outputs: &mut [&mut [f32]],
    ) -> Result<(), RunError> {
        let buffers = Buffers {
            consts: &self.consts,
            packed: PackedBytes::Read(&packed.0),
            params,
            sample: Some(Sample { arena: &mut scratch.arena, inputs, outputs }),
        };
        execute(&self.map, &self.run, &self.sizes, buffers, &mut scratch.workspace, executor, |_| ())
    }

    /// As [`Self::run_on`]; the time of each step is added to its place in `times`, where there is one.
    /// Still allocates nothing.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    #[allow(clippy::too_many_arguments, reason = "those of run_on and one more")]
    pub fn run_timed<P: Param>(
        &self,
        executor: &dyn Executor,
        packed: &Packed,
        params: &[P],
        scratch: &mut Scratch,
        inputs: &[&[f32]],
        outputs: &mut [&mut [f32]],
        times: &mut [Duration],
    ) -> Result<(), RunError> {
        let buffers = Buffers {
            consts: &self.consts,
            packed: PackedBytes::Read(&packed.0),
            params,
            sample: Some(Sample { arena: &mut scratch.arena, inputs, outputs }),
        };
        let mut last = Instant::now();
        let after = |number: usize| {
            let now = Instant::now();
            if let Some(time) = times.get_mut(number) {
                *time += now - last;
            }
            last = now;
        };
        execute(&self.map, &self.run, &self.sizes, buffers, &mut scratch.workspace, executor, after)
    }
}

fn most_args(steps: &[LoadedStep]) -> usize {
    steps.iter().map(|step| step.args).max().unwrap_or(0)
}

impl Packed {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}
