//! Tensors right beside pages that cannot be accessed.

#![allow(unsafe_code, reason = "maps memory with fences, in tests only")]

/// Which end of a tensor is at the fence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fence {
    Before,
    After,
}

/// Numbers in pages of their own.
#[cfg(unix)]
pub(super) struct Fenced {
    map: *mut libc::c_void,
    map_bytes: usize,
    start: *mut f32,
    len: usize,
}

#[cfg(unix)]
impl Fenced {
    pub(super) fn new(words: &[u32], fence: Fence) -> Fenced {
        // SAFETY: asks for a number.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
        let bytes = size_of_val(words);
        let inner_bytes = bytes.max(1).next_multiple_of(page);
        let map_bytes = inner_bytes + 2 * page;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping, of which the inner pages are made accessible.
        let (map, inner) = unsafe {
            let map = libc::mmap(std::ptr::null_mut(), map_bytes, libc::PROT_NONE, flags, -1, 0);
            assert_ne!(map, libc::MAP_FAILED);
            let inner = map.cast::<u8>().add(page);
            let access = libc::PROT_READ | libc::PROT_WRITE;
            assert_eq!(libc::mprotect(inner.cast(), inner_bytes, access), 0);
            (map, inner)
        };
        let at = if fence == Fence::After { inner_bytes - bytes } else { 0 };
        let start = inner.wrapping_add(at).cast();
        let mut fenced = Fenced { map, map_bytes, start, len: words.len() };
        for (value, &word) in fenced.values_mut().iter_mut().zip(words) {
            *value = f32::from_bits(word);
        }
        fenced
    }

    pub(super) fn values(&self) -> &[f32] {
        // SAFETY: within the accessible pages, which are zeroed at first, aligned to 4 bytes, shared with `self`.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }

    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, borrowed alone with `self`.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}

#[cfg(unix)]
impl Drop for Fenced {
    fn drop(&mut self) {
        // SAFETY: the whole mapping of `new`; all slices of it have ended.
        unsafe { libc::munmap(self.map, self.map_bytes) };
    }
}

/// Without fences: at odd addresses.
#[cfg(not(unix))]
pub(super) struct Fenced(Vec<f32>);

#[cfg(not(unix))]
impl Fenced {
    pub(super) fn new(words: &[u32], _fence: Fence) -> Fenced {
        Fenced(std::iter::once(0).chain(words.iter().copied()).map(f32::from_bits).collect())
    }

    pub(super) fn values(&self) -> &[f32] {
        &self.0[1..]
    }

    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.0[1..]
    }
}
