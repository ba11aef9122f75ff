//! Zeroed memory at cache line boundaries, or an error.

#![allow(unsafe_code, reason = "allocates memory that is zeroed, aligned and may be refused")]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

/// The alignment of every buffer that is not the caller's.
pub(crate) const ALIGN: usize = 64;

/// Memory that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no memory for {bytes} bytes")]
pub struct AllocError {
    /// How many bytes were asked for.
    pub bytes: u64,
}

/// A buffer of bytes, zero at first, aligned to [`ALIGN`].
pub(crate) struct AlignedBytes {
    /// Owned; dangling where `layout` has no bytes.
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the memory is owned and not bound to a thread.
unsafe impl Send for AlignedBytes {}
// SAFETY: a shared buffer is only read.
unsafe impl Sync for AlignedBytes {}

impl AlignedBytes {
    /// Zeroed memory.
    pub(crate) fn zeroed(bytes: u64) -> Result<AlignedBytes, AllocError> {
        let refused = AllocError { bytes };
        let size = usize::try_from(bytes).map_err(|_| refused)?;
        let layout = Layout::from_size_align(size, ALIGN).map_err(|_| refused)?;
        if size == 0 {
            return Ok(AlignedBytes { start: NonNull::<Aligned>::dangling().cast(), layout });
        }
        // SAFETY: the layout has a size.
        let start = unsafe { alloc_zeroed(layout) };
        NonNull::new(start).map(|start| AlignedBytes { start, layout }).ok_or(refused)
    }

    /// A copy of `bytes`.
    pub(crate) fn copy_of(bytes: &[u8]) -> Result<AlignedBytes, AllocError> {
        let mut copy = AlignedBytes::zeroed(bytes.len() as u64)?;
        copy.as_mut_slice().copy_from_slice(bytes);
        Ok(copy)
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.layout.size()
    }

    /// The bytes.
    pub(crate) fn as_slice(&self) -> &[u8] {
        // SAFETY: `start` is valid for `len` initialised bytes, which nobody writes while `self` is shared.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len()) }
    }

    /// The bytes.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len()) }
    }
}

impl Drop for AlignedBytes {
    fn drop(&mut self) {
        if self.layout.size() != 0 {
            // SAFETY: it was allocated with this layout.
            unsafe { dealloc(self.start.as_ptr(), self.layout) }
        }
    }
}

/// Something with the alignment of a buffer.
#[repr(align(64))]
struct Aligned;

const _: () = assert!(align_of::<Aligned>() == ALIGN);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_zeroed_and_aligned() {
        for bytes in [0, 1, 63, 64, 4097] {
            let mut buffer = AlignedBytes::zeroed(bytes).unwrap();
            assert_eq!(buffer.as_slice(), vec![0; bytes as usize]);
            assert_eq!(buffer.as_mut_slice().as_ptr() as usize % ALIGN, 0);
        }
        assert_eq!(AlignedBytes::copy_of(&[1, 2, 3]).unwrap().as_slice(), [1, 2, 3]);
    }

    #[test]
    fn too_much_memory_is_an_error() {
        for bytes in [u64::MAX, 1 << 62, i64::MAX as u64 - 63] {
            // The allocation must not be optimised away.
            let buffer = std::hint::black_box(AlignedBytes::zeroed(bytes));
            assert_eq!(buffer.err(), Some(AllocError { bytes }));
        }
    }
}
