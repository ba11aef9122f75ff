//! Tasks of nodes that rearrange, resample or reduce.

use super::build::{Builder, PlanError};
use super::dims::dims4;
use super::task::{Reduce, Resize, Softmax, StridedCopy, TaskKind};
use super::{BufferId, Fill, Halo, Layout, LayoutKind, Task};
use crate::graph::{Node, Op, PadMode, Type, Value};

/// Byte strides of a dense row-major array of f32.
fn dense_strides(dims: &[u64]) -> Vec<i64> {
    let mut strides = vec![4; dims.len()];
    for i in (1..dims.len()).rev() {
        strides[i - 1] = strides[i] * dims[i] as i64;
    }
    strides
}

/// Up to 6 axes of a copy: neighbours that are contiguous on both sides are merged.
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

impl Builder<'_> {
    /// A node that is neither elementwise nor a contraction or a pool.
    pub(super) fn rearrange(&mut self, value: Value, node: &Node) -> Result<(), PlanError> {
        let graph = self.graph;
        let kind = self.kinds[value.index()];
        let unsupported = |why| PlanError::Unsupported { name: node.name.clone(), why };
        match &node.op {
            Op::Reshape => {
                let x = self.values.dense(node.args[0])?;
                let id = self.values.alias(x, Some(value), dims4(&node.ty));
                self.values.set_own(value, id);
                Ok(())
            }
            Op::Transpose { perm } => {
                let x = self.values.dense(node.args[0])?;
                let from = dense_strides(&graph.ty(node.args[0]).dims);
                let x_strides: Vec<i64> = perm.iter().map(|&p| from[p]).collect();
                self.copy(value, x, 0, &node.ty.dims.clone(), &x_strides);
                Ok(())
            }
            Op::PixelShuffle { factor } => {
                let r = *factor;
                let x = self.values.dense(node.args[0])?;
                let [lead, c, h, w] = dims4(graph.ty(node.args[0]));
                // [lead, C, i, j, H, W] is read as [lead, C, H, i, W, j].
                let dims = [lead, c / (r * r), h, r, w, r];
                let plane = 4 * (h * w) as i64;
                let x_strides =
                    [c as i64 * plane, (r * r) as i64 * plane, 4 * w as i64, r as i64 * plane, 4, plane];
                self.copy(value, x, 0, &dims, &x_strides);
                Ok(())
            }
            Op::Slice { start, step } => self.slice(value, node, start, step, kind),
            Op::Pad { before, after, mode } => self.pad(value, node, before, after, *mode, kind),
            Op::Concat { axis } => self.concat(value, node, *axis, kind),
            Op::Resize(resize) => {
                let x = self.values.in_kind(node.args[0], LayoutKind::Planar)?;
                let task = TaskKind::Resize(Resize { x, resize: *resize });
                self.make_value(value, LayoutKind::Planar, task, "columns by table".to_owned());
                Ok(())
            }
            Op::Softmax { axis } => {
                let x = self.values.dense(node.args[0])?;
                let dims = &node.ty.dims;
                let (outer, n, inner) =
                    (dims[..*axis].iter().product(), dims[*axis], dims[axis + 1..].iter().product());
                let id = self.dense_own(value);
                let task = TaskKind::Softmax(Softmax { x, outer, n, inner });
                self.push_own(value, id, task, "maximum, exponentials, quotient".to_owned());
                Ok(())
            }
            Op::Reduce(reduce, axes) => {
                let x = node.args[0];
                let rank = graph.ty(x).dims.len();
                let mut four = [false; 4];
                for &axis in axes {
                    match (rank, rank.checked_sub(axis + 1)) {
                        (0..=2, _) => four[axis + 2 - rank] = true,
                        (_, Some(from_last @ 0..=2)) => four[3 - from_last] = true,
                        _ => four[0] = true,
                    }
                }
                let leads = rank.saturating_sub(3);
                if four[0] && rank > 3 && axes.iter().filter(|a| **a < leads).count() != leads {
                    return Err(unsupported("it reduces one of several leading axes"));
                }
                let x = self.values.in_kind(x, kind)?;
                let task = TaskKind::Reduce(Reduce { x, kind: *reduce, axes: four });
                self.make_value(value, kind, task, "eight partial sums".to_owned());
                Ok(())
            }
            Op::BatchNorm { .. } => Err(PlanError::Bug("batchnorm is left in the optimised graph")),
            _ => Err(PlanError::Bug("a node without a task")),
        }
    }

    /// The value's own buffer, but without the halo that readers want: they get copies.
    fn dense_own(&mut self, value: Value) -> BufferId {
        let id = self.values.make_own(value, LayoutKind::Planar);
        if self.values.buffers[id.0 as usize].layout == Layout::DENSE {
            return id;
        }
        let dims = dims4(self.graph.ty(value));
        let id = self.values.fresh(self.values.phase(value), Some(value), dims, Layout::DENSE);
        self.values.set_own(value, id);
        id
    }

    fn push_own(&mut self, value: Value, out: BufferId, kind: TaskKind, reason: String) {
        let name = self.graph.node(value).name.clone();
        self.values.push(self.values.phase(value), Task { name, kind, out, reason });
    }

    /// Makes a value by one copy: `dims` are those of the result, row-major, perhaps split.
    fn copy(&mut self, value: Value, x: BufferId, x_offset: i64, dims: &[u64], x_strides: &[i64]) {
        let id = self.dense_own(value);
        let (dims, x_strides, out_strides) = merge(dims, x_strides, &dense_strides(dims));
        let task = StridedCopy { x, dims, x_offset, x_strides, out_offset: 0, out_strides, vector: false };
        self.push_own(value, id, TaskKind::Copy(task), "elements in another order".to_owned());
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
        let (dims, x_strides, out_strides) = merge(&node.ty.dims, &x_strides, &dense_strides(&node.ty.dims));
        let copy = StridedCopy { x, dims, x_offset: 0, x_strides, out_offset: 0, out_strides, vector: false };
        let name = self.graph.node(arg).name.clone();
        let task =
            Task { name: name.clone(), kind: TaskKind::Copy(copy), out, reason: "broadcast".to_owned() };
        self.values.push(phase, task);
        if kind == LayoutKind::Planar {
            return Ok(out);
        }
        let layout = Layout { kind, halo: Halo::NONE };
        let blocked = self.values.fresh(phase, None, dims4(&node.ty), layout);
        let reason = "planes into blocks of channels".to_owned();
        self.values.push(phase, Task { name, kind: TaskKind::Convert { x: out }, out: blocked, reason });
        Ok(blocked)
    }

    fn slice(
        &mut self,
        value: Value,
        node: &Node,
        start: &[u64],
        step: &[i64],
        kind: LayoutKind,
    ) -> Result<(), PlanError> {
        let ty = self.graph.ty(node.args[0]).clone();
        if let ([.., y, x], LayoutKind::Blocked) = (start, kind) {
            let source = self.values.in_kind(node.args[0], kind)?;
            let out = self.values.make_own(value, kind);
            let mut copy = self.values.inside(out, out);
            let from = self.values.view(source);
            copy.x = source;
            copy.x_strides = from.strides.to_vec();
            if let [.., dy, dx] = step {
                copy.x_strides[2] *= dy;
                copy.x_strides[3] *= dx;
            }
            copy.x_offset = *y as i64 * from.strides[2] + *x as i64 * from.strides[3];
            self.push_own(value, out, TaskKind::Copy(copy), "rows and columns of blocks".to_owned());
            self.values.finish_own(value, &node.name);
            return Ok(());
        }
        let x = self.values.dense(node.args[0])?;
        let strides = dense_strides(&ty.dims);
        let offset = start.iter().zip(&strides).map(|(s, stride)| *s as i64 * stride).sum();
        let strides: Vec<i64> = strides.iter().zip(step).map(|(stride, step)| stride * step).collect();
        self.copy(value, x, offset, &node.ty.dims, &strides);
        Ok(())
    }

    fn pad(
        &mut self,
        value: Value,
        node: &Node,
        before: &[u64],
        after: &[u64],
        mode: PadMode,
        kind: LayoutKind,
    ) -> Result<(), PlanError> {
        let spatial = before.len().saturating_sub(2);
        let lead = before.iter().chain(after).enumerate().any(|(i, &n)| i % before.len() < spatial && n > 0);
        if lead || before.len() < 3 {
            let why = "it pads an axis other than rows and columns";
            return Err(PlanError::Unsupported { name: node.name.clone(), why });
        }
        let fill = match mode {
            PadMode::Constant(0.0) => Fill::Zero,
            PadMode::Constant(number) => Fill::Constant(number.to_bits()),
            PadMode::Replicate => Fill::Replicate,
            PadMode::Reflect => Fill::Reflect,
            PadMode::Wrap => Fill::Wrap,
        };
        let side = |list: &[u64], axis: usize| -> Result<u32, PlanError> {
            u32::try_from(list[spatial + axis]).map_err(|_| PlanError::TooFar)
        };
        let halo = Halo {
            top: side(before, 0)?,
            bottom: side(after, 0)?,
            left: side(before, 1)?,
            right: side(after, 1)?,
            fill,
        };
        // The padded value is the argument with its halo, read as if the halo were inside.
        let x = node.args[0];
        let framed =
            super::values::Form { dims: dims4(self.graph.ty(x)), layout: Layout { kind, halo }, exact: true };
        let id = self.values.need(x, framed)?;
        let whole = self.values.unframed(id, value, dims4(&node.ty));
        self.values.set_own(value, whole);
        Ok(())
    }

    fn concat(&mut self, value: Value, node: &Node, axis: usize, kind: LayoutKind) -> Result<(), PlanError> {
        let graph = self.graph;
        if kind == LayoutKind::Blocked {
            let out = self.values.make_own(value, kind);
            let to = self.values.view(out);
            let mut block = 0;
            for &arg in &node.args {
                let x = self.values.in_kind(arg, kind)?;
                let from = self.values.view(x);
                let copy = StridedCopy {
                    x,
                    dims: vec![from.dims[0], from.planes(), from.dims[2], from.dims[3]],
                    x_offset: 0,
                    x_strides: from.strides.to_vec(),
                    out_offset: block * to.strides[1],
                    out_strides: to.strides.to_vec(),
                    vector: true,
                };
                block += from.planes() as i64;
                self.push_own(value, out, TaskKind::Copy(copy), "blocks side by side".to_owned());
            }
            self.values.finish_own(value, &node.name);
            return Ok(());
        }
        let out = self.dense_own(value);
        let out_strides = dense_strides(&node.ty.dims);
        let mut at = 0;
        for &arg in &node.args {
            let Type { dims, .. } = graph.ty(arg);
            let x = self.values.dense(arg)?;
            let (dims4, x_strides, to) = merge(dims, &dense_strides(dims), &out_strides);
            let copy = StridedCopy {
                x,
                dims: dims4,
                x_offset: 0,
                x_strides,
                out_offset: at,
                out_strides: to,
                vector: false,
            };
            at += dims[axis] as i64 * out_strides[axis];
            self.push_own(value, out, TaskKind::Copy(copy), "side by side".to_owned());
        }
        Ok(())
    }
}
