//! Who runs the units of a step.

#![allow(unsafe_code, reason = "who splits units among threads must keep them disjoint")]

/// Runs the units of a step, on one thread or several.
///
/// # Safety
///
/// `run` calls `task(begin, end)` for ranges that lie in `0 .. units` and do not overlap, and returns
/// only when all these calls have returned. (To run every unit is not needed for safety, but for the result.)
pub unsafe trait Executor {
    /// Runs units `0 .. units`.
    fn run(&self, units: u64, task: &(dyn Fn(u64, u64) + Sync));
}

/// Runs everything on the calling thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sequential;

// SAFETY: the one range is the whole, and the call has returned.
unsafe impl Executor for Sequential {
    fn run(&self, units: u64, task: &(dyn Fn(u64, u64) + Sync)) {
        task(0, units);
    }
}
