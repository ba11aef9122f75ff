//! Windows over one channel of planes, which may be read without a halo: what lies outside is 0 and is made in
//! registers.

use super::build::{Builder, PlanError};
use super::conv::Correlation;
use super::dims::dims4;
use super::task::{Epilogue, Mix, Phase, PlanarConv, TaskKind};
use super::window::wanted_halo;
use super::{BufferId, Fill, LayoutKind};
use crate::graph::{Node, Value};
use crate::kernels::step::Base;

/// Columns that a tap may be away at most: those of a vector.
const FAR: u32 = 8;
/// Columns at least, so that no vector reaches beyond both ends of a row.
pub(super) const COLUMNS: u64 = 16;
/// Taps at most.
pub(super) const TAPS: usize = 32;

/// Whether a window's taps are such that outputs of several rows share what they load: row by row, from left to
/// right, at every column.
pub(crate) fn is_stencil(
    taps: &[(i32, i32)],
    stride: [u32; 2],
    phase: &[Phase; 2],
    epilogue: &Epilogue,
) -> bool {
    let near = |tap: &(i32, i32)| tap.1.unsigned_abs() <= FAR;
    !taps.is_empty()
        && taps.len() <= TAPS
        && taps.is_sorted_by(|a, b| a < b)
        && taps.iter().all(near)
        && stride[1] == 1
        && phase.iter().all(Phase::is_dense)
        && epilogue.reads_no_buffer()
}

/// Whether it can be read without a halo: of planes with so many columns, into so many.
pub(crate) fn reads_bare(columns: [u64; 2], fill: Fill) -> bool {
    fill == Fill::Zero && columns.iter().all(|&n| n >= COLUMNS)
}

/// Channels of a tile at most: those of a convolution whose outputs go on together.
const TOGETHER: u64 = 3;

impl Builder<'_> {
    /// The first argument of a convolution of planes as it lies, where it has no halo and its taps need none. A halo
    /// would be a copy, for these are planes that no task of ours has made.
    pub(super) fn bare(
        &self,
        node: &Node,
        part: &Correlation,
        epilogue: &Epilogue,
    ) -> Result<Option<BufferId>, PlanError> {
        let x = node.args[0];
        let Some(own) = self.values.own(x) else { return Ok(None) };
        let buffer = &self.values.buffers[own.0 as usize];
        let halo = wanted_halo(self.graph, node, None)?;
        let columns = [buffer.dims[3], dims4(&node.ty)[3]];
        let fits = matches!(buffer.base, Base::Input(_))
            && buffer.layout.kind == LayoutKind::Planar
            && buffer.layout.halo.is_none()
            && buffer.dims == dims4(self.graph.ty(x))
            && is_stencil(&part.taps, part.stride, &part.positions, epilogue)
            && reads_bare(columns, halo.fill);
        Ok(fits.then_some(own))
    }

    /// Joins a 1×1 convolution with the convolution of one channel that has just made what it alone reads: takes that
    /// one's task and gives both as one.
    pub(super) fn mix(&mut self, x: Value, task: &PlanarConv) -> Option<TaskKind> {
        let own = self.values.own(x)?;
        let single = |t: &PlanarConv| t.groups == 1 && t.phase == task.phase && !t.w_transposed;
        let pointwise =
            task.taps == [(0, 0)] && task.tap_index == [0] && task.w_taps == 1 && task.stride == [1, 1];
        let buffer = |id: BufferId| &self.values.buffers[id.0 as usize];
        let channels = buffer(own).dims[1];
        if !pointwise
            || !single(task)
            || task.x != own
            || channels > TOGETHER
            || !task.epilogue.reads_no_buffer()
        {
            return None;
        }
        let last = self.values.run.last().filter(|last| last.out == own)?;
        let TaskKind::PlanarConv(first) = &last.kind else { return None };
        let source = buffer(first.x);
        let fits = first.then.is_none()
            && single(first)
            && source.dims[1] == 1
            && is_stencil(&first.taps, first.stride, &first.phase, &first.epilogue)
            && reads_bare([source.dims[3], buffer(own).dims[3]], Fill::Zero)
            && buffer(own).base == Base::Arena
            && buffer(own).layout.halo.is_none();
        let uses = self.graph.nodes.iter().flat_map(|node| &node.args).filter(|arg| **arg == x).count();
        let seen = self.graph.outputs.iter().any(|output| output.value == x);
        if !fits || uses != 1 || seen {
            return None;
        }
        let then = Mix { w: task.w, bias: task.bias, channels, epilogue: task.epilogue.clone() };
        let both = PlanarConv { then: Some(then), ..first.clone() };
        self.values.take_back(own);
        Some(TaskKind::PlanarConv(both))
    }
}
