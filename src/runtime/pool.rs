//! A pool of threads that stand ready.
//!
//! Worker i runs part i of whatever is handed out, the calling thread part 0. Handing out is a store into a cache
//! line that the worker watches; it watches for a while, then sleeps. A part whose worker is not there in time
//! (asleep, or without a processor) is taken back and run by the caller, so nobody waits for a thread that
//! has not begun.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::executor::{Executor, GRAIN, Lending};

/// How long a thread watches before it sleeps, where every thread has a processor.
const WATCH: Duration = Duration::from_micros(100);
/// The same where threads share processors: whoever watches keeps another from working.
const WATCH_SHARED: Duration = Duration::from_micros(2);
/// A worker's stack: what runs on it calls kernels, and these nothing.
const STACK_BYTES: usize = 256 << 10;
/// The most threads.
const MOST: usize = 1024;

/// Threads that run the parts of steps, for one program or several.
///
/// Several threads may use a pool at the same time; while one does, the parts of the others are run by themselves.
/// Dropping it ends its threads.
pub struct Pool {
    lending: Arc<Lending>,
    /// Worker i at i − 1.
    workers: Vec<JoinHandle<()>>,
    grain: u64,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads()).finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool that computes on `threads` threads, the calling one included: one fewer are started, 1023 at most.
    /// Where the system refuses some, it has as many as there are.
    pub fn new(threads: usize) -> Pool {
        let threads = threads.clamp(1, MOST);
        let watch = if threads <= Pool::available() { WATCH } else { WATCH_SHARED };
        let lending = Arc::new(Lending::new(threads - 1, watch));
        let start = |number: usize| {
            let lending = Arc::clone(&lending);
            let builder = thread::Builder::new().name(format!("convc-{number}")).stack_size(STACK_BYTES);
            builder.spawn(move || lending.serve(number)).ok()
        };
        let workers = (1..threads).map_while(start).collect();
        Pool { lending, workers, grain: GRAIN }
    }

    /// How many processors this process may use: what the machine has, the process's affinity and the quota of its
    /// control group allow.
    pub fn available() -> usize {
        thread::available_parallelism().map_or(1, usize::from)
    }

    /// Sets [`Executor::grain`]: 1 splits every step into as many parts as it can have.
    pub fn with_grain(mut self, operations: u64) -> Pool {
        self.grain = operations;
        self
    }

    fn wake(&self, worker: usize) {
        if let Some(worker) = worker.checked_sub(1).and_then(|at| self.workers.get(at)) {
            worker.thread().unpark();
        }
    }
}

impl Executor for Pool {
    fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    fn grain(&self) -> u64 {
        self.grain
    }

    fn run(&self, parts: usize, part: &(dyn Fn(usize) + Sync)) {
        let alone = parts < 2 || self.workers.is_empty();
        if alone || !self.lending.lend(self.workers.len(), parts, part, |worker| self.wake(worker)) {
            (0..parts).for_each(part);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.lending.end(|worker| self.wake(worker));
        for worker in self.workers.drain(..) {
            // A worker catches what its parts panic with.
            let _ = worker.join();
        }
    }
}
