//! Batchnorm becomes part of the layer before it, or one multiply-add.
//!
//! `(x − mean) / sqrt(variance + eps) · scale + shift = x · k + t` with `k = scale / sqrt(variance + eps)` and
//! `t = shift − mean · k`. After a convolution or a linear layer that nothing else reads, `k` goes into the
//! weights and `t` into the bias. All of it depends on parameters only and is computed when they are loaded.

use super::rewrite::Rewrite;
use crate::graph::{BinaryOp, Graph, Node, Op, UnaryOp, Value};

/// Replaces every batchnorm.
pub fn fold_batchnorm(graph: &Graph) -> Graph {
    let uses = graph.uses();
    let mut rewrite = Rewrite::new(graph);
    for (_, node) in graph.values() {
        match (&node.op, node.args.as_slice()) {
            (Op::BatchNorm { eps }, &[x, scale, shift, mean, variance]) => {
                let statistics = [scale, shift, mean, variance];
                replace(&mut rewrite, node, x, statistics, *eps, uses[x.index()] == 1);
            }
            _ => rewrite.keep(node),
        }
    }
    rewrite.finish()
}

fn replace(r: &mut Rewrite<'_>, node: &Node, x: Value, statistics: [Value; 4], eps: f32, only: bool) {
    let [scale, shift, mean, variance] = statistics.map(|v| r.get(v));
    let span = node.span;
    // A slash is in no name of the language, so these are unique.
    let name = |part: &str| format!("{}/{part}", node.name);
    let eps = r.number(eps, name("eps"), span);
    let sum = r.binary(BinaryOp::Add, variance, eps, variance, name("variance_eps"), span);
    let deviation = r.unary(UnaryOp::Sqrt, sum, name("deviation"), span);
    let k = r.binary(BinaryOp::Div, scale, deviation, scale, name("k"), span);
    let mean_k = r.binary(BinaryOp::Mul, mean, k, mean, name("mean_k"), span);
    let t = r.binary(BinaryOp::Sub, shift, mean_k, shift, name("t"), span);
    let channels = r.new.ty(scale).elements();

    let source = r.old.node(x);
    let folded = match &source.op {
        Op::Conv(_) => Some(vec![channels, 1, 1, 1]),
        Op::ConvTranspose(conv) if conv.groups == 1 => Some(vec![1, channels, 1, 1]),
        // Of three axes or more the last, which a linear layer makes, is not that of channels.
        Op::Linear if node.ty.dims.len() < 3 => Some(vec![channels, 1]),
        _ => None,
    };
    if let (Some(dims), true) = (folded, only) {
        let args: Vec<Value> = source.args.iter().map(|a| r.get(*a)).collect();
        let w = args[1];
        let k_w = r.reshape(k, dims, name("k_weight"), span);
        let w = r.binary(BinaryOp::Mul, w, k_w, w, name("weight"), span);
        let bias = match args.get(2) {
            Some(&b) => {
                let b_k = r.binary(BinaryOp::Mul, b, k, b, name("bias_k"), span);
                r.binary(BinaryOp::Add, b_k, t, b, name("bias"), span)
            }
            None => t,
        };
        // The layer keeps its own name for reports; the batchnorm's value is what others read.
        let layer = Node {
            op: source.op.clone(),
            args: vec![args[0], w, bias],
            ty: source.ty.clone(),
            name: node.name.clone(),
            span: source.span,
        };
        let value = r.push(layer);
        r.stand(value);
        return;
    }
    let x = r.get(x);
    let spatial = node.ty.dims.len() >= 3;
    let dims = if spatial { vec![channels, 1, 1] } else { vec![channels] };
    let (k, t) =
        (r.reshape(k, dims.clone(), name("k_channel"), span), r.reshape(t, dims, name("t_channel"), span));
    let product = r.binary(BinaryOp::Mul, x, k, x, name("product"), span);
    let value = r.binary(BinaryOp::Add, product, t, x, node.name.clone(), span);
    r.stand(value);
}
