//! Pages that are written, then executed, by cranelift-jit: it knows how each system and processor wants that.

#![allow(unsafe_code, reason = "fills and frees the memory that cranelift-jit maps")]

use std::io;
use std::sync::{Mutex, PoisonError};

use cranelift_jit::{BranchProtection, JITMemoryKind, JITMemoryProvider, SystemMemoryProvider};

use super::MIN_ALIGN;

/// The memory of one program's code.
pub(super) struct Pages {
    provider: Mutex<SystemMemoryProvider>,
    start: *mut u8,
}

// SAFETY: the memory is owned, not bound to a thread, and only read once it is here.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

impl Pages {
    /// `bytes` bytes, not 0, with each function at its place, executable and no longer writable.
    ///
    /// # Errors
    /// Where the system refuses memory, or its execution, or a function does not fit.
    pub(super) fn with<'a>(
        bytes: usize,
        functions: impl Iterator<Item = (usize, &'a [u8])>,
    ) -> io::Result<Pages> {
        let mut provider = SystemMemoryProvider::new();
        let start = provider.allocate(bytes, MIN_ALIGN as u64, JITMemoryKind::Executable)?;
        // Freed where something fails from here on.
        let mut pages = Pages { provider: Mutex::new(provider), start };
        for (at, function) in functions {
            if at.checked_add(function.len()).is_none_or(|end| end > bytes) {
                return Err(io::Error::other("a function does not fit"));
            }
            // SAFETY: the range lies in the allocation, which nobody else has seen yet.
            unsafe { start.add(at).copy_from_nonoverlapping(function.as_ptr(), function.len()) };
        }
        let provider = pages.provider.get_mut().unwrap_or_else(PoisonError::into_inner);
        provider.finalize(BranchProtection::None).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(pages)
    }

    /// The first byte, at a page's boundary.
    pub(super) fn start(&self) -> *const u8 {
        self.start
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let provider = self.provider.get_mut().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: every `CodeMap` holds an `Arc` of this, and functions are only called through a borrowed `CodeMap`:
        // nobody can execute this code any more.
        unsafe { provider.free_memory() };
    }
}
