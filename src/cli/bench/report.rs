//! What was measured, for people and as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::machine::Roofs;
use super::measure::Warm;
use super::times::Times;
use crate::cli::console::{Console, escaped};
use crate::cli::failure::Failure;
use crate::cli::report::{bytes, plural, seconds, short};
use crate::cli::run::apply::milliseconds;
use crate::cli::table::{Row, lay_out};
use crate::model::Part;

/// What was measured.
pub(super) struct Report {
    pub(super) model: String,
    pub(super) samples: u64,
    /// That computed the runs.
    pub(super) threads: usize,
    /// Bytes of the program.
    pub(super) memory: u64,
    pub(super) load: Duration,
    pub(super) compile: Duration,
    pub(super) first: Duration,
    pub(super) parts: Vec<Part>,
    pub(super) warm: Warm,
    pub(super) cold: Option<Times>,
}

/// Work done in a time.
#[derive(Clone, Copy)]
struct Rates {
    /// In a second.
    flops: f64,
    /// In a second.
    bytes: f64,
    /// Of the machine's, where that was measured.
    peak_share: Option<f64>,
    /// Of what copies of as many bytes reach.
    copy_share: Option<f64>,
}

impl Report {
    fn flops(&self) -> u64 {
        self.samples.saturating_mul(self.parts.iter().map(|p| p.work.flops).sum())
    }

    /// Of one run: of a batch each sample passes through the same memory.
    fn bytes(&self) -> u64 {
        self.samples.saturating_mul(self.parts.iter().map(|p| p.work.bytes).sum())
    }

    fn rates(&self, flops: u64, bytes: u64, at_once: u64, time: Duration) -> Rates {
        let seconds = time.as_secs_f64().max(1e-9);
        let (flops, bytes) = (flops as f64 / seconds, bytes as f64 / seconds);
        let roofs = self.warm.roofs.as_ref();
        let share = |rate: f64, of: f64| (of > 0.0).then(|| rate / of);
        Rates {
            flops,
            bytes,
            peak_share: roofs.and_then(|r| share(flops, r.flops)),
            copy_share: roofs.and_then(|r| r.copy(at_once)).and_then(|rate| share(bytes, rate)),
        }
    }

    /// The rates of a part in its median time.
    fn part_rates(&self, part: &Part, times: &Times) -> Rates {
        let all = |n: u64| n.saturating_mul(self.samples);
        self.rates(all(part.work.flops), all(part.work.bytes), part.work.bytes, times.median())
    }

    /// The rates of a whole run in its median time.
    fn whole_rates(&self) -> Rates {
        let bytes = self.bytes();
        self.rates(self.flops(), bytes, bytes / self.samples.max(1), self.warm.whole.median())
    }

    /// The sum of the parts' median times.
    fn sum(&self) -> f64 {
        self.warm.parts.iter().map(|t| t.median().as_secs_f64()).sum::<f64>().max(1e-12)
    }

    pub(super) fn print(&self, console: &mut Console) -> Result<(), Failure> {
        let header =
            ["layer", "algorithm", "median", "p10–p90", "GFLOP/s", "peak", "moved", "GB/s", "copy", "time"];
        let mut lines = lay_out(&header, &self.rows()).into_iter();
        if let Some(header) = lines.next() {
            console.heading(&header)?;
        }
        lines.try_for_each(|line| console.line(format_args!("{line}")))?;
        console.line(format_args!(""))?;
        self.totals().iter().try_for_each(|line| console.line(format_args!("{line}")))
    }

    fn rows(&self) -> Vec<Row> {
        let sum = self.sum();
        let row = |(part, times): (&Part, &Times)| {
            let rates = self.part_rates(part, times);
            Row {
                cells: vec![
                    escaped(&part.layer),
                    part.algorithm.to_owned(),
                    micros(times.median()),
                    format!("{}–{}", micros(times.p10()), micros(times.p90())),
                    if part.work.flops == 0 { "-".to_owned() } else { giga(rates.flops) },
                    if part.work.flops == 0 { "-".to_owned() } else { percent(rates.peak_share) },
                    bytes(part.work.bytes.saturating_mul(self.samples)),
                    giga(rates.bytes),
                    percent(rates.copy_share),
                    percent(Some(times.median().as_secs_f64() / sum)),
                ],
                below: vec![part.reason.clone()],
            }
        };
        self.parts.iter().zip(&self.warm.parts).map(row).collect()
    }

    fn totals(&self) -> Vec<String> {
        let Warm { whole, roofs, .. } = &self.warm;
        let rates = self.whole_rates();
        let spread = |times: &Times| {
            let [low, high, least] = [times.p10(), times.p90(), times.min()].map(precise);
            format!("{} (p10–p90 {low}–{high}, least {least}, {} runs)", precise(times.median()), times.count())
        };
        let mut lines = vec![format!("whole: {}", spread(whole))];
        let of = |share: Option<f64>, what: &str| match share {
            Some(_) => format!(", {} of {what}", percent(share)),
            None => String::new(),
        };
        let flops = short(self.flops().into());
        lines.push(format!("  {flops} FLOP at {} GFLOP/s{}", giga(rates.flops), of(rates.peak_share, "the FMA peak")));
        let moved = bytes(self.bytes());
        lines.push(format!("  {moved} moved at {} GB/s{}", giga(rates.bytes), of(rates.copy_share, "what copies reach")));
        if let Some(times) = &self.cold {
            lines.push(format!("cold caches: {}", spread(times)));
        }
        lines.push(format!(
            "start: {} = loaded in {}, compiled in {}, first run in {}",
            seconds(self.load + self.compile + self.first),
            seconds(self.load),
            seconds(self.compile),
            seconds(self.first)
        ));
        lines.push(format!("memory: {}", bytes(self.memory)));
        if let Some(Roofs { flops, wide_flops, copies }) = roofs {
            let rates = copies.iter().map(|(level, rate)| format!("{} {} GB/s", level.name, giga(*rate)));
            let wide = wide_flops.map(|wide| {
                format!(", of 512 bits {} ({:.2} times as many)", giga(wide), wide / flops.max(1.0))
            });
            let wide = wide.unwrap_or_default();
            lines.push(format!(
                "this machine: FMA of 256 bits on {} {} GFLOP/s{wide}",
                plural(self.threads, "thread"),
                giga(*flops)
            ));
            lines.push(format!("  copies on one thread, read and written: {}", rates.collect::<Vec<_>>().join(", ")));
        }
        lines
    }

    pub(super) fn as_json(&self) -> Value {
        let Warm { whole, parts, roofs } = &self.warm;
        let mut document = json!({
            "ok": true,
            "version": env!("CARGO_PKG_VERSION"),
            "model": self.model,
            "samples": self.samples,
            "threads": self.threads,
            "load_ms": milliseconds(self.load),
            "compile_ms": milliseconds(self.compile),
            "first_run_ms": milliseconds(self.first),
            "runs": whole.count(),
            "median_ms": milliseconds(whole.median()),
            "min_ms": milliseconds(whole.min()),
            "p10_ms": milliseconds(whole.p10()),
            "p90_ms": milliseconds(whole.p90()),
            "memory_bytes": self.memory,
            "flops": self.flops(),
            "bytes": self.bytes(),
        });
        add_rates(&mut document, self.whole_rates());
        if let Some(cold) = &self.cold {
            document["cold"] = json!({
                "runs": cold.count(),
                "median_ms": milliseconds(cold.median()),
                "min_ms": milliseconds(cold.min()),
                "p10_ms": milliseconds(cold.p10()),
                "p90_ms": milliseconds(cold.p90()),
            });
        }
        if let Some(Roofs { flops, wide_flops, copies }) = roofs {
            let copies = copies.iter().map(|(level, rate)| {
                json!({ "level": level.name, "working_set_bytes": level.working_set, "gbytes_per_s": rate / 1e9 })
            });
            document["machine"] = json!({
                "fma_threads": self.threads,
                "fma_gflops": flops / 1e9,
                "fma_512_bit_gflops": wide_flops.map(|wide| wide / 1e9),
                "copies": copies.collect::<Vec<_>>(),
            });
            document["layers"] = self.parts.iter().zip(parts).map(|(p, t)| self.part_as_json(p, t)).collect();
        }
        document
    }

    fn part_as_json(&self, part: &Part, times: &Times) -> Value {
        let microseconds = |time: Duration| time.as_secs_f64() * 1e6;
        let mut layer = json!({
            "name": part.layer,
            "algorithm": part.algorithm,
            "reason": part.reason,
            "median_us": microseconds(times.median()),
            "min_us": microseconds(times.min()),
            "p10_us": microseconds(times.p10()),
            "p90_us": microseconds(times.p90()),
            "flops": part.work.flops.saturating_mul(self.samples),
            "bytes": part.work.bytes.saturating_mul(self.samples),
            "time_share": times.median().as_secs_f64() / self.sum(),
        });
        add_rates(&mut layer, self.part_rates(part, times));
        layer
    }
}

fn add_rates(object: &mut Value, rates: Rates) {
    object["gflops"] = json!(rates.flops / 1e9);
    object["gbytes_per_s"] = json!(rates.bytes / 1e9);
    object["peak_share"] = json!(rates.peak_share);
    object["copy_share"] = json!(rates.copy_share);
}

/// A rate in units of 10⁹, three digits of it.
fn giga(rate: f64) -> String {
    let rate = rate / 1e9;
    let places = if rate < 9.995 { 2 } else { usize::from(rate < 99.95) };
    format!("{rate:.places$}")
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

/// As [`seconds`], but of short times with the digits that they have.
fn precise(time: Duration) -> String {
    if time < Duration::from_millis(1) { format!("{} µs", micros(time)) } else { seconds(time) }
}

/// Microseconds, with the digits that a clock of nanoseconds has.
fn micros(time: Duration) -> String {
    let us = time.as_secs_f64() * 1e6;
    let places = if us < 9.995 { 2 } else { usize::from(us < 99.95) };
    format!("{us:.places$}")
}
