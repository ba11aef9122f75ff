//! Weights that are known: taps and biases that are zero are left out.

use super::build::Builder;
use super::conv::Correlation;
use crate::graph::{Op, Value};
use crate::target::Math;

impl Builder<'_> {
    /// The weights of a convolution, where code may depend on them. Strict arithmetic multiplies by zeros, too: an
    /// infinite input times 0 is not a number.
    pub(super) fn known(&self, w: Value) -> Option<&[f32]> {
        match self.graph.node(w).op {
            Op::Const(i) if self.math == Math::Default => {
                self.graph.consts.get(i as usize).map(|known| known.data.as_slice())
            }
            _ => None,
        }
    }

    /// Whether a bias is known to be 0 in every channel: sums of taps begin with the same bits without it.
    pub(super) fn is_nothing(&self, bias: Value) -> bool {
        let Op::Const(i) = self.graph.node(bias).op else { return false };
        let known = self.graph.consts.get(i as usize);
        known.is_some_and(|known| known.data.iter().all(|number| number.to_bits() == 0))
    }
}

/// Leaves out taps whose weights are 0 in every channel; `weights` are `[…, taps]`. One tap always stays.
pub(super) fn drop_zero_taps(correlations: &mut [Correlation], weights: &[f32], taps: u64) {
    let is_zero = |tap: u32| weights.iter().skip(tap as usize).step_by(taps as usize).all(|w| *w == 0.0);
    for part in correlations {
        let mut kept: Vec<((i32, i32), u32)> =
            part.taps.iter().copied().zip(part.tap_index.iter().copied()).collect();
        let first = kept.first().copied();
        kept.retain(|&(_, index)| !is_zero(index));
        if kept.is_empty() {
            kept.extend(first);
        }
        (part.taps, part.tap_index) = kept.into_iter().unzip();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_that_some_channel_needs_stay() {
        let positions = [super::super::task::Phase { start: 0, step: 1, count: 1 }; 2];
        let whole = Correlation {
            taps: vec![(0, 0), (0, 1), (0, 2)],
            tap_index: vec![0, 1, 2],
            stride: [1, 1],
            positions,
        };
        let mut parts = [whole];
        drop_zero_taps(&mut parts, &[1.0, 0.0, 0.0, 0.0, 0.0, -2.0], 3);
        assert_eq!(parts[0].taps, [(0, 0), (0, 2)]);
        assert_eq!(parts[0].tap_index, [0, 2]);
        drop_zero_taps(&mut parts, &[0.0; 6], 3);
        assert_eq!(parts[0].taps, [(0, 0)]);
    }
}
