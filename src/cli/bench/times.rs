//! Times of something done again and again.

use std::time::Duration;

/// Measured times, the shortest first; at least one.
#[derive(Clone, Debug)]
pub(super) struct Times(Vec<Duration>);

impl Times {
    /// `None` where there is none.
    pub(super) fn new(mut times: Vec<Duration>) -> Option<Times> {
        times.sort_unstable();
        (!times.is_empty()).then_some(Times(times))
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The shortest.
    pub(super) fn min(&self) -> Duration {
        self.tenth(0)
    }

    /// The middle one; of an even number, the longer of two.
    pub(super) fn median(&self) -> Duration {
        self.tenth(5)
    }

    /// What a tenth of them is below.
    pub(super) fn p10(&self) -> Duration {
        self.tenth(1)
    }

    /// What a tenth of them is above.
    pub(super) fn p90(&self) -> Duration {
        self.tenth(9)
    }

    fn tenth(&self, tenths: usize) -> Duration {
        let at = (self.0.len() * tenths / 10).min(self.0.len().saturating_sub(1));
        self.0.get(at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_times_that_were_measured() {
        let of = |ms: &[u64]| Times::new(ms.iter().map(|&n| Duration::from_millis(n)).collect());
        assert!(of(&[]).is_none());
        let one = of(&[7]).expect("there is a time");
        assert_eq!([one.min(), one.p10(), one.median(), one.p90()], [Duration::from_millis(7); 4]);
        let many = of(&[9, 1, 8, 2, 7, 3, 6, 4, 5, 0]).expect("there are times");
        let found = [many.min(), many.p10(), many.median(), many.p90()].map(|t| t.as_millis());
        assert_eq!((found, many.count()), ([0, 1, 5, 9], 10));
    }
}
