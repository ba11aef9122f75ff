//! Steps: the loops around kernels, as data. One page.
//!
//! A step is a set of independent *units* of work. The runtime splits them among threads in any way, for
//! units of one step write disjoint memory and read nothing that another unit of the step writes, but for
//! [`Base::Local`]: memory that each thread has for itself, in which a unit finds nothing that it has not
//! written before. Steps run one after the other.
//!
//! A unit is a list of calls, or nests in turn: work that goes through several kernels while it is in a
//! cache, such as a strip of rows through a chain of layers.
//!
//! Invariants, which [`super::verify`] checks:
//! - every stride list is as long as the `dims` of its nest and of all nests around it; no dim is 0;
//! - nests have at most [`MAX_DIMS`] dims, those around them included;
//! - every address that a kernel forms for any unit lies within the base it is derived from.

use super::ir::Kernel;

/// Dims of a nest at most, those of the nests around it included.
pub const MAX_DIMS: usize = 12;

/// What a pointer is derived from: an entry of the table of base pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Base {
    /// [`Lowered::consts`].
    Consts,
    /// Weights as the prepare steps leave them; shared by all runs.
    Packed,
    /// Scratch memory of one run.
    Arena,
    /// Scratch memory of one thread.
    Local,
    /// The caller's input, one sample.
    Input(u32),
    /// The caller's output, one sample.
    Output(u32),
    /// A parameter's canonical values.
    Param(u32),
}

impl Base {
    /// The position in the table of base pointers: consts, packed, arena, local, inputs, outputs, parameters.
    pub fn index(self, inputs: usize, outputs: usize) -> usize {
        match self {
            Base::Consts => 0,
            Base::Packed => 1,
            Base::Arena => 2,
            Base::Local => 3,
            Base::Input(i) => 4 + i as usize,
            Base::Output(i) => 4 + inputs + i as usize,
            Base::Param(i) => 4 + inputs + outputs + i as usize,
        }
    }
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

/// A loop nest around calls of kernels and other nests.
#[derive(Clone, Debug, PartialEq)]
pub struct Nest {
    /// The extents, outermost first; a unit is one combination of indices. Empty: one unit.
    pub dims: Vec<u64>,
    /// Called in order for each unit.
    pub calls: Vec<Call>,
    /// Run in order for each unit, after the calls.
    pub inner: Vec<Nest>,
    /// Of an outermost nest: whether threads share out anew what follows from here on in its step: what surrounds the planes that a thread has
    /// made falls to that thread again.
    pub anew: bool,
}

impl Nest {
    /// A nest around calls.
    pub fn new(dims: Vec<u64>, calls: Vec<Call>) -> Nest {
        Nest { dims, calls, inner: Vec::new(), anew: false }
    }

    /// A nest around nests, whose strides count `dims` first.
    pub fn around(dims: Vec<u64>, inner: Vec<Nest>) -> Nest {
        Nest { dims, calls: Vec::new(), inner, anew: false }
    }

    /// Whether it calls anything.
    pub fn is_empty(&self) -> bool {
        self.units() == 0 || self.calls.is_empty() && self.inner.iter().all(Nest::is_empty)
    }

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

/// From how many planes on threads take planes of every nest, where each has some rows of all: what is left after the
/// last plane of one would go to the last thread, which has made nothing around it.
const MANY_PLANES: u64 = 8;

/// Nests over planes, or panels of them, that each make some pixels of all: shared out one by one.
pub(super) fn by_planes(planes: u64, mut nests: Vec<Nest>) -> Vec<Nest> {
    if planes >= MANY_PLANES {
        nests.iter_mut().skip(1).for_each(|nest| nest.anew = true);
    }
    nests
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
    /// `base + offset + Σ index[d] · strides[d] + Σ table[index[dim]]`, the dims of the nests around first.
    Ptr {
        /// What it is derived from.
        base: Base,
        /// Bytes.
        offset: i64,
        /// Bytes for each dim.
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
    /// Bytes of `Local`.
    pub local_bytes: u64,
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
            Base::Local => self.local_bytes,
            Base::Input(i) => at(&self.input_bytes, i),
            Base::Output(i) => at(&self.output_bytes, i),
            Base::Param(i) => at(&self.param_bytes, i),
        }
    }

    /// The position of a base in the table of base pointers.
    pub fn base_index(&self, base: Base) -> usize {
        base.index(self.input_bytes.len(), self.output_bytes.len())
    }

    /// How many base pointers there are.
    pub fn bases(&self) -> usize {
        4 + self.input_bytes.len() + self.output_bytes.len() + self.param_bytes.len()
    }
}
