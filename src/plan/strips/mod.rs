//! Depth-first fusion: tasks that run strip by strip, so that what they hand on stays in a cache.
//!
//! A group of consecutive run tasks makes one value. Its rows (or, where channels do not mix, its planes) are cut into strips; for each strip all
//! tasks run on the rows that the strip needs, found backwards through strides and taps. Some neighbouring strips are a
//! band: a thread runs them one after the other, and each makes only the rows that those before have not left. Values
//! inside of the group exist for one band at a time, in the memory of the thread that runs it; rows that two bands need
//! are computed twice. Kernels work on rows, so a strip needs no other kernel than the whole picture does, and every
//! element is computed as it would be without strips: no bit depends on how rows are cut.

mod choose;
mod rows;

pub(super) use choose::fuse;
pub(crate) use rows::reads;
pub use rows::{Rows, StripRows};

use std::ops::Range;

use super::{Buffer, BufferId};

/// How values are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Along {
    /// Into rows of all planes.
    Rows,
    /// Into whole planes (channels, or blocks of them), where no task of the group mixes channels.
    Planes,
}

impl Along {
    /// How many there are of a buffer.
    pub fn extent(self, buffer: &Buffer) -> u64 {
        match self {
            Along::Rows => buffer.dims[2],
            Along::Planes => buffer.view().planes(),
        }
    }
}

/// Tasks that run strip by strip.
///
/// Invariants: the tasks are consecutive; every buffer that they write but the last one's lies in local memory,
/// is read by them alone, and is written by one task, but for its halo. There are strips in a band. Strips at an edge, which
/// need rows beyond a picture, are bands of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Strips {
    /// Which of the run tasks.
    pub tasks: Range<usize>,
    /// The buffer that the last task makes.
    pub out: BufferId,
    /// What a strip is a part of.
    pub along: Along,
    /// Rows or planes of it in a strip; the last strip may have fewer.
    pub size: u64,
    /// How many strips there are.
    pub count: u64,
    /// How many of them, one after the other, go on in what those before have left, at most.
    pub band: u64,
    /// Why it pays, for people.
    pub reason: String,
}
