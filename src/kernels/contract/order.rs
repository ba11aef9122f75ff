//! In which order a contraction's units go over pictures, panels of weights, and pixels.
//!
//! Panels meet all pixels of their group. Whatever the order, one of the two is read again and again, and comes from
//! beyond the second-level cache each time where it does not fit in there. Sums are the same in any order.

use crate::kernels::axes::pieces;
use crate::kernels::step::{CallArg, Nest};
use crate::target::Target;

/// The dims of a contraction's nest.
const DIMS: usize = 4;

/// What its units read, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traffic {
    /// The pixels of one picture and group.
    pub(super) pixels: u64,
    /// The weights of a panel.
    pub(super) panel: u64,
    pub(super) pictures: u64,
    pub(super) panels: u64,
    /// Units of a picture.
    pub(super) units: u64,
}

/// From the outermost dim to the innermost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Picture, group, panel, unit.
    PanelByPanel,
    /// Group, panel, picture, unit: a panel stays for all pictures.
    PanelForAll,
    /// Picture, group, so many units, panel, unit: pixels stay for all panels.
    Chunks(u64),
}

impl Order {
    /// The one that has the least come from beyond the second-level cache; the plainer one of equals.
    pub(super) fn of(traffic: &Traffic, target: &Target) -> Order {
        let Traffic { pixels, panel, pictures, panels, units } = *traffic;
        // Outputs and what else there is take the rest.
        let cache = u64::from(target.l2_bytes) / 4 * 3;
        let weights = panel.saturating_mul(panels);
        let again = |times: u64, bytes: u64, near: u64| {
            if near <= cache { bytes } else { bytes.saturating_mul(times) }
        };
        let batch = pixels.saturating_mul(pictures);
        // What is read between two uses of the same bytes has to fit beside them.
        let by_panel = again(panels, batch, pixels + panel) + again(pictures, weights, weights + pixels);
        let for_all = again(panels, batch, batch + panel) + weights;
        let room = if weights < cache { cache - weights } else { cache / 2 };
        let each = pixels.div_ceil(units.max(1)).max(1);
        let size = (room / each).clamp(1, units.max(1));
        let chunks = units.div_ceil(size).saturating_mul(pictures);
        let chunked = batch + again(chunks, weights, weights + size * each);
        let orders =
            [(by_panel, Order::PanelByPanel), (for_all, Order::PanelForAll), (chunked, Order::Chunks(size))];
        orders.into_iter().min_by_key(|(far, _)| *far).map_or(Order::PanelByPanel, |(_, order)| order)
    }

    /// A nest over picture, group, panel and unit as nests in this order.
    pub(super) fn apply(self, nest: Nest) -> Vec<Nest> {
        let &[pictures, groups, panels, units] = nest.dims.as_slice() else { return vec![nest] };
        match self {
            Order::PanelByPanel => vec![nest],
            Order::PanelForAll => {
                let dims = vec![groups, panels, pictures, units];
                vec![walked(&nest, dims, |[picture, group, panel, unit]| {
                    (0, vec![group, panel, picture, unit])
                })]
            }
            Order::Chunks(size) => pieces(units, size)
                .map(|(first, size, count)| {
                    walked(
                        &nest,
                        vec![pictures, groups, count, panels, size],
                        |[picture, group, panel, unit]| {
                            (first as i64 * unit, vec![picture, group, size as i64 * unit, panel, unit])
                        },
                    )
                })
                .collect(),
        }
    }
}

/// The same calls along other dims: `moved` gives what is added to a pointer, and its strides.
fn walked(nest: &Nest, dims: Vec<u64>, moved: impl Fn([i64; DIMS]) -> (i64, Vec<i64>)) -> Nest {
    let mut nest = Nest { dims, ..nest.clone() };
    for arg in nest.calls.iter_mut().flat_map(|call| &mut call.args) {
        if let CallArg::Ptr { offset, strides, .. } = arg
            && let Ok(old) = <[i64; DIMS]>::try_from(strides.as_slice())
        {
            let (by, new) = moved(old);
            *offset += by;
            *strides = new;
        }
    }
    nest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::step::{Base, Call, KernelId};

    const KB: u64 = 1024;

    fn order(pixels: u64, panel: u64, [pictures, panels, units]: [u64; 3]) -> Order {
        // Its second-level cache has 512 KB.
        Order::of(&Traffic { pixels, panel, pictures, panels, units }, &Target::X64_AVX2)
    }

    #[test]
    fn what_does_not_fit_is_read_once() {
        assert_eq!(order(100 * KB, 32 * KB, [1, 32, 14]), Order::PanelByPanel);
        // Weights that no cache holds: for all pictures at once, but for those that fill the cache.
        assert_eq!(order(30 * KB, 256 * KB, [8, 32, 7]), Order::PanelForAll);
        // Many pixels and few weights.
        assert_eq!(order(800 * KB, 36 * KB, [1, 8, 28]), Order::Chunks(3));
        assert_eq!(order(800 * KB, 36 * KB, [4, 8, 28]), Order::Chunks(3));
    }

    /// What each call gets, sorted.
    fn calls(nests: &[Nest]) -> Vec<i64> {
        let mut all = Vec::new();
        for nest in nests {
            for unit in 0..nest.units() {
                let mut rest = unit;
                let mut index: Vec<u64> =
                    nest.dims.iter().rev().map(|&dim| (rest % dim, rest /= dim).0).collect();
                index.reverse();
                for arg in nest.calls.iter().flat_map(|call| &call.args) {
                    if let CallArg::Ptr { offset, strides, .. } = arg {
                        all.push(
                            offset + strides.iter().zip(&index).map(|(s, &i)| s * i as i64).sum::<i64>(),
                        );
                    }
                }
            }
        }
        all.sort_unstable();
        all
    }

    #[test]
    fn every_order_has_the_same_units() {
        let arg = CallArg::Ptr {
            base: Base::Arena,
            offset: 7,
            strides: vec![10000, 1000, 100, 1],
            tables: Vec::new(),
        };
        let nest = Nest::new(vec![3, 2, 4, 11], vec![Call { kernel: KernelId(0), args: vec![arg] }]);
        let all = calls(std::slice::from_ref(&nest));
        for order in [Order::PanelForAll, Order::Chunks(1), Order::Chunks(4), Order::Chunks(11)] {
            let nests = order.apply(nest.clone());
            assert_eq!(calls(&nests), all, "{order:?}");
            assert!(nests.iter().all(|n| {
                n.calls
                    .iter()
                    .flat_map(|c| &c.args)
                    .all(|arg| matches!(arg, CallArg::Ptr { strides, .. } if strides.len() == n.dims.len()))
            }));
        }
    }
}
