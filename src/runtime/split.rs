//! The units of a step, cut into parts of the same cost.
//!
//! Part p of n is a range of units that depends on p, n and the step alone, so that a thread finds what it
//! has written in a step near the units it runs in the next. Where nests say so, it is a range of those before and one of
//! those after: a plane and the halo around it have cache lines in common, which one thread should write. Parts are cut into chunks in the same way.

use std::ops::Range;

use crate::kernels::step::Step;

/// Units above this cost count as this, so that sums do not overflow.
const MOST: u64 = 1 << 40;
/// The most chunks of a part.
const MOST_CHUNKS: u128 = 32;
/// The least work of a chunk where a part of its own would need more: to take one is a few dozen operations.
const LEAST_CHUNK: u64 = 2048;

/// What a step has to do.
#[derive(Clone, Debug)]
pub(super) struct Work {
    groups: Vec<Group>,
    units: u64,
    cost: u128,
}

/// Nests that are shared out together: a part has the same share of each group.
#[derive(Clone, Debug, Default)]
struct Group {
    nests: Vec<Nest>,
    /// The unit after the last.
    end: u64,
    cost: u128,
}

/// Units of the same cost.
#[derive(Clone, Copy, Debug)]
struct Nest {
    first: u64,
    units: u64,
    /// The cost of all units of the group before them.
    before: u128,
    /// The cost of one.
    each: u128,
}

impl Work {
    /// `costs`: what a unit of each nest costs; of nests without, 1.
    pub(super) fn of(step: &Step, costs: &[u64]) -> Work {
        let costs = costs.iter().copied().chain(std::iter::repeat(1));
        Work::new(step.nests.iter().zip(costs).map(|(nest, cost)| (nest.units(), cost, nest.anew)))
    }

    /// Of the units, the cost of one, and whether a group begins, of each nest.
    fn new(nests: impl Iterator<Item = (u64, u64, bool)>) -> Work {
        let mut work = Work { groups: vec![Group::default()], units: 0, cost: 0 };
        for (units, cost, anew) in nests {
            if anew {
                work.groups.push(Group { end: work.units, ..Group::default() });
            }
            let each = u128::from(cost.clamp(1, MOST));
            let first = work.units;
            work.units = work.units.saturating_add(units);
            work.cost += each * u128::from(units);
            if let Some(group) = work.groups.last_mut() {
                group.nests.push(Nest { first, units, before: group.cost, each });
                group.cost += each * u128::from(units);
                group.end = work.units;
            }
        }
        work
    }

    /// Into how many parts it is cut: at most one for each thread, for each unit, and for each `grain` of cost.
    pub(super) fn parts(&self, threads: usize, grain: u64) -> usize {
        let worth = self.cost / u128::from(grain.max(1));
        let most = worth.min(u128::from(self.units)).max(1);
        usize::try_from(most).map_or(threads, |most| most.min(threads)).max(1)
    }

    /// Into how many chunks each of the parts is cut, all of them having about the same cost: chunk c of part p is part
    /// `p · chunks + c` of `parts · chunks`.
    pub(super) fn chunks(&self, parts: usize, grain: u64) -> usize {
        let parts = parts.max(1) as u128;
        let worth = self.cost / parts / u128::from(grain.clamp(1, LEAST_CHUNK));
        worth.min(u128::from(self.units) / parts).clamp(1, MOST_CHUNKS) as usize
    }

    /// The units of some neighbouring parts, of each group.
    pub(super) fn of_parts(&self, parts: usize, some: Range<usize>) -> impl Iterator<Item = Range<u64>> {
        self.groups.iter().map(move |group| group.start(parts, some.start)..group.start(parts, some.end))
    }
}

impl Group {
    /// The first unit of a part: the one where its share of the cost begins, to the nearest.
    fn start(&self, parts: usize, part: usize) -> u64 {
        if part >= parts {
            return self.end;
        }
        let share = self.cost / parts as u128 * part as u128
            + self.cost % parts as u128 * part as u128 / parts as u128;
        for nest in &self.nests {
            let within = share - nest.before;
            if within < nest.each * u128::from(nest.units) {
                return nest.first + ((within + nest.each / 2) / nest.each) as u64;
            }
        }
        self.end
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn work(nests: &[(u64, u64)]) -> Work {
        Work::new(nests.iter().map(|&(units, cost)| (units, cost, false)))
    }

    /// A part of work of one group.
    fn part(work: &Work, parts: usize, part: usize) -> Range<u64> {
        work.of_parts(parts, part..part + 1).next().expect("a group")
    }

    #[test]
    fn parts_have_the_same_cost_not_the_same_number_of_units() {
        let work = work(&[(4, 30), (40, 3)]);
        assert_eq!([0, 1].map(|p| part(&work, 2, p)), [0..4, 4..44]);
        assert_eq!([0, 1, 2].map(|p| part(&work, 3, p)), [0..3, 3..17, 17..44]);
    }

    #[test]
    fn a_part_has_the_same_share_of_each_group() {
        let work = Work::new([(8, 10, false), (4, 1, true), (4, 1, false), (3, 7, true)].into_iter());
        let of = |parts, some| work.of_parts(parts, some).collect::<Vec<_>>();
        assert_eq!(of(2, 0..1), [0..4, 8..12, 16..17]);
        assert_eq!(of(2, 1..2), [4..8, 12..16, 17..19]);
        assert_eq!(of(8, 1..3), [1..3, 9..11, 16..17]);
        assert_eq!(of(3, 0..3), [0..8, 8..16, 16..19]);
    }

    #[test]
    fn little_work_is_not_split() {
        let work = work(&[(100, 10)]);
        assert_eq!([1, 499, 500, 501, 1001].map(|grain| work.parts(7, grain)), [7, 2, 2, 1, 1]);
        assert_eq!(work.parts(1, 0), 1);
        assert_eq!(work.parts(1000, 1), 100);
        assert_eq!(Work::new(std::iter::empty()).parts(7, 1), 1);
    }

    #[test]
    fn chunks_are_worth_taking() {
        let work = work(&[(1000, 100)]);
        let chunks = |parts| [1, 2048, 1 << 18].map(|grain| work.chunks(parts, grain));
        assert_eq!([chunks(2), chunks(10), chunks(500)], [[32, 24, 24], [32, 4, 4], [2, 1, 1]]);
        assert_eq!(Work::new(std::iter::empty()).chunks(7, 1), 1);
    }

    proptest! {
        #[test]
        fn every_unit_is_in_one_part(
            nests in prop::collection::vec((1u64..200, prop_oneof![1u64..1000, Just(u64::MAX)]), 0..6),
            parts in 1usize..40,
        ) {
            let work = work(&nests);
            let mut next = 0;
            for number in 0..parts {
                let range = part(&work, parts, number);
                prop_assert_eq!(range.start, next);
                prop_assert!(range.end >= range.start);
                next = range.end;
            }
            prop_assert_eq!(next, nests.iter().map(|n| n.0).sum::<u64>());
            prop_assert!(part(&work, parts, parts).is_empty());
        }

        #[test]
        fn no_part_is_more_than_a_unit_too_heavy(
            nests in prop::collection::vec((1u64..200, 1u64..1000), 1..6),
            parts in 1usize..40,
        ) {
            let work = work(&nests);
            let costs: Vec<u64> = nests.iter().flat_map(|&(units, cost)| vec![cost; units as usize]).collect();
            let fair = costs.iter().sum::<u64>() as f64 / parts as f64;
            let heaviest = nests.iter().map(|n| n.1).max().unwrap_or(0) as f64;
            for number in 0..parts {
                let range = part(&work, parts, number);
                let cost: u64 = costs[range.start as usize..range.end as usize].iter().sum();
                prop_assert!((cost as f64 - fair).abs() <= heaviest + 1.0, "{cost} of {fair}");
            }
        }
    }
}
