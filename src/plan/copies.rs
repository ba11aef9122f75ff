//! Nodes that are copies under strides: transpositions, slices, joins, operands written out.

use super::build::{Builder, PlanError};
use super::dims::dims4;
use super::task::{StridedCopy, TaskKind};
use super::{Buffer, BufferId, Halo, Layout, LayoutKind, Task, View};
use crate::graph::shape::channel_axis;
use crate::graph::{Graph, Node, Type, Value};
use crate::kernels::ir::LANES;
use crate::kernels::step::Base;

/// Byte strides of a dense row-major array of f32.
fn dense_strides(dims: &[u64]) -> Vec<i64> {
    let mut strides = vec![4; dims.len()];
    for i in (1..dims.len()).rev() {
        strides[i - 1] = strides[i] * dims[i] as i64;
    }
    strides
}

/// Byte strides of a value's own axes in a buffer of it. The axis of channels is that of planes.
pub(super) fn axis_strides(view: &View, dims: &[u64]) -> Vec<i64> {
    let inner: &[i64] = match dims.len() {
        0 => &[],
        1 => &view.strides[1..2],
        2 => &view.strides[..2],
        _ => &view.strides[1..],
    };
    let leads = dims.len() - inner.len();
    let mut strides = vec![view.strides[0]; leads];
    for i in (1..leads).rev() {
        strides[i - 1] = strides[i] * dims[i] as i64;
    }
    strides.extend_from_slice(inner);
    strides
}

/// A value's axes as a buffer of that kind has them: blocks in the place of channels.
fn extents(dims: &[u64], kind: LayoutKind) -> Vec<u64> {
    let mut extents = dims.to_vec();
    if let (LayoutKind::Blocked, Some(channels)) = (kind, channel_axis(dims.len())) {
        extents[channels] = extents[channels].div_ceil(LANES as u64);
    }
    extents
}

/// Without axes of 1, and neighbours that are contiguous on both sides merged.
fn merge(dims: &[u64], x: &[i64], out: &[i64]) -> (Vec<u64>, Vec<i64>, Vec<i64>) {
    let mut merged: (Vec<u64>, Vec<i64>, Vec<i64>) = Default::default();
    for i in 0..dims.len() {
        if dims[i] == 1 {
            continue;
        }
        if let (Some(d), Some(a), Some(b)) = (merged.0.last_mut(), merged.1.last_mut(), merged.2.last_mut())
            && *a == x[i] * dims[i] as i64
            && *b == out[i] * dims[i] as i64
        {
            *d *= dims[i];
            (*a, *b) = (x[i], out[i]);
        } else {
            merged.0.push(dims[i]);
            merged.1.push(x[i]);
            merged.2.push(out[i]);
        }
    }
    merged
}

/// A box of elements: extents, and where they are read and written in bytes from the first element.
pub(super) struct Strided {
    pub(super) dims: Vec<u64>,
    pub(super) x_offset: i64,
    pub(super) x_strides: Vec<i64>,
    pub(super) out_offset: i64,
    pub(super) out_strides: Vec<i64>,
}

impl Strided {
    pub(super) fn task(self, x: BufferId, vector: bool) -> TaskKind {
        let (dims, x_strides, out_strides) = merge(&self.dims, &self.x_strides, &self.out_strides);
        let Strided { x_offset, out_offset, .. } = self;
        TaskKind::Copy(StridedCopy { x, dims, x_offset, x_strides, out_offset, out_strides, vector })
    }
}

/// Whether a slice of blocks is blocks again: whole ones, and perhaps the last with its padding.
pub(super) fn slice_keeps_blocks(x: &[u64], start: &[u64], step: &[i64], out: &[u64]) -> bool {
    let Some(axis) = channel_axis(x.len()).filter(|_| x.len() >= 3) else { return false };
    let lanes = LANES as u64;
    let (first, len) = (start[axis], out[axis]);
    (step[axis] == 1 || len == 1)
        && first.is_multiple_of(lanes)
        && (len.is_multiple_of(lanes) || first + len == x[axis])
}

/// Whether blocks joined along an axis are blocks again.
pub(super) fn concat_keeps_blocks(graph: &Graph, node: &Node, axis: usize) -> bool {
    let rank = node.ty.dims.len();
    let whole = |v: &Value| graph.ty(*v).dims[axis].is_multiple_of(LANES as u64);
    let before_last = node.args.split_last().map_or(&[][..], |(_, before)| before);
    rank >= 3 && (channel_axis(rank) != Some(axis) || before_last.iter().all(whole))
}

/// A value that is some elements of a buffer, in the buffer's own order: where in it they start, in bytes.
/// `strides` are from one to the next along each axis. Nothing where only a copy would do.
fn view_offset(buffer: &Buffer, dims: &[u64], offset: i64, strides: &[i64]) -> Option<u64> {
    // The caller's memory is taken as a whole.
    if !matches!(buffer.base, Base::Arena | Base::Packed) {
        return None;
    }
    let as_itself = Buffer { dims: dims4(&Type::plain(dims)), ..buffer.clone() };
    let own = axis_strides(&as_itself.view(), dims);
    let extents = extents(dims, buffer.layout.kind);
    let mut alike = extents.iter().zip(own.iter().zip(strides));
    // A halo belongs to whole planes.
    let planes = buffer.layout.halo.is_none() || as_itself.dims[2..] == buffer.dims[2..];
    (planes && alike.all(|(&n, (own, stride))| n == 1 || own == stride))
        .then(|| u64::try_from(offset).ok())?
}

impl Builder<'_> {
    /// Makes a value of elements of `x`, from `x_offset` on and `x_strides` apart: a copy, or a part of the
    /// buffer where its elements lie in order.
    fn take(
        &mut self,
        (value, node): (Value, &Node),
        x: BufferId,
        x_offset: i64,
        x_strides: Vec<i64>,
        reason: &str,
    ) {
        let dims = &node.ty.dims;
        let buffer = &self.values.buffers[x.0 as usize];
        let kind = buffer.layout.kind;
        if self.values.wanted(value).is_none()
            && let Some(offset) = view_offset(buffer, dims, x_offset, &x_strides)
        {
            let own = self.values.part(x, Some(value), dims4(&node.ty), offset);
            self.values.set_own(value, own);
            return;
        }
        let out = self.values.make_own(value, kind);
        let copy = Strided {
            dims: extents(dims, kind),
            x_offset,
            x_strides,
            out_offset: 0,
            out_strides: axis_strides(&self.values.view(out), dims),
        };
        self.push_own(value, out, copy.task(x, kind == LayoutKind::Blocked), reason.to_owned());
        self.values.finish_own(value, &node.name);
    }

    pub(super) fn transpose(&mut self, value: Value, node: &Node, perm: &[usize]) -> Result<(), PlanError> {
        let x = self.values.in_kind(node.args[0], LayoutKind::Planar)?;
        let from = axis_strides(&self.values.view(x), &self.graph.ty(node.args[0]).dims);
        let strides = perm.iter().map(|&p| from[p]).collect();
        self.take((value, node), x, 0, strides, "elements in another order");
        Ok(())
    }

    pub(super) fn pixel_shuffle(&mut self, value: Value, node: &Node, factor: u64) -> Result<(), PlanError> {
        let r = factor;
        let x = self.values.dense(node.args[0])?;
        let [lead, c, h, w] = dims4(self.graph.ty(node.args[0]));
        let out = self.dense_own(value);
        // [lead, C, i, j, H, W] is read as [lead, C, H, i, W, j].
        let dims = vec![lead, c / (r * r), h, r, w, r];
        let plane = 4 * (h * w) as i64;
        let copy = Strided {
            x_offset: 0,
            x_strides: vec![
                c as i64 * plane,
                (r * r) as i64 * plane,
                4 * w as i64,
                r as i64 * plane,
                4,
                plane,
            ],
            out_offset: 0,
            out_strides: dense_strides(&dims),
            dims,
        };
        self.push_own(value, out, copy.task(x, false), "channels between pixels".to_owned());
        Ok(())
    }

    pub(super) fn slice(
        &mut self,
        value: Value,
        node: &Node,
        start: &[u64],
        step: &[i64],
        kind: LayoutKind,
    ) -> Result<(), PlanError> {
        let x = self.values.in_kind(node.args[0], kind)?;
        let from = axis_strides(&self.values.view(x), &self.graph.ty(node.args[0]).dims);
        let blocked = kind == LayoutKind::Blocked;
        let mut first = start.to_vec();
        if let (true, Some(channels)) = (blocked, channel_axis(start.len())) {
            first[channels] /= LANES as u64;
        }
        let offset = first.iter().zip(&from).map(|(&at, stride)| at as i64 * stride).sum();
        let strides = from.iter().zip(step).map(|(stride, step)| stride.saturating_mul(*step)).collect();
        let reason = if blocked { "whole blocks" } else { "some of the elements" };
        self.take((value, node), x, offset, strides, reason);
        Ok(())
    }

    pub(super) fn concat(
        &mut self,
        value: Value,
        node: &Node,
        axis: usize,
        kind: LayoutKind,
    ) -> Result<(), PlanError> {
        let graph = self.graph;
        let out = self.values.make_own(value, kind);
        let to = axis_strides(&self.values.view(out), &node.ty.dims);
        let blocked = kind == LayoutKind::Blocked;
        let mut at = 0;
        for &arg in &node.args {
            if let Some(part) = self.part_of_planes(arg, value, out, at, &to) {
                at += graph.ty(arg).dims[axis] as i64 * to[axis];
                let x = self.values.own(arg).ok_or(PlanError::Bug("a value is read before it is made"))?;
                let reason = "planes side by side from blocks of channels".to_owned();
                self.push_own(value, part, TaskKind::Convert { x }, reason);
                continue;
            }
            let x = self.values.in_kind(arg, kind)?;
            let dims = extents(&graph.ty(arg).dims, kind);
            let copy = Strided {
                x_offset: 0,
                x_strides: axis_strides(&self.values.view(x), &graph.ty(arg).dims),
                out_offset: at,
                out_strides: to.clone(),
                dims,
            };
            at += copy.dims[axis] as i64 * to[axis];
            let reason = if blocked { "blocks side by side" } else { "side by side" };
            self.push_own(value, out, copy.task(x, blocked), reason.to_owned());
        }
        self.values.finish_own(value, &node.name);
        Ok(())
    }

    /// The place of an argument in planes that it is joined into, if it lies in blocks and that place is one
    /// run: then it is converted right there.
    fn part_of_planes(
        &mut self,
        arg: Value,
        value: Value,
        out: BufferId,
        at: i64,
        strides: &[i64],
    ) -> Option<BufferId> {
        let own = self.values.own(arg)?;
        let to = &self.values.buffers[out.0 as usize];
        let kinds = [&self.values.buffers[own.0 as usize], to].map(|b| b.layout.kind);
        if self.graph.ty(value).dims.len() < 3 || kinds != [LayoutKind::Blocked, LayoutKind::Planar] {
            return None;
        }
        let ty = self.graph.ty(arg);
        let offset = view_offset(to, &ty.dims, at, strides)?;
        Some(self.values.part(out, Some(value), dims4(ty), offset))
    }

    /// An operand that broadcasting by `[lead, channels, height, width]` cannot express, written out.
    pub(super) fn expand(
        &mut self,
        arg: Value,
        node: &Node,
        kind: LayoutKind,
    ) -> Result<BufferId, PlanError> {
        let own = &self.graph.ty(arg).dims;
        let x = self.values.dense(arg)?;
        let missing = node.ty.dims.len() - own.len();
        let from = dense_strides(own);
        let x_strides: Vec<i64> = (0..node.ty.dims.len())
            .map(|i| if i < missing || own[i - missing] == 1 { 0 } else { from[i - missing] })
            .collect();
        let phase = self.values.phase(arg);
        let out = self.values.fresh(phase, None, dims4(&node.ty), Layout::DENSE);
        let dims = node.ty.dims.clone();
        let out_strides = dense_strides(&dims);
        let copy = Strided { dims, x_offset: 0, x_strides, out_offset: 0, out_strides };
        let name = self.graph.node(arg).name.clone();
        let (kind_of_copy, reason) = (copy.task(x, false), "broadcast".to_owned());
        self.values.push(phase, Task { name: name.clone(), kind: kind_of_copy, out, reason });
        if kind == LayoutKind::Planar {
            return Ok(out);
        }
        let layout = Layout { kind, halo: Halo::NONE };
        let blocked = self.values.fresh(phase, None, dims4(&node.ty), layout);
        let reason = "planes into blocks of channels".to_owned();
        self.values.push(phase, Task { name, kind: TaskKind::Convert { x: out }, out: blocked, reason });
        Ok(blocked)
    }
}
