//! Steps: the loops around kernels, as data. One page.
//!
//! A step is a set of independent *units* of work. The code made from it is
//! `extern "C" fn(bases: *const *mut u8, begin: u64, end: u64)`, which runs units `begin .. end`; the
//! caller may split the units among threads in any way, for units of one step write disjoint memory and
//! read nothing that another unit of the step writes. Steps run one after the other.
//!
//! Invariants, which [`super::verify`] checks:
//! - every stride list is as long as its nest's `dims`; no dim is 0;
//! - every address that a kernel forms for any unit lies within the base it is derived from.

use super::ir::Kernel;

/// What a pointer is derived from: an entry of the table of base pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Base {
    /// [`Lowered::consts`].
    Consts,
    /// Weights as the prepare steps leave them; shared by all runs.
    Packed,
    /// Scratch memory of one run.
    Arena,
    /// The caller's input, one sample.
    Input(u32),
    /// The caller's output, one sample.
    Output(u32),
    /// A parameter's canonical values.
    Param(u32),
}

/// The number of a kernel in [`Lowered::kernels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KernelId(pub u32);

/// A step: its units are those of its nests, one nest after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The layer it belongs to and what it does: `conv1: conv`.
    pub name: String,
    /// The nests.
    pub nests: Vec<Nest>,
}

/// A loop nest whose body calls kernels.
#[derive(Clone, Debug, PartialEq)]
pub struct Nest {
    /// The extents, outermost first; a unit is one combination of indices. Empty: one unit.
    pub dims: Vec<u64>,
    /// Called in order for each unit.
    pub calls: Vec<Call>,
}

impl Nest {
    /// How many units it has.
    pub fn units(&self) -> u64 {
        self.dims.iter().product()
    }
}

impl Step {
    /// How many units it has.
    pub fn units(&self) -> u64 {
        self.nests.iter().map(Nest::units).sum()
    }
}

/// A kernel called for a unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Which.
    pub kernel: KernelId,
    /// One for each of the kernel's arguments.
    pub args: Vec<CallArg>,
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum CallArg {
    /// An integer, the same for every unit.
    Int(i64),
    /// `base + offset + Σ index[d] · strides[d] + Σ table[index[dim]]`
    Ptr {
        /// What it is derived from.
        base: Base,
        /// Bytes.
        offset: i64,
        /// Bytes for each dim of the nest.
        strides: Vec<i64>,
        /// Offsets looked up by one index.
        tables: Vec<TableArg>,
    },
}

/// An offset looked up: for rows that a border repeats, or that resampling picks.
#[derive(Clone, Debug, PartialEq)]
pub struct TableArg {
    /// Whose index.
    pub dim: usize,
    /// Byte offsets, one for each value of the index.
    pub offsets: Vec<i64>,
}

/// Everything that is left to assemble: kernels, steps, constants. Nothing refers to the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Lowered {
    /// The kernels, each once.
    pub kernels: Vec<Kernel>,
    /// Run once when the parameters are loaded: fills `Packed`. Reads `Param` and `Consts`.
    pub prepare: Vec<Step>,
    /// Run for each sample.
    pub run: Vec<Step>,
    /// Constants, to be placed at a 64-byte boundary.
    pub consts: Vec<u8>,
    /// Bytes of `Packed`.
    pub packed_bytes: u64,
    /// Bytes of `Arena`.
    pub arena_bytes: u64,
    /// Bytes of one sample of each input.
    pub input_bytes: Vec<u64>,
    /// Bytes of one sample of each output.
    pub output_bytes: Vec<u64>,
    /// Bytes of each parameter.
    pub param_bytes: Vec<u64>,
}

impl Lowered {
    /// How many bytes a base has.
    pub fn base_bytes(&self, base: Base) -> u64 {
        let at = |list: &[u64], i: u32| list.get(i as usize).copied().unwrap_or(0);
        match base {
            Base::Consts => self.consts.len() as u64,
            Base::Packed => self.packed_bytes,
            Base::Arena => self.arena_bytes,
            Base::Input(i) => at(&self.input_bytes, i),
            Base::Output(i) => at(&self.output_bytes, i),
            Base::Param(i) => at(&self.param_bytes, i),
        }
    }

    /// The position of a base in the table of base pointers: consts, packed, arena, inputs, outputs, parameters.
    pub fn base_index(&self, base: Base) -> usize {
        let (inputs, outputs) = (self.input_bytes.len(), self.output_bytes.len());
        match base {
            Base::Consts => 0,
            Base::Packed => 1,
            Base::Arena => 2,
            Base::Input(i) => 3 + i as usize,
            Base::Output(i) => 3 + inputs + i as usize,
            Base::Param(i) => 3 + inputs + outputs + i as usize,
        }
    }

    /// How many base pointers there are.
    pub fn bases(&self) -> usize {
        3 + self.input_bytes.len() + self.output_bytes.len() + self.param_bytes.len()
    }
}
