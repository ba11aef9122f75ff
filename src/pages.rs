//! Large memory, whose pages come few and large where the system has such ones: a fault for each 4 KiB takes longer than what
//! is written there.

#![allow(unsafe_code, reason = "asks for memory of zeros that may be refused, and advises about it")]

use std::alloc::{Layout, alloc_zeroed};
use std::ptr::NonNull;

/// The bytes and the alignment of a huge page.
#[cfg(target_os = "linux")]
const HUGE: usize = 2 << 20;

/// An empty vector with room for `len` elements; none where memory is refused.
pub(crate) fn large_vec<T: Copy>(len: usize) -> Option<Vec<T>> {
    let mut data = Vec::new();
    data.try_reserve_exact(len).ok()?;
    advise(data.spare_capacity_mut());
    Some(data)
}

/// So many zeros, which nobody has written: the system's pages are zero already. None where memory is refused.
pub(crate) fn large_zeros(len: usize) -> Option<Vec<f32>> {
    let layout = Layout::array::<f32>(len).ok()?;
    if layout.size() == 0 {
        return Some(Vec::new());
    }
    // SAFETY: the layout has a size.
    let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
    // SAFETY: allocated as a vector of this capacity would be; bytes of zeros are numbers.
    let mut zeros = unsafe { Vec::from_raw_parts(start.as_ptr().cast(), len, len) };
    advise(&mut zeros);
    Some(zeros)
}

/// Asks for huge pages where whole ones lie in memory that will be written.
fn advise<T>(memory: &mut [T]) {
    #[cfg(target_os = "linux")]
    {
        let start: *mut u8 = memory.as_mut_ptr().cast();
        let before = start.align_offset(HUGE);
        let whole = size_of_val(memory).saturating_sub(before) / HUGE * HUGE;
        if whole > 0 {
            // SAFETY: the range lies in `memory`, borrowed alone. Advice changes no contents; where it is refused, pages are small.
            unsafe { libc::madvise(start.wrapping_add(before).cast(), whole, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_refused() {
        assert!(large_vec::<u64>(usize::MAX / 8).is_none() && large_zeros(usize::MAX / 8).is_none());
        assert!(large_vec::<f32>(3 << 20).is_some_and(|data| data.is_empty() && data.capacity() >= 3 << 20));
        assert_eq!(large_zeros(3 << 20), Some(vec![0.0; 3 << 20]));
        assert_eq!(large_zeros(0), Some(Vec::new()));
    }
}
