//! Programs in memory.

use super::buffer::{AlignedBytes, AllocError};
use super::call::{Bases, Buffers, LoadedStep, PackedBytes, Sample, execute};
use super::executor::{Executor, Sequential};
use super::map::CodeMap;
use super::{LoadError, RunError};
use crate::code::{BufferSizes, Code, StepCode};
use crate::target::Supported;

/// A program whose code can be run, by several threads at once. Clones are not needed: share it.
pub struct Loaded {
    map: CodeMap,
    prepare: Vec<LoadedStep>,
    run: Vec<LoadedStep>,
    consts: AlignedBytes,
    sizes: BufferSizes,
}

/// Weights as a program wants them.
pub struct Packed(AlignedBytes);

/// Memory for one run at a time.
pub struct Scratch {
    arena: AlignedBytes,
    bases: Bases,
}

impl Loaded {
    /// Maps a program's code.
    ///
    /// # Errors
    ///
    /// Where this machine lacks instructions, executable memory or memory.
    pub fn load(code: &Code) -> Result<Loaded, LoadError> {
        let supported = Supported::check(code.target.isa).ok_or(LoadError::Unsupported(code.target.isa))?;
        let map = CodeMap::new(code, supported)?;
        let steps = |steps: &[StepCode]| {
            steps
                .iter()
                .map(|step| {
                    let entry = map.entry(step.function).ok_or_else(|| {
                        LoadError::Map(format!("step {} has no function {}", step.name, step.function))
                    })?;
                    Ok(LoadedStep { entry, units: step.units })
                })
                .collect::<Result<Vec<_>, LoadError>>()
        };
        let (prepare, run) = (steps(&code.prepare)?, steps(&code.run)?);
        let consts = AlignedBytes::copy_of(&code.consts)?;
        Ok(Loaded { map, prepare, run, consts, sizes: code.sizes.clone() })
    }

    /// The bytes of every buffer.
    pub fn sizes(&self) -> &BufferSizes {
        &self.sizes
    }

    /// Packs the parameters' canonical values, in the order of the program's parameters.
    ///
    /// # Errors
    ///
    /// Where a parameter is missing or has another size, or memory is refused.
    pub fn prepare<P: AsRef<[f32]>>(&self, params: &[P]) -> Result<Packed, RunError> {
        let mut packed = Packed(AlignedBytes::zeroed(self.sizes.packed)?);
        self.prepare_into(params, &mut packed)?;
        Ok(packed)
    }

    /// As [`Self::prepare`], into what an earlier call gave.
    ///
    /// # Errors
    ///
    /// Where a parameter is missing or has another size.
    pub fn prepare_into<P: AsRef<[f32]>>(&self, params: &[P], packed: &mut Packed) -> Result<(), RunError> {
        let mut bases = Bases::with_capacity(self.sizes.bases())?;
        let buffers =
            Buffers { consts: &self.consts, packed: PackedBytes::Fill(&mut packed.0), params, sample: None };
        execute(&self.map, &self.prepare, &self.sizes, buffers, &mut bases, &Sequential)
    }

    /// Memory for runs.
    ///
    /// # Errors
    ///
    /// Where memory is refused.
    pub fn scratch(&self) -> Result<Scratch, AllocError> {
        Ok(Scratch {
            arena: AlignedBytes::zeroed(self.sizes.arena)?,
            bases: Bases::with_capacity(self.sizes.bases())?,
        })
    }

    /// Runs one sample on the calling thread. Allocates nothing.
    ///
    /// # Errors
    ///
    /// Where a tensor is missing or has another size; nothing is run then.
    pub fn run<P: AsRef<[f32]>>(
        &self,
        packed: &Packed,
        params: &[P],
        scratch: &mut Scratch,
        inputs: &[&[f32]],
        outputs: &mut [&mut [f32]],
    ) -> Result<(), RunError> {
        self.run_on(&Sequential, packed, params, scratch, inputs, outputs)
    }

    /// As [`Self::run`], the units of each step split as the executor likes: the result is the same.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn run_on<P: AsRef<[f32]>>(
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
        execute(&self.map, &self.run, &self.sizes, buffers, &mut scratch.bases, executor)
    }
}

impl Packed {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}
