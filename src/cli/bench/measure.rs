//! Runs, runs by steps and the machine's own programs, in turn.

use std::time::Duration;

use super::flush::Flush;
use super::machine::{Machine, Roofs};
use super::subject::Subject;
use super::times::Times;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::model::Part;

/// Everything takes its turn so many times.
const ROUNDS: u32 = 5;
/// Runs that are timed at the least.
const LEAST_RUNS: u32 = 5;
/// Without `--repeat`: so many runs at the most, …
const RUNS: u32 = 1000;
/// … but no more, after the least number of them, once this time has passed.
const RUN_TIME: Duration = Duration::from_secs(2);
/// Cold runs at the most: before each, caches are flushed.
const COLD_RUNS: u32 = 20;

/// What was measured of warm runs.
pub(super) struct Warm {
    pub(super) whole: Times,
    /// Each part's times, where they were asked for.
    pub(super) parts: Vec<Times>,
    pub(super) roofs: Option<Roofs>,
}

/// Times warm runs; with a machine, also runs by steps and what the machine can do.
pub(super) fn warm(
    subject: &mut Subject<'_>,
    repeat: Option<u32>,
    parts: &[Part],
    mut machine: Option<&mut Machine>,
    console: &Console,
) -> Result<Warm, Failure> {
    let steps = parts.last().map_or(0, |part| part.steps.end);
    let mut whole = Pace::new(repeat);
    let mut by_steps = Pace::new(repeat);
    let mut each: Vec<Vec<Duration>> = vec![Vec::new(); parts.len()];
    for round in 1..=ROUNDS {
        if let Some(machine) = &mut machine {
            machine.round()?;
            subject.run()?;
        }
        while whole.goes_on(round) {
            whole.push(subject.run()?);
            console.progress_to(whole.percent() / if parts.is_empty() { 1 } else { 2 });
        }
        while !parts.is_empty() && by_steps.goes_on(round) {
            let mut times = vec![Duration::ZERO; steps];
            by_steps.push(subject.run_by_steps(&mut times)?);
            for (part, list) in parts.iter().zip(&mut each) {
                list.push(times.get(part.steps.clone()).unwrap_or_default().iter().sum());
            }
            console.progress_to((whole.percent() + by_steps.percent()) / 2);
        }
    }
    Ok(Warm {
        whole: whole.times()?,
        parts: each.into_iter().filter_map(Times::new).collect(),
        roofs: machine.map(|machine| machine.roofs()),
    })
}

/// Times runs that find nothing in the caches.
pub(super) fn cold(subject: &mut Subject<'_>, repeat: Option<u32>, memory: u64) -> Result<Times, Failure> {
    let mut flush = Flush::new(memory)?;
    let mut times = Vec::new();
    for _ in 0..repeat.unwrap_or(COLD_RUNS).clamp(LEAST_RUNS, COLD_RUNS) {
        flush.flush();
        times.push(subject.run()?);
    }
    Times::new(times).ok_or_else(|| Failure::Bug("nothing was measured".to_owned()))
}

/// How many runs are due, and those that were done.
struct Pace {
    repeat: Option<u32>,
    times: Vec<Duration>,
    spent: Duration,
}

impl Pace {
    fn new(repeat: Option<u32>) -> Pace {
        let repeat = repeat.map(|n| n.max(LEAST_RUNS));
        Pace { repeat, times: Vec::new(), spent: Duration::ZERO }
    }

    /// Whether another run is due in a round, which count from 1.
    fn goes_on(&self, round: u32) -> bool {
        let due = |all: u32| (self.times.len() as u64) < u64::from(all) * u64::from(round) / u64::from(ROUNDS);
        match self.repeat {
            Some(all) => due(all),
            None => due(LEAST_RUNS) || due(RUNS) && self.spent < RUN_TIME * round / ROUNDS,
        }
    }

    fn push(&mut self, time: Duration) {
        self.times.push(time);
        self.spent += time;
    }

    /// How far it is, of 100.
    fn percent(&self) -> usize {
        let by_count = self.times.len() * 100 / self.repeat.unwrap_or(RUNS) as usize;
        let by_time = (self.spent.as_secs_f64() * 100.0 / RUN_TIME.as_secs_f64()) as usize;
        let far = if self.repeat.is_some() { by_count } else { by_count.max(by_time) };
        far.min(100)
    }

    fn times(self) -> Result<Times, Failure> {
        Times::new(self.times).ok_or_else(|| Failure::Bug("nothing was measured".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many runs of some length each round does.
    fn rounds(repeat: Option<u32>, run: Duration) -> Vec<usize> {
        let mut pace = Pace::new(repeat);
        let mut counts = Vec::new();
        for round in 1..=ROUNDS {
            let before = pace.times.len();
            while pace.goes_on(round) {
                pace.push(run);
            }
            counts.push(pace.times.len() - before);
        }
        assert_eq!(pace.percent(), 100);
        counts
    }

    #[test]
    fn runs_are_spread_over_the_rounds() {
        let (short, long) = (Duration::from_nanos(1), Duration::from_secs(9));
        assert_eq!(rounds(Some(12), long), [2, 2, 3, 2, 3]);
        assert_eq!(rounds(Some(1), short), [1; 5]);
        assert_eq!(rounds(None, long), [1; 5]);
        assert_eq!(rounds(None, short), [200; 5]);
        assert_eq!(rounds(None, Duration::from_millis(50)), [8; 5]);
    }
}
