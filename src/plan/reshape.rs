//! Nodes that are neither elementwise nor contractions or pools: which task makes each.

use super::build::{Builder, PlanError};
use super::dims::dims4;
use super::task::{Resize, Softmax, TaskKind};
use super::values::Form;
use super::{BufferId, Layout, LayoutKind, Task};
use crate::graph::{self, Node, Op, Value};

impl Builder<'_> {
    /// A node that is neither elementwise nor a contraction or a pool.
    pub(super) fn rearrange(&mut self, value: Value, node: &Node) -> Result<(), PlanError> {
        let kind = self.kinds[value.index()];
        match &node.op {
            Op::Reshape => {
                let x = self.values.dense(node.args[0])?;
                let id = self.values.alias(x, Some(value), dims4(&node.ty));
                self.values.set_own(value, id);
                Ok(())
            }
            Op::WeightGrad(conv) => self.weight_grad(value, node, conv),
            Op::MaxPoolGrad(window) => self.max_pool_grad(value, node, window),
            Op::Expand => {
                let id = self.expand(node.args[0], node, LayoutKind::Planar)?;
                self.values.set_own(value, id);
                Ok(())
            }
            Op::Transpose { perm } => self.transpose(value, node, perm),
            Op::PixelShuffle { factor } => self.pixel_shuffle(value, node, *factor),
            Op::Slice { start, step } => self.slice(value, node, start, step, kind),
            Op::Concat { axis } => self.concat(value, node, *axis, kind),
            Op::Pad { before, after, mode } => self.pad(value, node, before, after, *mode, kind),
            Op::Resize(resize) => self.resize(value, node, resize),
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
            Op::Reduce(reduce, axes) => self.reduce(value, node, *reduce, axes, kind),
            Op::MatMul => self.matmul(value, node),
            Op::BatchNorm { .. } => Err(PlanError::Bug("batchnorm is left in the optimised graph")),
            _ => Err(PlanError::Bug("a node without a task")),
        }
    }

    fn resize(&mut self, value: Value, node: &Node, resize: &graph::Resize) -> Result<(), PlanError> {
        let reason = "columns by table".to_owned();
        // A matrix is a picture of one channel here.
        let &[h, w] = self.graph.ty(node.args[0]).dims.as_slice() else {
            let x = self.values.in_kind(node.args[0], LayoutKind::Planar)?;
            let task = TaskKind::Resize(Resize { x, resize: *resize });
            self.make_value(value, LayoutKind::Planar, task, reason);
            return Ok(());
        };
        let form = Form { dims: [1, 1, h, w], layout: Layout::DENSE, exact: true };
        let x = self.values.need(node.args[0], form)?;
        let own = self.dense_own(value);
        let [oh, ow] = [node.ty.dims[0], node.ty.dims[1]];
        let out = self.values.alias(own, Some(value), [1, 1, oh, ow]);
        self.push_own(value, out, TaskKind::Resize(Resize { x, resize: *resize }), reason);
        Ok(())
    }

    /// The value's own buffer, but without the halo that readers want: they get copies.
    pub(super) fn dense_own(&mut self, value: Value) -> BufferId {
        let id = self.values.make_own(value, LayoutKind::Planar);
        if self.values.buffers[id.0 as usize].layout == Layout::DENSE {
            return id;
        }
        let dims = dims4(self.graph.ty(value));
        let id = self.values.fresh(self.values.phase(value), Some(value), dims, Layout::DENSE);
        self.values.set_own(value, id);
        id
    }

    /// A task for a value.
    pub(super) fn push_own(&mut self, value: Value, out: BufferId, kind: TaskKind, reason: String) {
        let name = self.graph.node(value).name.clone();
        self.values.push(self.values.phase(value), Task { name, kind, out, reason });
    }
}
