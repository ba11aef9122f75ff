//! Graph → plan: one pass over the groups, in the order in which their tails are due.

use super::algorithm::layout_kinds;
use super::dims::{argument_dims, dims4};
use super::fuse::{Group, groups};
use super::memory::place;
use super::task::{Epilogue, Operand, Pointwise, PointwiseOp, TaskKind};
use super::values::{Form, Values};
use super::window::wanted_halo;
use super::winograd::{Considered, consider};
use super::{BufferId, Halo, Layout, LayoutKind, Phase, Plan, PlanOptions, Task};
use crate::graph::{Graph, Node, Op, Value};
use crate::kernels::step::Base;
use crate::target::{Math, Target};

/// Why a graph has no plan. The text is not to blame: check has accepted it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A distance in a picture does not fit the instructions.
    #[error("a distance within a picture is beyond 2³¹ elements")]
    TooFar,
    /// An operation that the planner cannot place.
    #[error("`{name}` cannot be compiled: {why}")]
    Unsupported {
        /// The node.
        name: String,
        /// What is missing.
        why: &'static str,
    },
    /// An inconsistency of ours.
    #[error("the planner contradicts itself: {0}")]
    Bug(&'static str),
}

/// Plans a graph.
///
/// # Errors
/// [`PlanError`]: capability limits and inconsistencies.
pub fn plan(graph: &Graph, options: &PlanOptions) -> Result<Plan, PlanError> {
    let kinds = layout_kinds(graph);
    let phases = phases(graph);
    let winograd = consider(graph, &kinds, &phases, options);
    let halos = own_halos(graph, &kinds, &winograd)?;
    let groups = groups(graph, &kinds, &phases);
    let mut builder = Builder {
        graph,
        target: &options.target,
        math: options.math,
        kinds,
        winograd,
        values: Values::new(graph, phases, halos),
    };
    for (value, node) in graph.values() {
        if let Some(group) = &groups[value.index()] {
            builder.group(group)?;
        } else if !builder.is_inner(node) {
            builder.single(value, node)?;
        }
    }
    builder.values.write_outputs()?;
    place(builder.values, &options.target)
}

/// When each value is known.
fn phases(graph: &Graph) -> Vec<Phase> {
    let mut phases: Vec<Phase> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let of_args = node.args.iter().map(|a| phases[a.index()]).max();
        phases.push(match node.op {
            Op::Input(_) => Phase::Run,
            _ => of_args.unwrap_or(Phase::Prepare),
        });
    }
    phases
}

/// The halo of each value's own buffer: what its readers in the same layout want, where they agree on
/// what it holds; of several fills the first one wins, and the other readers get copies.
fn own_halos(
    graph: &Graph,
    kinds: &[LayoutKind],
    winograd: &[Option<Considered>],
) -> Result<Vec<Halo>, PlanError> {
    let mut halos = vec![Halo::NONE; graph.nodes.len()];
    for (value, node) in graph.values() {
        let Some(x) = node.args.first() else { continue };
        let choice = winograd[value.index()].as_ref().and_then(|w| w.choice.as_ref());
        let want = wanted_halo(graph, node, choice)?;
        let kind = match super::algorithm::algorithm(graph, value, kinds) {
            Some((super::algorithm::Algorithm::Contract(kind), _)) => kind,
            Some((super::algorithm::Algorithm::Planar | super::algorithm::Algorithm::MatMul, _)) => {
                LayoutKind::Planar
            }
            Some((super::algorithm::Algorithm::Depthwise(kind), _)) => kind,
            None => match &node.op {
                Op::WeightGrad(conv) => super::grad::input_kind(graph, node, conv, kinds[x.index()]),
                _ => kinds[value.index()],
            },
        };
        let have = &mut halos[x.index()];
        if want.is_none() || kind != kinds[x.index()] || !(have.is_none() || have.fill == want.fill) {
            continue;
        }
        have.fill = want.fill;
        have.top = have.top.max(want.top);
        have.bottom = have.bottom.max(want.bottom);
        have.left = have.left.max(want.left);
        have.right = have.right.max(want.right);
    }
    Ok(halos)
}

/// The state of planning.
pub(super) struct Builder<'g> {
    pub(super) graph: &'g Graph,
    pub(super) target: &'g Target,
    pub(super) math: Math,
    pub(super) kinds: Vec<LayoutKind>,
    /// For each node, whether Winograd's filtering computes it, where that is possible.
    pub(super) winograd: Vec<Option<Considered>>,
    pub(super) values: Values<'g>,
}

impl Builder<'_> {
    /// Whether a node is computed inside of a group whose tail comes later.
    fn is_inner(&self, node: &Node) -> bool {
        matches!(
            node.op,
            Op::Unary(_)
                | Op::Binary(_)
                | Op::Prelu
                | Op::Conv(_)
                | Op::Filter(..)
                | Op::ConvTranspose(_)
                | Op::Linear
                | Op::Pool(_)
        )
    }

    fn group(&mut self, group: &Group) -> Result<(), PlanError> {
        let graph = self.graph;
        match group.root {
            None => self.pointwise(group),
            Some(root) => match &graph.node(root).op {
                Op::Pool(pool) => self.pool(root, pool, group),
                _ => self.convolution(root, group),
            },
        }
    }

    fn single(&mut self, value: Value, node: &Node) -> Result<(), PlanError> {
        let dims = dims4(&node.ty);
        match &node.op {
            Op::Input(i) => {
                let id = self.values.buffer(Base::Input(*i), Some(value), dims, Layout::DENSE);
                self.values.set_own(value, id);
                Ok(())
            }
            Op::Param(i) => {
                let id = self.values.buffer(Base::Param(*i), Some(value), dims, Layout::DENSE);
                self.values.set_own(value, id);
                Ok(())
            }
            Op::Const(i) => {
                let data =
                    self.graph.consts.get(*i as usize).ok_or(PlanError::Bug("a constant is missing"))?;
                let id = self.values.constant(Some(value), dims, &data.data);
                self.values.set_own(value, id);
                Ok(())
            }
            _ => self.rearrange(value, node),
        }
    }

    /// Elementwise nodes without a root.
    fn pointwise(&mut self, group: &Group) -> Result<(), PlanError> {
        let tail = group.tail().ok_or(PlanError::Bug("an empty group"))?;
        let kind = self.kinds[tail.index()];
        let expr = self.expression(group, None, kind)?;
        self.make(group, kind, TaskKind::Pointwise(expr), format!("{} elementwise", group.members.len()))
    }

    /// What a group applies to its root's sums.
    pub(super) fn epilogue(
        &mut self,
        group: &Group,
        root: Value,
        kind: LayoutKind,
    ) -> Result<Epilogue, PlanError> {
        let expr =
            if group.members.is_empty() { None } else { Some(self.expression(group, Some(root), kind)?) };
        Ok(Epilogue { expr })
    }

    /// The elementwise members as an expression; operand 0 is the root's sum where there is a root.
    fn expression(
        &mut self,
        group: &Group,
        root: Option<Value>,
        kind: LayoutKind,
    ) -> Result<Pointwise, PlanError> {
        let graph = self.graph;
        let mut inputs = Vec::new();
        let mut ops = Vec::new();
        // What is computed or read so far. A slope lies along channels, which other operands of the same
        // value need not: it is read by itself.
        let mut made: Vec<(Value, bool, u32)> = Vec::new();
        if let Some(root) = root {
            inputs.push(Operand::Sum);
            ops.push(PointwiseOp::Operand(0));
            made.push((root, false, 0));
        }
        for &member in &group.members {
            let node = graph.node(member);
            let mut args = Vec::new();
            for (i, &arg) in node.args.iter().enumerate() {
                let member = Some(arg) == root || group.members.contains(&arg);
                let slope = !member && matches!(node.op, Op::Prelu) && i == 1;
                if let Some((.., at)) = made.iter().find(|(v, s, _)| *v == arg && *s == slope) {
                    args.push(*at);
                    continue;
                }
                if let Some(number) = scalar(graph, arg) {
                    ops.push(PointwiseOp::Scalar(number));
                } else {
                    let id = self.operand(node, i, kind)?;
                    ops.push(PointwiseOp::Operand(inputs.len() as u32));
                    inputs.push(Operand::Buffer(id));
                }
                let at = ops.len() as u32 - 1;
                made.push((arg, slope, at));
                args.push(at);
            }
            ops.push(match (&node.op, args.as_slice()) {
                (Op::Unary(op), &[x]) => PointwiseOp::Unary(*op, x),
                (Op::Binary(op), &[a, b]) => PointwiseOp::Binary(*op, a, b),
                (Op::Prelu, &[x, slope]) => PointwiseOp::Prelu(x, slope),
                _ => return Err(PlanError::Bug("an elementwise node with other arguments")),
            });
            made.push((member, false, ops.len() as u32 - 1));
        }
        Ok(Pointwise { inputs, ops })
    }

    /// A buffer for a node's argument, in the layout of the result.
    fn operand(&mut self, node: &Node, argument: usize, kind: LayoutKind) -> Result<BufferId, PlanError> {
        let arg = node.args[argument];
        let result = dims4(&node.ty);
        let Some(dims) = argument_dims(self.graph, node, argument) else {
            return self.expand(arg, node, kind);
        };
        let kind = if kind == LayoutKind::Blocked && dims[1] == 1 && result[1] != 1 {
            LayoutKind::Planar
        } else {
            kind
        };
        self.values.need(arg, Form { dims, layout: Layout { kind, halo: Halo::NONE }, exact: false })
    }

    /// A task that makes a group's value.
    pub(super) fn make(
        &mut self,
        group: &Group,
        kind: LayoutKind,
        task: TaskKind,
        reason: String,
    ) -> Result<(), PlanError> {
        let tail = group.tail().ok_or(PlanError::Bug("an empty group"))?;
        self.make_value(tail, kind, task, reason);
        Ok(())
    }

    /// A task that makes a value.
    pub(super) fn make_value(&mut self, value: Value, layout: LayoutKind, kind: TaskKind, reason: String) {
        let name = self.graph.node(value).name.clone();
        let out = self.values.make_own(value, layout);
        let phase = self.values.phase(value);
        self.values.push(phase, Task { name: name.clone(), kind, out, reason });
        self.values.finish_own(value, &name);
    }
}

/// The number that a constant of one element is.
fn scalar(graph: &Graph, value: Value) -> Option<f32> {
    let Op::Const(i) = graph.node(value).op else { return None };
    match graph.consts.get(i as usize)?.data.as_slice() {
        [number] => Some(*number),
        _ => None,
    }
}
