//! A pool of threads that stand ready.
//!
//! Worker i runs part i of whatever is handed out, the calling thread part 0. Handing out is a store into a cache
//! line that the worker watches; it watches for a while, then sleeps. A part whose worker is not there in time
//! (asleep, or without a processor) is taken back and run by the caller, so nobody waits for a thread that
//! has not begun.

#![allow(unsafe_code, reason = "lends a borrowed closure to threads that outlive the borrow")]

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::executor::Executor;

/// How long a thread watches before it sleeps, where every thread has a processor.
const WATCH: Duration = Duration::from_micros(100);
/// The same where threads share processors: whoever watches keeps another from working.
const WATCH_SHARED: Duration = Duration::from_micros(2);
/// Between two looks at the clock.
const LOOKS: u32 = 32;
/// A worker's stack: drivers and kernels call nothing.
const STACK_BYTES: usize = 256 << 10;
/// The most threads.
const MOST: usize = 1024;

/// States of a worker. The caller makes READY of IDLE or ASLEEP, and takes it back to IDLE; the worker makes RUNNING
/// of it and then IDLE again.
mod state {
    /// It has nothing to do and watches.
    pub(super) const IDLE: u32 = 0;
    /// It has nothing to do and sleeps.
    pub(super) const ASLEEP: u32 = 1;
    /// A part is there that nobody has taken.
    pub(super) const READY: u32 = 2;
    /// It runs the part.
    pub(super) const RUNNING: u32 = 3;
    /// It runs the part, and the caller sleeps until it is done.
    pub(super) const AWAITED: u32 = 4;
    /// It shall end.
    pub(super) const END: u32 = 5;
}

/// What is handed out; the borrow is over before [`Pool::run`] returns.
type Task = &'static (dyn Fn(usize) + Sync);

/// Threads that run the parts of steps, for one program or several.
///
/// Several threads may use a pool at the same time; while one does, the parts of the others are run by themselves.
/// Dropping it ends its threads.
pub struct Pool {
    workers: Vec<Worker>,
    shared: Arc<Shared>,
    /// Whether someone is handing out.
    busy: AtomicBool,
    grain: Option<u64>,
}

struct Worker {
    slot: Arc<Slot>,
    /// None once it is joined.
    thread: Option<JoinHandle<()>>,
}

/// What a worker watches, in cache lines of its own.
#[repr(align(128))]
struct Slot {
    state: AtomicU32,
    /// Written by the caller before READY, read by the worker after it has made RUNNING of that.
    task: UnsafeCell<Option<Task>>,
}

// SAFETY: `state` says who may touch `task`, see there.
unsafe impl Sync for Slot {}

struct Shared {
    watch: Duration,
    /// What a part panicked with.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// For a caller that sleeps until workers are done.
    lock: Mutex<()>,
    done: Condvar,
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
        let shared = Arc::new(Shared {
            watch: if threads <= Pool::available() { WATCH } else { WATCH_SHARED },
            panic: Mutex::new(None),
            lock: Mutex::new(()),
            done: Condvar::new(),
        });
        let start = |number: usize| {
            let slot = Arc::new(Slot { state: AtomicU32::new(state::IDLE), task: UnsafeCell::new(None) });
            let (own, common) = (Arc::clone(&slot), Arc::clone(&shared));
            let builder = thread::Builder::new().name(format!("convc-{number}")).stack_size(STACK_BYTES);
            let thread = builder.spawn(move || work(number, &own, &common)).ok()?;
            Some(Worker { slot, thread: Some(thread) })
        };
        let workers = (1..threads).map_while(start).collect();
        Pool { workers, shared, busy: AtomicBool::new(false), grain: None }
    }

    /// How many processors this process may use: what the machine has, the process's affinity and the quota of its
    /// control group allow.
    pub fn available() -> usize {
        thread::available_parallelism().map_or(1, usize::from)
    }

    /// Sets [`Executor::grain`]: 1 splits every step into as many parts as it can have.
    pub fn with_grain(mut self, operations: u64) -> Pool {
        self.grain = Some(operations);
        self
    }
}

impl Executor for Pool {
    fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    fn grain(&self) -> u64 {
        self.grain.unwrap_or(super::executor::GRAIN)
    }

    fn run(&self, parts: usize, part: &(dyn Fn(usize) + Sync)) {
        let taken = self.busy.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        if parts < 2 || taken.is_err() {
            if taken.is_ok() {
                self.busy.store(false, Ordering::Release);
            }
            return (0..parts).for_each(part);
        }
        let workers = self.workers.get(..parts - 1).unwrap_or(&self.workers);
        // Waits for the workers even if a part panics.
        let round = Round { pool: self, workers };
        // SAFETY: `round` takes the task back or waits for who runs it before the borrow ends.
        let task = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), Task>(part) };
        workers.iter().for_each(|worker| worker.hand(task));
        part(0);
        (workers.len() + 1..parts).for_each(part);
        for (number, worker) in (1..).zip(workers) {
            if worker.take_back() {
                part(number);
            }
        }
        let panic = round.wait();
        drop(round);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            if worker.slot.state.swap(state::END, Ordering::AcqRel) == state::ASLEEP {
                worker.wake();
            }
        }
        for thread in self.workers.iter_mut().filter_map(|worker| worker.thread.take()) {
            // A worker catches what its parts panic with.
            let _ = thread.join();
        }
    }
}

/// A task that is handed out.
struct Round<'a> {
    pool: &'a Pool,
    workers: &'a [Worker],
}

impl Round<'_> {
    /// Waits for the workers; what one of them panicked with.
    fn wait(&self) -> Option<Box<dyn Any + Send>> {
        for worker in self.workers {
            if !worker.take_back() {
                worker.wait(&self.pool.shared);
            }
        }
        self.pool.shared.panic.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        // Where the caller panics, too, its own panic is the one that is heard of.
        self.wait();
        self.pool.busy.store(false, Ordering::Release);
    }
}

impl Worker {
    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Only for who has made the pool busy, when the worker is IDLE or ASLEEP.
    fn hand(&self, task: Task) {
        // SAFETY: the worker looks at it only once the state is READY.
        unsafe { *self.slot.task.get() = Some(task) };
        if self.slot.state.swap(state::READY, Ordering::AcqRel) == state::ASLEEP {
            self.wake();
        }
    }

    /// Whether the part was there and nobody had taken it.
    fn take_back(&self) -> bool {
        let state = &self.slot.state;
        // Only a look while it runs: the worker needs the cache line.
        state.load(Ordering::Relaxed) == state::READY
            && state.compare_exchange(state::READY, state::IDLE, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Returns when the worker does not run.
    fn wait(&self, shared: &Shared) {
        let state = &self.slot.state;
        let running = || matches!(state.load(Ordering::Acquire), state::RUNNING | state::AWAITED);
        if watch(shared.watch, || !running()) {
            return;
        }
        let mut lock = shared.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let asked =
            state.compare_exchange(state::RUNNING, state::AWAITED, Ordering::Relaxed, Ordering::Acquire);
        while asked.is_ok() && running() {
            lock = shared.done.wait(lock).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Watches until `done`, for so long at most; whether it is.
fn watch(time: Duration, done: impl Fn() -> bool) -> bool {
    let mut start = None;
    loop {
        for _ in 0..LOOKS {
            if done() {
                return true;
            }
            std::hint::spin_loop();
        }
        if start.get_or_insert_with(Instant::now).elapsed() >= time {
            return done();
        }
    }
}

/// What a worker does.
fn work(number: usize, slot: &Slot, shared: &Shared) {
    let state = &slot.state;
    let change = |from, to| state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok();
    loop {
        match state.load(Ordering::Acquire) {
            state::READY if change(state::READY, state::RUNNING) => {
                // SAFETY: the state is RUNNING, so nobody writes it.
                let task = unsafe { *slot.task.get() };
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| task.map(|task| task(number)))) {
                    *shared.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
                }
                if state.swap(state::IDLE, Ordering::AcqRel) == state::AWAITED {
                    drop(shared.lock.lock());
                    shared.done.notify_all();
                }
            }
            state::READY => {}
            state::ASLEEP => thread::park(),
            state::END => return,
            _ => {
                if !watch(shared.watch, || state.load(Ordering::Relaxed) != state::IDLE) {
                    change(state::IDLE, state::ASLEEP);
                }
            }
        }
    }
}
