//! A kernel that is a column times a row becomes two passes.

use super::rewrite::Rewrite;
use crate::graph::{Const, Conv, Graph, Node, Op, Pads, Type, Value, Window};

/// Splits filters, and convolutions of one channel to one, whose constant kernel is the product of a column and
/// a row, where that saves at least half of the taps: `k_h + k_w` instead of `k_h · k_w`.
///
/// The product of the parts is the kernel up to 2 roundings, so a result differs by no more than 2 u Σ|x||w|.
pub fn separate(graph: &Graph) -> Graph {
    let mut rewrite = Rewrite::new(graph);
    for (_, node) in graph.values() {
        match parts(graph, node) {
            Some(parts) => split(&mut rewrite, graph, node, parts),
            None => rewrite.keep(node),
        }
    }
    rewrite.finish()
}

/// A column and a row.
struct Parts {
    column: Vec<f32>,
    row: Vec<f32>,
}

fn window(op: &Op) -> Option<&Window> {
    match op {
        Op::Conv(conv) if conv.groups == 1 => Some(&conv.window),
        Op::Filter(window, _) => Some(window),
        _ => None,
    }
}

fn parts(graph: &Graph, node: &Node) -> Option<Parts> {
    let [h, w] = window(&node.op)?.kernel;
    let Op::Const(i) = graph.node(*node.args.get(1)?).op else { return None };
    let kernel = &graph.consts.get(i as usize)?.data;
    if h.checked_mul(w) != Some(kernel.len() as u64) || h * w < 2 * (h + w) {
        return None;
    }
    product(kernel, w as usize)
}

/// The column and the row that a kernel of `width` columns is the product of, but for rounding.
fn product(kernel: &[f32], width: usize) -> Option<Parts> {
    let largest = |a: &(usize, &f32), b: &(usize, &f32)| a.1.abs().total_cmp(&b.1.abs());
    let (at, &pivot) = kernel.iter().enumerate().max_by(largest)?;
    if pivot == 0.0 || kernel.iter().any(|k| !k.is_finite()) {
        return None;
    }
    let (row, column) = (at / width, at % width);
    let row: Vec<f32> = kernel[row * width..][..width].to_vec();
    let column: Vec<f32> =
        kernel[column..].iter().step_by(width).map(|k| (f64::from(*k) / f64::from(pivot)) as f32).collect();
    let u = f64::from(f32::EPSILON) / 2.0;
    let close = |(i, &k): (usize, &f32)| {
        let found = f64::from(column[i / width]) * f64::from(row[i % width]);
        (found - f64::from(k)).abs() <= 2.0 * u * f64::from(k).abs()
    };
    kernel.iter().enumerate().all(close).then_some(Parts { column, row })
}

/// The column first: what it makes has fewer rows where it strides.
fn split(rewrite: &mut Rewrite<'_>, graph: &Graph, node: &Node, Parts { column, row }: Parts) {
    let (Some(whole), Some(&x)) = (window(&node.op), node.args.first()) else { return rewrite.keep(node) };
    let source = graph.ty(x);
    let mut between = source.dims.clone();
    let at = between.len().saturating_sub(2);
    let rows = node.ty.dims.get(node.ty.dims.len().saturating_sub(2)).copied();
    let (Some(to), Some(rows)) = (between.get_mut(at), rows) else { return rewrite.keep(node) };
    *to = rows;
    let first = Window {
        kernel: [whole.kernel[0], 1],
        stride: [whole.stride[0], 1],
        dilation: [whole.dilation[0], 1],
        pad: Pads { left: 0, right: 0, ..whole.pad },
    };
    let second = Window {
        kernel: [1, whole.kernel[1]],
        stride: [1, whole.stride[1]],
        dilation: [1, whole.dilation[1]],
        pad: Pads { top: 0, bottom: 0, ..whole.pad },
    };
    let with = |window: Window| match &node.op {
        Op::Conv(conv) => Op::Conv(Conv { window, ..*conv }),
        Op::Filter(_, border) => Op::Filter(window, *border),
        other => other.clone(),
    };
    let like = graph.ty(node.args[1]).dims.len();
    let taps = constant(rewrite, node, "column", column, like, true);
    let args = vec![rewrite.get(x), taps];
    let ty = Type { batched: source.batched, dims: between };
    let name = format!("{}.column", node.name);
    let between = rewrite.push(Node { op: with(first), args, ty, name, span: node.span });
    let taps = constant(rewrite, node, "row", row, like, false);
    let mut args = vec![between, taps];
    args.extend(node.args.iter().skip(2).map(|&bias| rewrite.get(bias)));
    let value = rewrite.push(Node { op: with(second), args, ..node.clone() });
    rewrite.stand(value);
}

fn constant(
    rewrite: &mut Rewrite<'_>,
    of: &Node,
    what: &str,
    data: Vec<f32>,
    rank: usize,
    column: bool,
) -> Value {
    let mut dims = vec![1; rank.saturating_sub(2)];
    let n = data.len() as u64;
    dims.extend(if column { [n, 1] } else { [1, n] });
    rewrite.new.consts.push(Const { dims: dims.clone(), data });
    let op = Op::Const(rewrite.new.consts.len() as u32 - 1);
    let name = format!("{}.{what}.taps", of.name);
    rewrite.push(Node { op, args: Vec::new(), ty: Type::plain(dims), name, span: of.span })
}

#[cfg(test)]
mod tests {
    use super::product;

    #[test]
    fn products_are_found_and_nothing_else() {
        let binomial = [1.0, 4.0, 6.0, 4.0, 1.0];
        let kernel: Vec<f32> =
            binomial.iter().flat_map(|a| binomial.iter().map(move |b| a * b / 256.0)).collect();
        let parts = product(&kernel, 5).expect("it is a product");
        for (i, k) in kernel.iter().enumerate() {
            assert_eq!(parts.column[i / 5] * parts.row[i % 5], *k);
        }
        let mut other = kernel.clone();
        other[7] *= 1.000_01;
        assert!(product(&other, 5).is_none());
        assert!(product(&[0.0; 9], 3).is_none());
        assert!(product(&[f32::NAN; 9], 3).is_none());
    }
}
