//! What runs, in which order, on which buffers. One page.
//!
//! A plan is a list of [`Task`]s over [`Buffer`]s. It is made from an optimised graph and a target and
//! depends on neither weights, threads nor batch.
//!
//! Invariants, which [`verify`] checks:
//! - a task reads only buffers that an earlier task, the caller or the constants filled, halo included;
//! - buffers in the arena overlap only where their lifetimes do not, but for a result that is written over an operand,
//!   element by element, by the last task that reads this;
//! - prepare tasks read parameters, constants and packed buffers, and write packed buffers;
//! - every padding lane of a blocked buffer holds 0 whenever the buffer is read;
//! - buffers of a group of [`Strips`] overlap in local memory with none of the group's.

pub(crate) mod dims;
pub mod panels;
pub mod task;
pub(crate) mod tiles;

mod algorithm;
mod build;
mod conv;
mod copies;
mod cost;
mod fuse;
mod grad;
mod in_place;
mod known;
mod matmul;
mod memory;
mod pad;
mod print;
mod reduce;
mod reshape;
pub(crate) mod stencil;
pub mod strips;
mod transposed;
mod values;
mod verify;
pub(crate) mod window;
pub(crate) mod winograd;
mod work;

pub use build::{PlanError, plan};
pub use print::print;
pub use verify::verify;
pub use work::{Work, work};

pub use panels::Panels;
pub use strips::Strips;
pub use task::{Operand, Pointwise, PointwiseOp, Task, TaskKind};

use crate::graph::{Graph, Value};
use crate::kernels::ir::LANES;
use crate::kernels::step::Base;
use crate::target::{Math, Target};

/// What a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanOptions {
    /// The machine.
    pub target: Target,
    /// Which algorithms are allowed.
    pub math: Math,
}

impl PlanOptions {
    /// For a machine, with every algorithm.
    pub fn new(target: Target) -> PlanOptions {
        PlanOptions { target, math: Math::Default }
    }

    /// For a machine, without the algorithms that round otherwise than sums of products do.
    pub fn strict(target: Target) -> PlanOptions {
        PlanOptions { target, math: Math::Strict }
    }
}

/// When something is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Once, when parameters are loaded: it depends on no input.
    Prepare,
    /// For each sample.
    Run,
}

/// The number of a buffer in [`Plan::buffers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub u32);

/// Where a value, or a copy of it in another layout, lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    /// The value of the graph that it holds.
    pub value: Option<Value>,
    /// Its axes as `[lead, channels, height, width]`; missing axes are 1 in front. `lead` is the
    /// product of all axes before the last three.
    pub dims: [u64; 4],
    /// How the elements are arranged.
    pub layout: Layout,
    /// What it is part of.
    pub base: Base,
    /// Byte offset of its first byte (of the halo, where there is one) in the base; a multiple of 64
    /// in the arena and in the packed weights.
    pub offset: u64,
    /// What is kept of it, where that is one strip's and the buffer lies in local memory.
    pub kept: Option<Kept>,
}

/// The part of a value that exists at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// So many rows of each plane, those of its halo counted.
    Rows(u64),
    /// So many planes.
    Planes(u64),
}

/// How elements are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Planes of single channels, or of blocks of channels.
    pub kind: LayoutKind,
    /// Elements kept around each plane.
    pub halo: Halo,
}

/// The order of axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LayoutKind {
    /// `[lead][channel][row][column]`: 4 bytes a column.
    Planar,
    /// `[lead][channel / 8][row][column][channel % 8]`: 32 bytes a column; channels past the last hold 0.
    Blocked,
}

/// Rows and columns kept around a plane, and what they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Halo {
    /// Rows above.
    pub top: u32,
    /// Rows below.
    pub bottom: u32,
    /// Columns on the left.
    pub left: u32,
    /// Columns on the right.
    pub right: u32,
    /// What they hold.
    pub fill: Fill,
}

/// What a halo holds. Replicate, reflect and wrap are as in [`crate::graph::Border`]; rows and
/// columns of the halo beyond the reach of reflect or wrap do not occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fill {
    /// Zeros (also where there is no halo).
    Zero,
    /// −∞, for maxima.
    NegInfinity,
    /// A number's bits (the `pad` layer).
    Constant(u32),
    /// The nearest element.
    Replicate,
    /// Mirrored, the edge not repeated.
    Reflect,
    /// The opposite side.
    Wrap,
}

impl Halo {
    /// No halo.
    pub const NONE: Halo = Halo { top: 0, bottom: 0, left: 0, right: 0, fill: Fill::Zero };

    /// Whether nothing is kept around the plane.
    pub fn is_none(&self) -> bool {
        self.top == 0 && self.bottom == 0 && self.left == 0 && self.right == 0
    }
}

impl Layout {
    /// Dense planes: row-major.
    pub const DENSE: Layout = Layout { kind: LayoutKind::Planar, halo: Halo::NONE };
}

/// A buffer as kernels address it: byte strides from element `[0, 0, 0, 0]`, halo excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// What addresses are derived from.
    pub base: Base,
    /// Byte offset of element `[0, 0, 0, 0]`.
    pub origin: i64,
    /// Planar or blocked.
    pub kind: LayoutKind,
    /// `[lead, channels, height, width]`.
    pub dims: [u64; 4],
    /// Bytes from one to the next of: lead, plane (a channel, or a block of 8), row, column.
    pub strides: [i64; 4],
}

impl View {
    /// Planes in one lead: channels, or blocks of channels.
    pub fn planes(&self) -> u64 {
        match self.kind {
            LayoutKind::Planar => self.dims[1],
            LayoutKind::Blocked => self.dims[1].div_ceil(LANES as u64),
        }
    }

    /// Bytes of a column: 4, or 32.
    pub fn column_bytes(&self) -> i64 {
        self.strides[3]
    }

    /// Channels in the last block that are real, 1 to 8.
    pub fn last_lanes(&self) -> usize {
        match (self.dims[1] % LANES as u64) as usize {
            0 => LANES,
            n => n,
        }
    }
}

impl Buffer {
    /// The byte strides and the origin. Those of a strip's buffer count from the first row or plane that is kept.
    pub fn view(&self) -> View {
        let [_, _, h, w] = self.dims;
        let halo = &self.layout.halo;
        let column = match self.layout.kind {
            LayoutKind::Planar => 4,
            LayoutKind::Blocked => 4 * LANES as i64,
        };
        let row = column * (w + u64::from(halo.left) + u64::from(halo.right)) as i64;
        let framed = h + u64::from(halo.top) + u64::from(halo.bottom);
        let (rows, top) = match self.kept {
            Some(Kept::Rows(rows)) => (rows, 0),
            _ => (framed, i64::from(halo.top)),
        };
        let plane = row * rows as i64;
        let mut view = View {
            base: self.base,
            origin: self.offset as i64 + top * row + i64::from(halo.left) * column,
            kind: self.layout.kind,
            dims: self.dims,
            strides: [0, plane, row, column],
        };
        let planes = match self.kept {
            Some(Kept::Planes(planes)) => planes,
            _ => view.planes(),
        };
        view.strides[0] = plane * planes as i64;
        view
    }

    /// Bytes that it takes, halo included; of a strip's buffer those that are kept.
    pub fn bytes(&self) -> u64 {
        self.dims[0] * self.view().strides[0] as u64
    }
}

/// A plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The optimised graph it is for.
    pub graph: Graph,
    /// The target it is for.
    pub target: Target,
    /// All buffers.
    pub buffers: Vec<Buffer>,
    /// Run once when parameters are loaded.
    pub prepare: Vec<Task>,
    /// Run for each sample.
    pub run: Vec<Task>,
    /// Groups of run tasks that run strip by strip, in order.
    pub strips: Vec<Strips>,
    /// Constants: taps, tables.
    pub consts: Vec<u8>,
    /// Bytes of packed weights.
    pub packed_bytes: u64,
    /// Bytes of scratch memory of a run.
    pub arena_bytes: u64,
    /// Bytes of scratch memory of a thread, as far as buffers lie in it.
    pub local_bytes: u64,
}

impl Plan {
    /// A buffer.
    pub fn buffer(&self, id: BufferId) -> &Buffer {
        &self.buffers[id.0 as usize]
    }

    /// A buffer as kernels address it.
    pub fn view(&self, id: BufferId) -> View {
        self.buffer(id).view()
    }
}
