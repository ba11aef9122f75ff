//! Who runs the parts of a step.

#![allow(unsafe_code, reason = "who runs parts on several threads must run each once")]

/// Runs the parts of a step, on one thread or several.
///
/// # Safety
///
/// `run` calls `task(part)` for numbers in `0 .. parts`, each at most once, and returns only when all these
/// calls have returned. (To run every part is not needed for safety, but for the result.)
pub unsafe trait Executor {
    /// How many parts can run at once.
    fn threads(&self) -> usize;

    /// Runs parts `0 .. parts`; there are never more than [`Self::threads`].
    fn run(&self, parts: usize, task: &(dyn Fn(usize) + Sync));
}

/// Runs everything on the calling thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sequential;

// SAFETY: each number comes once, and the calls have returned.
unsafe impl Executor for Sequential {
    fn threads(&self) -> usize {
        1
    }

    fn run(&self, parts: usize, task: &(dyn Fn(usize) + Sync)) {
        (0..parts).for_each(task);
    }
}
