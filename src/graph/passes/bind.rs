//! Small kernels whose values are known become constants, so that code can depend on them.

use super::rewrite::Rewrite;
use crate::graph::{Const, Graph, Node, Op, Type, Value};
use crate::tensor::Tensor;

/// Weights of a kernel at most: image filters, not layers of a network.
const MOST: usize = 256;
/// Channels at most, in and out.
const CHANNELS: u64 = 4;

/// Makes constants of the weights of convolutions of few channels. `values` are those of the graph's
/// parameters in their order, or none where they are not known.
pub fn bind(graph: &Graph, values: &[Tensor]) -> Graph {
    let mut rewrite = Rewrite::new(graph);
    for (_, node) in graph.values() {
        let Op::Conv(conv) = &node.op else {
            rewrite.keep(node);
            continue;
        };
        let channels = node.ty.chw().into_iter().chain(node.args.first().and_then(|x| graph.ty(*x).chw()));
        let few = conv.groups == 1 && channels.map(|[c, ..]| c).all(|c| c <= CHANNELS);
        let args = node
            .args
            .iter()
            .enumerate()
            .map(|(i, &arg)| match known(graph, arg, values) {
                Some(tensor) if few && i > 0 => {
                    constant(&mut rewrite, graph.node(arg), graph.ty(arg), tensor.data())
                }
                _ => rewrite.get(arg),
            })
            .collect();
        let value = rewrite.push(Node { args, ..node.clone() });
        rewrite.stand(value);
    }
    rewrite.finish()
}

fn known<'a>(graph: &Graph, value: Value, values: &'a [Tensor]) -> Option<&'a Tensor> {
    let Op::Param(i) = graph.node(value).op else { return None };
    values.get(i as usize).filter(|tensor| tensor.len() <= MOST)
}

fn constant(rewrite: &mut Rewrite<'_>, of: &Node, ty: &Type, data: &[f32]) -> Value {
    rewrite.new.consts.push(Const { dims: ty.dims.clone(), data: data.to_vec() });
    let op = Op::Const(rewrite.new.consts.len() as u32 - 1);
    // Names are unique: the parameter keeps its own.
    let name = format!("{}.known{}", of.name, rewrite.new.consts.len());
    rewrite.push(Node { op, args: Vec::new(), ty: ty.clone(), name, span: of.span })
}
