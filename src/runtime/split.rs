//! The units of a step, cut into parts of the same cost.
//!
//! Part p of n is a range of units that depends on p, n and the step alone, so that a thread finds what it
//! has written in a step near the units it runs in the next. Parts are cut into chunks in the same way.

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
    nests: Vec<Nest>,
    units: u64,
    cost: u128,
}

/// Units of the same cost.
#[derive(Clone, Copy, Debug)]
struct Nest {
    first: u64,
    units: u64,
    /// The cost of all units before them.
    before: u128,
    /// The cost of one.
    each: u128,
}

impl Work {
    /// `costs`: what a unit of each nest costs; of nests without, 1.
    pub(super) fn of(step: &Step, costs: &[u64]) -> Work {
        let nests = step.nests.iter().map(|nest| nest.units());
        Work::new(nests.zip(costs.iter().copied().chain(std::iter::repeat(1))))
    }

    /// Of the units and the cost of one of each nest.
    fn new(nests: impl Iterator<Item = (u64, u64)>) -> Work {
        let mut work = Work { nests: Vec::new(), units: 0, cost: 0 };
        for (units, cost) in nests {
            let each = u128::from(cost.clamp(1, MOST));
            work.nests.push(Nest { first: work.units, units, before: work.cost, each });
            work.units = work.units.saturating_add(units);
            work.cost += each * u128::from(units);
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

    /// The units of a part.
    pub(super) fn part(&self, parts: usize, part: usize) -> Range<u64> {
        self.start(parts, part)..self.start(parts, part.saturating_add(1))
    }

    /// The first unit of a part: the one where its share of the cost begins, to the nearest.
    fn start(&self, parts: usize, part: usize) -> u64 {
        if part >= parts {
            return self.units;
        }
        let share = self.cost / parts as u128 * part as u128
            + self.cost % parts as u128 * part as u128 / parts as u128;
        for nest in &self.nests {
            let within = share - nest.before;
            if within < nest.each * u128::from(nest.units) {
                return nest.first + ((within + nest.each / 2) / nest.each) as u64;
            }
        }
        self.units
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn work(nests: &[(u64, u64)]) -> Work {
        Work::new(nests.iter().copied())
    }

    #[test]
    fn parts_have_the_same_cost_not_the_same_number_of_units() {
        let work = work(&[(4, 30), (40, 3)]);
        assert_eq!([0, 1].map(|p| work.part(2, p)), [0..4, 4..44]);
        assert_eq!([0, 1, 2].map(|p| work.part(3, p)), [0..3, 3..17, 17..44]);
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
            for part in 0..parts {
                let range = work.part(parts, part);
                prop_assert_eq!(range.start, next);
                prop_assert!(range.end >= range.start);
                next = range.end;
            }
            prop_assert_eq!(next, nests.iter().map(|n| n.0).sum::<u64>());
            prop_assert!(work.part(parts, parts).is_empty());
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
            for part in 0..parts {
                let range = work.part(parts, part);
                let cost: u64 = costs[range.start as usize..range.end as usize].iter().sum();
                prop_assert!((cost as f64 - fair).abs() <= heaviest + 1.0, "{cost} of {fair}");
            }
        }
    }
}
