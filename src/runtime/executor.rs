//! Who runs the parts of a step, and how parts are lent to other threads.

#![allow(unsafe_code, reason = "lends a borrowed closure to threads that outlive the borrow")]

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The default of [`Executor::grain`]: about a microsecond, what it takes to hand a part to a thread that is awake.
pub(super) const GRAIN: u64 = 2048;

/// Runs the parts of a step, on one thread or several.
///
/// How many parts there are, and what is in them, is not the executor's affair, and the result does not depend
/// on it. Nor can an executor do harm: a part that is run again does nothing, and parts that were left out
/// are run on the calling thread.
///
/// A pool of one's own is lent to [`Program::run_on`](crate::Program::run_on) by a few lines; here threads are
/// started for each step:
///
/// ```
/// use convc::runtime::Executor;
/// use convc::{Model, Options, Tensor};
///
/// struct Scoped(usize);
///
/// impl Executor for Scoped {
///     fn threads(&self) -> usize {
///         self.0
///     }
///
///     /// Starting a thread takes longer than to wake one.
///     fn grain(&self) -> u64 {
///         1 << 18
///     }
///
///     fn run(&self, parts: usize, part: &(dyn Fn(usize) + Sync)) {
///         std::thread::scope(|scope| {
///             for number in 1..parts {
///                 scope.spawn(move || part(number));
///             }
///             part(0);
///         });
///     }
/// }
///
/// # fn main() -> Result<(), convc::Error> {
/// let text = "model blur {\n  input x [3, 64, 64]\n  filter(gaussian(5), pad=same)\n}\n";
/// let program = Model::from_str("blur.conv", text)?.compile(&Options::default().threads(1))?;
/// let x = Tensor::zeros(&[3, 64, 64])?;
/// assert_eq!(program.run_on(&Scoped(4), &[x.view()])?, program.run(&[x.view()])?);
/// # Ok(())
/// # }
/// ```
///
/// With rayon `run` is `(0..parts).into_par_iter().for_each(part)`.
pub trait Executor {
    /// How many parts run at the same time; a step has no more.
    fn threads(&self) -> usize;

    /// The least work that is worth a part of its own, in vector operations (about half a nanosecond each).
    fn grain(&self) -> u64 {
        GRAIN
    }

    /// Calls `part(i)` for every `i < parts`, at the same time where it can, and returns when all have returned.
    fn run(&self, parts: usize, part: &(dyn Fn(usize) + Sync));
}

/// Runs everything on the calling thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sequential;

impl Executor for Sequential {
    fn threads(&self) -> usize {
        1
    }

    fn run(&self, parts: usize, part: &(dyn Fn(usize) + Sync)) {
        (0..parts).for_each(part);
    }
}

/// Between two looks at the clock.
const LOOKS: u32 = 32;

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

/// What is lent; the borrow is over before [`Lending::lend`] returns.
type Task = &'static (dyn Fn(usize) + Sync);

/// What callers and workers share: worker i runs part i, the caller part 0 and what no worker has begun.
pub(super) struct Lending {
    /// That of worker i at i − 1.
    slots: Vec<Slot>,
    /// Whether someone is lending.
    busy: AtomicBool,
    /// How long a thread watches before it sleeps.
    watch: Duration,
    /// What a part panicked with.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// For a caller that sleeps until workers are done.
    lock: Mutex<()>,
    done: Condvar,
}

/// What a worker watches, in cache lines of its own.
#[repr(align(128))]
struct Slot {
    state: AtomicU32,
    /// Written by the caller before READY, read by the worker after it has made RUNNING of that.
    task: UnsafeCell<Option<Task>>,
}

// SAFETY: `state` says who may touch `task`, see there; only who has set `busy` is a caller.
unsafe impl Sync for Slot {}

impl Lending {
    /// To so many workers.
    pub(super) fn new(workers: usize, watch: Duration) -> Lending {
        let slot = |_| Slot { state: AtomicU32::new(state::IDLE), task: UnsafeCell::new(None) };
        Lending {
            slots: (0..workers).map(slot).collect(),
            busy: AtomicBool::new(false),
            watch,
            panic: Mutex::new(None),
            lock: Mutex::new(()),
            done: Condvar::new(),
        }
    }

    /// Runs parts on the first `workers` workers and on the calling thread, unless another thread is lending.
    /// `wake` wakes a worker that sleeps.
    pub(super) fn lend(
        &self,
        workers: usize,
        parts: usize,
        part: &(dyn Fn(usize) + Sync),
        wake: impl Fn(usize),
    ) -> bool {
        if self.busy.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return false;
        }
        let most = workers.min(parts.saturating_sub(1));
        let slots = self.slots.get(..most).unwrap_or(&self.slots);
        // Waits for the workers even if a part panics.
        let round = Round { lending: self, slots };
        // SAFETY: `round` takes the task back or waits for who runs it before the borrow ends.
        let task = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), Task>(part) };
        for (number, slot) in (1..).zip(slots) {
            // SAFETY: no worker looks at it before the state is READY, and there is no other caller.
            unsafe { *slot.task.get() = Some(task) };
            if slot.state.swap(state::READY, Ordering::AcqRel) == state::ASLEEP {
                wake(number);
            }
        }
        part(0);
        (slots.len() + 1..parts).for_each(part);
        for (number, slot) in (1..).zip(slots) {
            if slot.take_back() {
                part(number);
            }
        }
        let panic = round.wait();
        drop(round);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        true
    }

    /// What worker `number` does until it shall end.
    pub(super) fn serve(&self, number: usize) {
        let Some(slot) = number.checked_sub(1).and_then(|at| self.slots.get(at)) else { return };
        let state = &slot.state;
        let change = |from, to| state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok();
        loop {
            match state.load(Ordering::Acquire) {
                state::READY if change(state::READY, state::RUNNING) => {
                    // SAFETY: the state is RUNNING, so nobody writes it.
                    let task = unsafe { *slot.task.get() };
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| task.map(|task| task(number)))) {
                        *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
                    }
                    if state.swap(state::IDLE, Ordering::AcqRel) == state::AWAITED {
                        drop(self.lock.lock());
                        self.done.notify_all();
                    }
                }
                state::READY => {}
                state::ASLEEP => thread::park(),
                state::END => return,
                _ => {
                    if !watch(self.watch, || state.load(Ordering::Relaxed) != state::IDLE) {
                        change(state::IDLE, state::ASLEEP);
                    }
                }
            }
        }
    }

    /// Ends the workers; nobody may be lending. Calls after it run nothing on them.
    pub(super) fn end(&self, wake: impl Fn(usize)) {
        for (number, slot) in (1..).zip(&self.slots) {
            if slot.state.swap(state::END, Ordering::AcqRel) == state::ASLEEP {
                wake(number);
            }
        }
    }
}

/// A task that is lent.
struct Round<'a> {
    lending: &'a Lending,
    slots: &'a [Slot],
}

impl Round<'_> {
    /// Waits for the workers; what one of them panicked with.
    fn wait(&self) -> Option<Box<dyn Any + Send>> {
        for slot in self.slots {
            if !slot.take_back() {
                slot.wait(self.lending);
            }
        }
        self.lending.panic.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        // Where the caller panics, too, its own panic is the one that is heard of.
        self.wait();
        self.lending.busy.store(false, Ordering::Release);
    }
}

impl Slot {
    /// Whether the part was there and nobody had taken it.
    fn take_back(&self) -> bool {
        // Only a look while it runs: the worker needs the cache line.
        self.state.load(Ordering::Relaxed) == state::READY
            && self
                .state
                .compare_exchange(state::READY, state::IDLE, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Returns when the worker does not run.
    fn wait(&self, lending: &Lending) {
        let state = &self.state;
        let running = || matches!(state.load(Ordering::Acquire), state::RUNNING | state::AWAITED);
        if watch(lending.watch, || !running()) {
            return;
        }
        let mut lock = lending.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let asked =
            state.compare_exchange(state::RUNNING, state::AWAITED, Ordering::Relaxed, Ordering::Acquire);
        while asked.is_ok() && running() {
            lock = lending.done.wait(lock).unwrap_or_else(PoisonError::into_inner);
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
