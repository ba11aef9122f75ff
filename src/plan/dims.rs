//! Every value seen as `[lead, channels, height, width]`.

use crate::graph::{Graph, Node, Op, Type};

/// The axes of a value: the last three are channels, height and width, those before are multiplied
/// into `lead`. Of a value with fewer axes the last one are channels: `[N, F]` is `[N, F, 1, 1]`.
pub(crate) fn dims4(ty: &Type) -> [u64; 4] {
    match *ty.dims.as_slice() {
        [] => [1; 4],
        [f] => [1, f, 1, 1],
        [n, f] => [n, f, 1, 1],
        [ref lead @ .., c, h, w] => [lead.iter().product(), c, h, w],
    }
}

/// The axes of an operand that is broadcast against a result of `rank` axes: aligned from the last.
/// `None` where the axes before the last three are neither all equal nor all 1: such an operand has
/// to be expanded first.
pub(crate) fn operand_dims(operand: &Type, result: &Type) -> Option<[u64; 4]> {
    let rank = result.dims.len();
    let mut dims = vec![1; rank.saturating_sub(operand.dims.len())];
    dims.extend_from_slice(&operand.dims);
    if rank > 3 {
        let lead = rank - 3;
        let (own, all) = (dims.get(..lead)?, result.dims.get(..lead)?);
        if own != all && own.iter().any(|&d| d != 1) {
            return None;
        }
    }
    Some(dims4(&Type::plain(dims)))
}

/// The axes of an elementwise node's argument against the node's: as [`operand_dims`], but the slope of a
/// `Prelu` lies along channels.
pub(crate) fn argument_dims(graph: &Graph, node: &Node, argument: usize) -> Option<[u64; 4]> {
    let ty = graph.ty(*node.args.get(argument)?);
    match (&node.op, argument) {
        (Op::Prelu, 1) => Some([1, ty.elements(), 1, 1]),
        _ => operand_dims(ty, &node.ty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_channels_and_leading_axes_are_multiplied() {
        assert_eq!(dims4(&Type::plain([5])), [1, 5, 1, 1]);
        assert_eq!(dims4(&Type::plain([2, 5])), [2, 5, 1, 1]);
        assert_eq!(dims4(&Type::plain([2, 3, 4, 5, 6])), [6, 4, 5, 6]);
    }

    #[test]
    fn operands_align_from_the_last_axis() {
        let picture = Type::plain([3, 4, 5]);
        assert_eq!(operand_dims(&Type::plain([5]), &picture), Some([1, 1, 1, 5]));
        assert_eq!(operand_dims(&Type::plain([3, 1, 1]), &picture), Some([1, 3, 1, 1]));
        let rank5 = Type::plain([2, 3, 4, 5, 6]);
        assert_eq!(operand_dims(&Type::plain([2, 1, 4, 5, 6]), &rank5), None);
    }
}
