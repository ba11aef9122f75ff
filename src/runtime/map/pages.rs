//! Pages that are written, then executed. x86-64 keeps its caches of instructions coherent by itself.

#![allow(unsafe_code, reason = "maps memory, fills it and makes it executable")]

use std::io;
use std::ptr::{self, NonNull};

/// The memory of one program's code.
pub(super) struct Pages {
    start: NonNull<u8>,
    bytes: usize,
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
        let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a mapping at a place of the system's choice.
        let map = unsafe { libc::mmap(ptr::null_mut(), bytes, access, flags, -1, 0) };
        let map = NonNull::new(map).filter(|map| map.as_ptr() != libc::MAP_FAILED);
        let start = map.ok_or_else(io::Error::last_os_error)?.cast();
        // Unmapped where something fails from here on.
        let pages = Pages { start, bytes };
        // SAFETY: `bytes` bytes, zero at first, that nobody else has seen yet.
        let memory = unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), bytes) };
        for (at, function) in functions {
            let place = memory.get_mut(at..).and_then(|rest| rest.get_mut(..function.len()));
            place.ok_or_else(|| io::Error::other("a function does not fit"))?.copy_from_slice(function);
        }
        // SAFETY: the whole mapping, whose slice is used no more.
        match unsafe { libc::mprotect(start.as_ptr().cast(), bytes, libc::PROT_READ | libc::PROT_EXEC) } {
            0 => Ok(pages),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// The first byte, at a page's boundary.
    pub(super) fn start(&self) -> *const u8 {
        self.start.as_ptr()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the whole mapping. Every `CodeMap` holds an `Arc` of this, and functions are only called through a
        // borrowed `CodeMap`: nobody can execute this code any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}
