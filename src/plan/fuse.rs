//! Which nodes are computed together.
//!
//! A group is an optional root (a convolution, a linear layer, a pool) and the elementwise nodes that
//! follow it. Only the last member, the tail, is seen from outside; every other member is used by
//! members alone. So a group may run when its tail is due.

use super::algorithm::{self, Algorithm};
use super::dims::{argument_dims, dims4, operand_dims};
use super::{LayoutKind, Phase};
use crate::graph::{BinaryOp, Graph, Node, Op, UnaryOp, Value};
use crate::kernels::ir::LANES;

/// Buffers that one expression may read; a kernel has a pointer for each.
const OPERANDS: usize = 5;
/// Operations of one expression.
const OPERATIONS: usize = 48;

/// Nodes that are computed together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    /// The node that is not elementwise, where there is one.
    pub(crate) root: Option<Value>,
    /// The elementwise nodes, in order.
    pub(crate) members: Vec<Value>,
}

impl Group {
    /// The value that the group makes.
    pub(crate) fn tail(&self) -> Option<Value> {
        self.members.last().copied().or(self.root)
    }

    fn contains(&self, value: Value) -> bool {
        self.root == Some(value) || self.members.contains(&value)
    }

    /// Arguments of the elementwise members from outside, each once.
    pub(crate) fn operands(&self, graph: &Graph) -> Vec<Value> {
        let mut operands = Vec::new();
        for arg in self.members.iter().flat_map(|m| &graph.node(*m).args) {
            if !self.contains(*arg) && !operands.contains(arg) {
                operands.push(*arg);
            }
        }
        operands
    }
}

fn is_elementwise(op: &Op) -> bool {
    matches!(op, Op::Unary(_) | Op::Binary(_) | Op::Prelu)
}

fn is_root(op: &Op) -> bool {
    matches!(op, Op::Conv(_) | Op::Filter(..) | Op::ConvTranspose(_) | Op::Linear | Op::Pool(_))
}

/// For each node, the group whose tail it is.
pub(crate) fn groups(graph: &Graph, kinds: &[LayoutKind], phases: &[Phase]) -> Vec<Option<Group>> {
    let mut users: Vec<Vec<Value>> = vec![Vec::new(); graph.nodes.len()];
    for (value, node) in graph.values() {
        for arg in &node.args {
            users[arg.index()].push(value);
        }
    }
    let is_output = |v: Value| graph.outputs.iter().any(|o| o.value == v);
    let mut groups: Vec<Option<Group>> = vec![None; graph.nodes.len()];
    for (value, node) in graph.values() {
        if is_root(&node.op) {
            groups[value.index()] = Some(Group { root: Some(value), members: Vec::new() });
        }
        if !is_elementwise(&node.op) {
            continue;
        }
        let mut group = Group { root: None, members: vec![value] };
        // The later argument first: its root is the nearer one.
        let mut args = node.args.clone();
        args.sort_unstable();
        args.dedup();
        for arg in args.into_iter().rev() {
            let Some(other) = groups.get(arg.index()).cloned().flatten() else { continue };
            let inner = users[arg.index()].iter().all(|u| *u == value) && !is_output(arg);
            let alike = graph.ty(arg).dims == node.ty.dims
                && kinds[arg.index()] == kinds[value.index()]
                && phases[arg.index()] == phases[value.index()];
            if !inner || !alike {
                continue;
            }
            let mut members = group.members.clone();
            members.extend_from_slice(&other.members);
            members.sort_unstable();
            let merged = Group { root: group.root.or(other.root), members };
            let one_root = group.root.is_none() || other.root.is_none();
            if one_root && fits(graph, &merged, kinds) {
                groups[arg.index()] = None;
                group = merged;
            }
        }
        groups[value.index()] = Some(group);
    }
    groups
}

/// Whether a group can be one kernel.
fn fits(graph: &Graph, group: &Group, kinds: &[LayoutKind]) -> bool {
    let operands = group.operands(graph);
    if operands.len() > OPERANDS || group.members.len() > OPERATIONS {
        return false;
    }
    let Some(root) = group.root else { return true };
    let node = graph.node(root);
    let algorithm = algorithm::algorithm(graph, root, kinds).map(|(algorithm, _)| algorithm);
    if algorithm == Some(Algorithm::MatMul) {
        return false;
    }
    let blocked = kinds[root.index()] == LayoutKind::Blocked;
    if blocked && !dims4(&node.ty)[1].is_multiple_of(LANES as u64) && !keeps_zero(graph, group) {
        return false;
    }
    // Beside a root, an operand is like the result, or has one value a channel or one in all.
    let dims = dims4(&node.ty);
    let plain = group.members.iter().map(|m| graph.node(*m)).all(|member| {
        (0..member.args.len()).filter(|&i| !group.contains(member.args[i])).all(|i| {
            let of = argument_dims(graph, member, i);
            of == Some(dims) || of == Some([1, dims[1], 1, 1]) || of == Some([1; 4])
        })
    });
    let contract = matches!(algorithm, Some(Algorithm::Contract(_)));
    let light = group.members.iter().all(|m| is_light(graph.node(*m)));
    plain && (!contract || light && most_alive(graph, group) <= 2)
}

/// The most values of the group that are alive at once.
fn most_alive(graph: &Graph, group: &Group) -> usize {
    let order: Vec<Value> = group.root.iter().chain(&group.members).copied().collect();
    let last_use = |v: Value| {
        let reads = |m: &Value| graph.node(*m).args.contains(&v);
        order.iter().rposition(reads).unwrap_or(order.len())
    };
    let alive = |at: usize| order[..=at].iter().filter(|v| last_use(**v) > at).count();
    (0..order.len()).map(alive).max().unwrap_or(0)
}

/// Whether an operation fits beside the accumulators of a contraction: at most three registers more.
fn is_light(node: &Node) -> bool {
    match &node.op {
        Op::Unary(op) => matches!(
            op,
            UnaryOp::Neg
                | UnaryOp::Abs
                | UnaryOp::Sqrt
                | UnaryOp::Relu
                | UnaryOp::Clamp { .. }
                | UnaryOp::LeakyRelu { .. }
                | UnaryOp::HardSigmoid { .. }
                | UnaryOp::HardSwish
        ),
        Op::Binary(op) => matches!(op, BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div),
        Op::Prelu => true,
        _ => false,
    }
}

/// Whether zeros stay zeros through the elementwise members: padding lanes must hold 0.
fn keeps_zero(graph: &Graph, group: &Group) -> bool {
    let mut zero: Vec<(Value, bool)> = group.root.iter().map(|r| (*r, true)).collect();
    for &member in &group.members {
        let node = graph.node(member);
        // Padding lanes of operands with a channel axis are 0; a single number is what it is.
        let of = |v: &Value| match zero.iter().find(|(value, _)| value == v) {
            Some((_, zero)) => *zero,
            None => operand_dims(graph.ty(*v), &node.ty).is_some_and(|d| d[1] != 1),
        };
        let stays = match (&node.op, node.args.as_slice()) {
            (Op::Unary(op), [x]) => of(x) && zero_of_zero(*op),
            (Op::Binary(BinaryOp::Add | BinaryOp::Sub | BinaryOp::Min | BinaryOp::Max), [a, b]) => {
                of(a) && of(b)
            }
            (Op::Binary(BinaryOp::Mul), [a, b]) => of(a) && of(b),
            (Op::Prelu, [x, _]) => of(x),
            _ => false,
        };
        zero.push((member, stays));
    }
    zero.last().is_none_or(|(_, zero)| *zero)
}

/// Whether f(0) = 0.
fn zero_of_zero(op: UnaryOp) -> bool {
    match op {
        UnaryOp::Clamp { lo, hi } => lo <= 0.0 && 0.0 <= hi,
        UnaryOp::HardSigmoid { beta, .. } => beta <= 0.0,
        UnaryOp::Exp | UnaryOp::Log | UnaryOp::Reciprocal | UnaryOp::Sigmoid | UnaryOp::Softplus => false,
        UnaryOp::Neg
        | UnaryOp::Abs
        | UnaryOp::Sign
        | UnaryOp::Sqrt
        | UnaryOp::Erf
        | UnaryOp::Relu
        | UnaryOp::LeakyRelu { .. }
        | UnaryOp::Elu { .. }
        | UnaryOp::Selu { .. }
        | UnaryOp::Celu { .. }
        | UnaryOp::Gelu
        | UnaryOp::GeluTanh
        | UnaryOp::Silu
        | UnaryOp::Tanh
        | UnaryOp::Softsign
        | UnaryOp::Mish
        | UnaryOp::HardSwish
        | UnaryOp::ThresholdedRelu { .. } => true,
    }
}
