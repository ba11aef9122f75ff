//! What the machine can do, measured by programs of the compiler's own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cli::failure::Failure;
use crate::kernels::roof;
use crate::kernels::step::Lowered;
use crate::model::{Error, Options};
use crate::pipeline;
use crate::runtime::{Executor, Loaded, Packed, Pool, Scratch, Sequential};
use crate::target::{Target, host_l3_bytes};
use crate::tensor::Tensor;

/// How long each of its programs runs in a round, at the least.
const SLICE: Duration = Duration::from_millis(8);
/// Iterations of the FMAs in a call: tens of microseconds.
const FMA_LOOPS: u32 = 4000;
/// Bytes that a call copies at the least, again and again where its arrays are smaller.
const CALL_BYTES: u32 = 2 << 20;
/// The largest working set, where the last cache is not larger still: past it, memory is memory.
const MOST_BYTES: u64 = 512 << 20;

/// The programs, and what each round measured.
pub(super) struct Machine {
    fma: Roof,
    /// Of 512 bits, where the machine has such registers.
    wide: Option<Roof>,
    copies: Vec<(Level, Roof)>,
    input: Tensor,
    output: Tensor,
}

/// A level of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) name: &'static str,
    /// Bytes that it holds.
    pub(super) capacity: u64,
    /// Bytes that are read and written over and over to measure it.
    pub(super) working_set: u64,
}

/// A program and its rates.
struct Roof {
    loaded: Loaded,
    /// The threads, where it is not one.
    pool: Option<Arc<Pool>>,
    packed: Packed,
    scratch: Scratch,
    /// Floating-point operations, or bytes read and written, of a call.
    work: u64,
    /// Work in a second, of each round.
    rates: Vec<f64>,
}

/// What the machine can do.
#[derive(Clone, Debug)]
pub(super) struct Roofs {
    /// Floating-point operations a second in registers of 256 bits, all threads.
    pub(super) flops: f64,
    /// The same in 512 bits, where the machine has them.
    pub(super) wide_flops: Option<f64>,
    /// Bytes read and written a second by copies, one thread; the smallest level first.
    pub(super) copies: Vec<(Level, f64)>,
}

impl Machine {
    /// Makes the programs; their arrays take at most `memory` bytes. Multiply-adds are those of all threads of
    /// the pool.
    pub(super) fn new(memory: u64, pool: Option<Arc<Pool>>) -> Result<Machine, Failure> {
        let threads = pool.as_ref().map_or(1, |pool| pool.threads());
        let peak = |wide: bool| {
            let (lowered, flops) = roof::fma(FMA_LOOPS, threads as u32, wide);
            Roof::new(&lowered, flops, pool.clone())
        };
        let fma = peak(false)?;
        let wide = Target::host().has_wide().then(|| peak(true)).transpose()?;
        let mut copies = Vec::new();
        let mut largest = 0;
        for level in levels(&Target::host(), host_l3_bytes(), memory) {
            let bytes = (level.working_set / 2) as u32;
            let times = (CALL_BYTES / bytes.max(1)).max(1);
            let (lowered, copied) = roof::copy(bytes, times);
            copies.push((level, Roof::new(&lowered, 2 * copied * u64::from(times), None)?));
            largest = largest.max(copied);
        }
        // Pages that nobody has written are all the same page of zeros.
        let filled = || -> Result<Tensor, Failure> {
            let mut tensor = Tensor::zeros(&[(largest / 4) as usize]).map_err(Error::from)?;
            tensor.data_mut().fill(1.0);
            Ok(tensor)
        };
        Ok(Machine { fma, wide, copies, input: filled()?, output: filled()? })
    }

    /// Measures everything once more.
    pub(super) fn round(&mut self) -> Result<(), Failure> {
        self.fma.round(&[], &mut [])?;
        if let Some(wide) = &mut self.wide {
            wide.round(&[], &mut [])?;
        }
        for (level, roof) in &mut self.copies {
            let Some(&bytes) = roof.loaded.sizes().inputs.first() else { continue };
            let n = (bytes / 4) as usize;
            let (Some(x), Some(y)) = (self.input.data().get(..n), self.output.data_mut().get_mut(..n)) else {
                return Err(Failure::Bug(format!("the arrays for {} are too short", level.name)));
            };
            roof.round(&[x], &mut [y])?;
        }
        Ok(())
    }

    /// The medians of the rounds.
    pub(super) fn roofs(&self) -> Roofs {
        Roofs {
            flops: median(&self.fma.rates),
            wide_flops: self.wide.as_ref().map(|wide| median(&wide.rates)),
            copies: self.copies.iter().map(|(level, roof)| (*level, median(&roof.rates))).collect(),
        }
    }
}

impl Roofs {
    /// The rate of copies that read and write so many bytes.
    pub(super) fn copy(&self, bytes: u64) -> Option<f64> {
        let fits = self.copies.iter().find(|(level, _)| bytes <= level.capacity);
        fits.or(self.copies.last()).map(|(_, rate)| *rate)
    }
}

impl Roof {
    fn new(lowered: &Lowered, work: u64, pool: Option<Arc<Pool>>) -> Result<Roof, Failure> {
        let threads = pool.as_ref().map_or(1, |pool| pool.threads());
        let options = Options::default();
        let make = || -> Result<Roof, Error> {
            let code = pipeline::assemble(lowered, &options.resolved_target(), options.resolved_backend())?;
            let loaded = Loaded::load(&code)?;
            let packed = loaded.prepare::<&[f32]>(&[])?;
            let scratch = loaded.scratch(threads)?;
            Ok(Roof { loaded, pool, packed, scratch, work, rates: Vec::new() })
        };
        Ok(make()?)
    }

    fn round(&mut self, inputs: &[&[f32]], outputs: &mut [&mut [f32]]) -> Result<(), Failure> {
        let executor: &dyn Executor = match &self.pool {
            Some(pool) => pool.as_ref(),
            None => &Sequential,
        };
        let mut call = || -> Result<(), Error> {
            Ok(self.loaded.run_on::<&[f32]>(executor, &self.packed, &[], &mut self.scratch, inputs, outputs)?)
        };
        // The fastest call is the one that nobody else disturbed.
        let (start, mut least) = (Instant::now(), Duration::MAX);
        while start.elapsed() < SLICE {
            let begin = Instant::now();
            call()?;
            least = least.min(begin.elapsed());
        }
        self.rates.push(self.work as f64 / least.as_secs_f64().max(1e-9));
        Ok(())
    }
}

/// The levels of memory that can be told apart, with working sets well inside each; none larger than
/// `memory`.
fn levels(target: &Target, l3: Option<u32>, memory: u64) -> Vec<Level> {
    let (l1, l2) = (u64::from(target.l1_bytes), u64::from(target.l2_bytes));
    let l3 = l3.map(u64::from).filter(|&l3| l3 > 2 * l2);
    let mut levels = vec![
        Level { name: "L1", capacity: l1, working_set: l1 / 2 },
        Level { name: "L2", capacity: l2, working_set: l2 / 2 },
    ];
    if let Some(capacity) = l3 {
        // Of a shared cache a part is ours.
        levels.push(Level { name: "L3", capacity, working_set: (capacity / 4).min(8 * l2) });
    }
    let last = l3.unwrap_or(l2);
    let working_set = (4 * last).clamp(64 << 20, MOST_BYTES.max(2 * last).min(2 << 30));
    levels.push(Level { name: "memory", capacity: u64::MAX, working_set });
    levels.retain(|level| level.working_set <= memory);
    levels
}

fn median(rates: &[f64]) -> f64 {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_is_measured_inside_itself_and_outside_the_one_before() {
        for l3 in [None, Some(4 << 20), Some(32 << 20), Some(260 << 20)] {
            let levels = levels(&Target::X64_AVX2, l3, u64::MAX);
            assert!(levels.windows(2).all(|w| w[0].capacity < w[1].working_set), "{levels:?}");
            assert!(levels.iter().all(|l| l.working_set <= l.capacity), "{levels:?}");
            assert!(levels.iter().all(|l| l.working_set <= 2 << 30), "{levels:?}");
        }
        assert_eq!(levels(&Target::X64_AVX2, None, 1 << 20).len(), 2);
    }

    #[test]
    fn a_machine_multiplies_and_copies() {
        let mut machine = Machine::new(1 << 20, None).expect("the probes are compiled");
        machine.round().expect("the probes run");
        let roofs = machine.roofs();
        assert!(roofs.flops > 0.0 && roofs.copy(1 << 10).is_some_and(|rate| rate > 0.0), "{roofs:?}");
        assert_eq!(roofs.copy(u64::MAX), roofs.copies.last().map(|(_, rate)| *rate));
    }
}
