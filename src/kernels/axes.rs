//! Loop axes: extents with the byte strides of every buffer that is walked.

/// The largest stride of elements in one vector, so that four vectors fit an instruction's distance.
pub(super) const LARGEST_STRIDE: i64 = 1 << 25;

/// An axis of a loop nest.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) extent: u64,
    /// Bytes from one index to the next in each buffer.
    pub(super) strides: Vec<i64>,
    /// Whether it is summed over.
    pub(super) reduced: bool,
}

/// Without axes of extent 1, and neighbours of a kind joined that are one run in every buffer.
pub(super) fn collapse(axes: impl IntoIterator<Item = Axis>) -> Vec<Axis> {
    let mut joined: Vec<Axis> = Vec::new();
    for axis in axes.into_iter().filter(|axis| axis.extent != 1) {
        let run = |(outer, inner): (&i64, &i64)| inner.checked_mul(axis.extent as i64) == Some(*outer);
        match joined.last_mut() {
            Some(last) if last.reduced == axis.reduced && last.strides.iter().zip(&axis.strides).all(run) => {
                *last = Axis { extent: last.extent * axis.extent, ..axis };
            }
            _ => joined.push(axis),
        }
    }
    joined
}

/// Pieces of `size` and what is left: start, size and number of the pieces.
pub(super) fn pieces(extent: u64, size: u64) -> impl Iterator<Item = (u64, u64, u64)> {
    let (full, rest) = (extent / size, extent % size);
    [(0, size, full), (extent - rest, rest, u64::from(rest > 0))].into_iter().filter(|piece| piece.2 > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(extent: u64, strides: [i64; 2]) -> Axis {
        Axis { extent, strides: strides.to_vec(), reduced: false }
    }

    #[test]
    fn joins_what_is_one_run_in_every_buffer() {
        let dense = [axis(3, [60, 0]), axis(1, [999, 7]), axis(5, [12, 0]), axis(3, [4, 0])];
        assert_eq!(collapse(dense), [axis(45, [4, 0])]);
        let halo = [axis(3, [80, 60]), axis(5, [16, 12]), axis(3, [4, 4])];
        assert_eq!(collapse(halo), [axis(15, [16, 12]), axis(3, [4, 4])]);
        let channel = [axis(4, [60, 4]), axis(5, [12, 0]), axis(3, [4, 0])];
        assert_eq!(collapse(channel), [axis(4, [60, 4]), axis(15, [4, 0])]);
        let reduced = [axis(5, [12, 12]), Axis { reduced: true, ..axis(3, [4, 4]) }];
        assert_eq!(collapse(reduced.clone()), reduced);
        assert_eq!(collapse([axis(1, [4, 4])]), []);
    }

    #[test]
    fn pieces_cover_everything_once() {
        assert_eq!(pieces(10, 4).collect::<Vec<_>>(), [(0, 4, 2), (8, 2, 1)]);
        assert_eq!(pieces(8, 4).collect::<Vec<_>>(), [(0, 4, 2)]);
        assert_eq!(pieces(3, 4).collect::<Vec<_>>(), [(0, 3, 1)]);
    }
}
