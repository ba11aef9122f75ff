//! Pixels of a block as channels: three operations that mix axes one by one and are local together.

use super::regular::{strided, widened};
use super::{Extent, Interval};
use crate::graph::{Graph, Node, Op, Value};

/// The end of `space_to_depth`: a position sees a block of its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    /// The value whose blocks they are.
    pub of: Value,
    /// Height and width of a block.
    size: [u64; 2],
}

impl Blocks {
    /// Recognises `[…, C, H·r, W·s]` as `[…, C, H, r, W, s]`, its last two axes moved to be H and W, as
    /// `[…, C·r·s, H, W]`.
    pub fn behind(graph: &Graph, node: &Node) -> Option<Blocks> {
        let argument = |node: &Node, op: fn(&Op) -> bool| {
            let &[arg] = node.args.as_slice() else { return None };
            if op(&node.op) { Some(arg) } else { None }
        };
        let permuted = graph.nodes.get(argument(node, |op| *op == Op::Reshape)?.index())?;
        let Op::Transpose { perm } = &permuted.op else { return None };
        let apart = graph.nodes.get(permuted.args.first()?.index())?;
        let of = argument(apart, |op| *op == Op::Reshape)?;
        let ([channels, height, width], &[.., c, h, r, w, s]) =
            (graph.ty(of).chw()?, apart.ty.dims.as_slice())
        else {
            return None;
        };
        let split = [c, h.checked_mul(r)?, w.checked_mul(s)?] == [channels, height, width];
        let rank = apart.ty.dims.len();
        let joined = node.ty.chw()? == [c.checked_mul(r)?.checked_mul(s)?, h, w];
        let planes_last = perm.ends_with(&[rank - 4, rank - 2]);
        (split && joined && planes_last).then_some(Blocks { of, size: [r, s] })
    }

    /// What positions see of the argument.
    pub fn seen(self, wanted: [Interval; 2]) -> [Interval; 2] {
        [0, 1].map(|axis| {
            let size = i64::try_from(self.size[axis]).unwrap_or(i64::MAX);
            let (first, last) = (wanted[axis].first, wanted[axis].last);
            Interval {
                first: first.saturating_mul(size),
                last: last.saturating_mul(size).saturating_add(size - 1),
            }
        })
    }

    /// The same of a regular field.
    pub fn reach(self, from: [Option<Extent>; 2]) -> [Option<Extent>; 2] {
        [0, 1].map(|axis| {
            from[axis].map(|extent| strided(widened(extent, self.size[axis] - 1), self.size[axis]))
        })
    }
}
