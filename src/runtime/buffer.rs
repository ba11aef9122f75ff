//! Zeroed memory at cache line boundaries or beside pages that cannot be accessed, or an error.
//!
//! Nothing of a large buffer is touched before it is used, for the system's pages are zero already.

#![allow(unsafe_code, reason = "allocates memory that is zeroed, aligned or fenced, and may be refused")]

use std::ptr::NonNull;

use crate::pages::large_zeros;

/// The alignment of every buffer that is not the caller's.
pub(crate) const ALIGN: usize = 64;
/// The bytes of a number; code needs no other alignment.
const WORD: usize = size_of::<f32>();
/// Memory that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no memory for {bytes} bytes")]
pub struct AllocError {
    /// How many bytes were asked for.
    pub bytes: u64,
}

/// Where a buffer's memory lies. A *fence* is a page that cannot be accessed: who touches it dies of SIGSEGV.
///
/// Fences are for tests, of this library or of who embeds it: results do not depend on them, but every buffer takes
/// pages of its own. They are there on Unix alone; elsewhere all placements are [`Placement::Plain`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// Where the allocator puts it.
    #[default]
    Plain,
    /// The byte before the first one is in a fence.
    Before,
    /// The byte after the last one is in a fence, or after the last word where there is no whole number of words.
    After,
}

/// A buffer of bytes, zero at first. It is aligned to [`ALIGN`]; with a fence after it, to the largest power of two up
/// to that which divides its size, and to 4 bytes at least.
pub(crate) struct AlignedBytes {
    start: NonNull<u8>,
    len: usize,
    memory: Memory,
}

/// What a buffer owns.
enum Memory {
    /// Nothing; its start dangles.
    None,
    /// Numbers that it lies among, which are reached through its start alone.
    Heap { _numbers: Vec<f32> },
    /// A mapping that it lies in.
    #[cfg(unix)]
    Map { map: NonNull<libc::c_void>, bytes: usize },
}

// SAFETY: the memory is owned and not bound to a thread.
unsafe impl Send for AlignedBytes {}
// SAFETY: a shared buffer is only read.
unsafe impl Sync for AlignedBytes {}

impl AlignedBytes {
    /// Zeroed memory.
    pub(crate) fn zeroed(bytes: u64, placement: Placement) -> Result<AlignedBytes, AllocError> {
        let len = usize::try_from(bytes).map_err(|_| AllocError { bytes })?;
        #[cfg(unix)]
        let buffer = match placement {
            Placement::Plain => Self::plain(len),
            Placement::Before | Placement::After => Self::fenced(len, placement),
        };
        #[cfg(not(unix))]
        let buffer = Self::plain(len);
        buffer.ok_or(AllocError { bytes })
    }

    fn plain(len: usize) -> Option<AlignedBytes> {
        if len == 0 {
            let start = NonNull::<Aligned>::dangling().cast();
            return Some(AlignedBytes { start, len, memory: Memory::None });
        }
        // Room to align is asked for instead of alignment, with which the standard library writes the zeros itself.
        let mut numbers = large_zeros(len.checked_add(ALIGN)?.div_ceil(WORD))?;
        let memory = NonNull::new(numbers.as_mut_ptr())?.cast::<u8>();
        let before = memory.as_ptr().align_offset(ALIGN).min(ALIGN);
        // SAFETY: there are `ALIGN` bytes more than `len`, and a vector that moves leaves them where they are.
        let start = unsafe { memory.add(before) };
        Some(AlignedBytes { start, len, memory: Memory::Heap { _numbers: numbers } })
    }

    /// Between two fences, next to one of them; next to both where it fills its pages.
    #[cfg(unix)]
    fn fenced(len: usize, placement: Placement) -> Option<AlignedBytes> {
        // SAFETY: asks for a number.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
        let inner = len.checked_next_multiple_of(page)?;
        let bytes = inner.checked_add(2 * page)?;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a mapping at a place of the system's choice.
        let map = unsafe { libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_NONE, flags, -1, 0) };
        let map = NonNull::new(map).filter(|map| map.as_ptr() != libc::MAP_FAILED)?;
        let at = match placement {
            Placement::After => page + inner - len.next_multiple_of(WORD),
            Placement::Before | Placement::Plain => page,
        };
        // SAFETY: both are within the mapping.
        let (first, start) = unsafe { (map.byte_add(page), map.cast::<u8>().add(at)) };
        // Unmaps it, too, where access is refused.
        let buffer = AlignedBytes { start, len, memory: Memory::Map { map, bytes } };
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the inner pages of the mapping, which nobody has seen yet.
        let opened = inner == 0 || unsafe { libc::mprotect(first.as_ptr(), inner, access) } == 0;
        opened.then_some(buffer)
    }

    /// A copy of `bytes`.
    pub(crate) fn copy_of(bytes: &[u8], placement: Placement) -> Result<AlignedBytes, AllocError> {
        let mut copy = AlignedBytes::zeroed(bytes.len() as u64, placement)?;
        copy.as_mut_slice().copy_from_slice(bytes);
        Ok(copy)
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The bytes.
    pub(crate) fn as_slice(&self) -> &[u8] {
        // SAFETY: `start` is valid for `len` initialised bytes, which nobody writes while `self` is shared.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// The bytes.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for AlignedBytes {
    fn drop(&mut self) {
        match self.memory {
            Memory::None | Memory::Heap { .. } => {}
            #[cfg(unix)]
            Memory::Map { map, bytes } => {
                // SAFETY: the whole mapping, which nobody else knows.
                unsafe { libc::munmap(map.as_ptr(), bytes) };
            }
        }
    }
}

/// Numbers at a placement: for tensors that a program is given, as its own buffers are placed by
/// [`Loaded::load_placed`](super::Loaded::load_placed).
pub struct Fenced(AlignedBytes);

impl Fenced {
    /// A copy of numbers.
    ///
    /// # Errors
    /// Where memory is refused.
    pub fn new(values: &[f32], placement: Placement) -> Result<Fenced, AllocError> {
        let mut copy = Fenced(AlignedBytes::zeroed(size_of_val(values) as u64, placement)?);
        copy.values_mut().copy_from_slice(values);
        Ok(copy)
    }

    /// The numbers.
    pub fn values(&self) -> &[f32] {
        // SAFETY: initialised bytes, whose start is aligned to a word: their number is one of words. Any bits are an f32.
        unsafe { std::slice::from_raw_parts(self.0.start.as_ptr().cast(), self.0.len / WORD) }
    }

    /// The numbers, to write.
    pub fn values_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.0.start.as_ptr().cast(), self.0.len / WORD) }
    }
}

impl AsRef<[f32]> for Fenced {
    fn as_ref(&self) -> &[f32] {
        self.values()
    }
}

/// Something with the alignment of a buffer.
#[repr(align(64))]
struct Aligned;

const _: () = assert!(align_of::<Aligned>() == ALIGN);

#[cfg(test)]
mod tests {
    use super::*;

    const PLACEMENTS: [Placement; 3] = [Placement::Plain, Placement::Before, Placement::After];

    #[test]
    fn buffers_are_zeroed_and_aligned() {
        for placement in PLACEMENTS {
            for bytes in [0, 1, 63, 64, 100, 4096, 4097, 1 << 20, 2 << 20, (6 << 20) + 5] {
                let mut buffer = AlignedBytes::zeroed(bytes, placement).expect("there is memory");
                assert_eq!(buffer.as_slice(), vec![0; bytes as usize]);
                let align = match placement {
                    Placement::After if bytes % 64 != 0 => WORD,
                    _ => ALIGN,
                };
                assert_eq!(buffer.as_mut_slice().as_ptr() as usize % align, 0);
            }
            assert_eq!(
                AlignedBytes::copy_of(&[1, 2, 3], placement).expect("there is memory").as_slice(),
                [1, 2, 3]
            );
            let mut numbers = Fenced::new(&[1.0, 2.0, 3.0], placement).expect("there is memory");
            numbers.values_mut()[1] = 4.0;
            assert_eq!(numbers.values(), [1.0, 4.0, 3.0]);
        }
    }

    #[test]
    fn too_much_memory_is_an_error() {
        for (bytes, placement) in [u64::MAX, 1 << 62, i64::MAX as u64 - 63]
            .into_iter()
            .flat_map(|bytes| PLACEMENTS.map(|p| (bytes, p)))
        {
            // The allocation must not be optimised away.
            let buffer = std::hint::black_box(AlignedBytes::zeroed(bytes, placement));
            assert_eq!(buffer.err(), Some(AllocError { bytes }));
        }
    }
}
