//! Gradients that have tasks of their own.

use super::build::{Builder, PlanError};
use super::dims::dims4;
use super::task::{MaxPoolGrad, TaskKind, WeightGrad};
use super::window::{strides, taps, wanted_halo};
use super::{Halo, Layout, LayoutKind};
use crate::graph::{Conv, Graph, Node, Value, Window};

/// Whether each channel has weights of its own.
pub(super) fn is_depthwise(graph: &Graph, node: &Node, conv: &Conv) -> bool {
    let channels = |i: usize| node.args.get(i).map(|v| dims4(graph.ty(*v))[1]);
    conv.groups > 1 && channels(0) == Some(conv.groups) && channels(1) == Some(conv.groups)
}

/// The layout in which the gradient of a weight reads the convolution's input.
pub(super) fn input_kind(graph: &Graph, node: &Node, conv: &Conv, own: LayoutKind) -> LayoutKind {
    if is_depthwise(graph, node, conv) { LayoutKind::Blocked } else { own }
}

impl Builder<'_> {
    pub(super) fn weight_grad(&mut self, value: Value, node: &Node, conv: &Conv) -> Result<(), PlanError> {
        let graph = self.graph;
        let depthwise = is_depthwise(graph, node, conv);
        if conv.groups > 1 && !depthwise {
            return Err(PlanError::Bug("the gradient of groups is left in the optimised graph"));
        }
        let kind = input_kind(graph, node, conv, self.kinds[node.args[0].index()]);
        let x = self.framed(node, kind)?;
        let dy = self.values.in_kind(node.args[1], LayoutKind::Blocked)?;
        let phase = self.values.phase(value);
        let &[o, inputs, kh, kw] = node.ty.dims.as_slice() else {
            return Err(PlanError::Bug("a weight has four axes"));
        };
        let dims = [1, o, inputs, kh * kw];
        let blocks =
            self.values.fresh(phase, None, dims, Layout { kind: LayoutKind::Blocked, halo: Halo::NONE });
        let task =
            WeightGrad { x, dy, depthwise, taps: taps(&conv.window)?, stride: strides(conv.window.stride)? };
        self.push_own(value, blocks, TaskKind::WeightGrad(task), "a sample's pixels in registers".to_owned());
        let own = self.dense_own(value);
        let flat = self.values.alias(own, Some(value), dims);
        let reason = "blocks of channels into planes".to_owned();
        self.push_own(value, flat, TaskKind::Convert { x: blocks }, reason);
        Ok(())
    }

    pub(super) fn max_pool_grad(
        &mut self,
        value: Value,
        node: &Node,
        window: &Window,
    ) -> Result<(), PlanError> {
        let kind = LayoutKind::Blocked;
        let x = self.framed(node, kind)?;
        let dy = self.values.in_kind(node.args[1], kind)?;
        let halo = wanted_halo(self.graph, node, None)?;
        let first = taps(window)?.first().copied().unwrap_or_default();
        let task = MaxPoolGrad {
            x,
            dy,
            kernel: strides(window.kernel)?,
            dilation: strides(window.dilation)?,
            stride: strides(window.stride)?,
            first: [first.0, first.1],
        };
        let reason = "the first maximum of each window".to_owned();
        let own = self.values.make_own(value, kind);
        if halo.is_none() {
            self.push_own(value, own, TaskKind::MaxPoolGrad(task), reason);
        } else {
            // Windows reach over the edge, and what they find there is no maximum.
            let dims = dims4(&node.ty);
            let framed = self.values.fresh(self.values.phase(value), None, dims, Layout { kind, halo });
            self.push_own(value, framed, TaskKind::MaxPoolGrad(task), reason);
            let copy = self.values.inside(framed, own);
            self.push_own(value, own, TaskKind::Copy(copy), "without its halo".to_owned());
        }
        self.values.finish_own(value, &node.name);
        Ok(())
    }
}
