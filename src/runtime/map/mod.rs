//! Machine code in executable memory.
//!
//! All functions of a program stand in one reservation. It is written first and executable after, never both, and unmapped when the last [`CodeMap`] that shares it
//! is dropped, as well as on every error path. Functions refer to nothing outside themselves, so there is nothing to link.

#[cfg(not(all(unix, target_arch = "x86_64")))]
#[path = "jit.rs"]
mod pages;
#[cfg(all(unix, target_arch = "x86_64"))]
mod pages;

use std::sync::Arc;

use pages::Pages;

use super::LoadError;
use crate::code::{Code, Function};
use crate::target::Supported;

/// The most bytes a program's code may have.
const MAX_BYTES: usize = 120 << 20;
/// Where a reservation starts and each function may start: at least a cache line.
const MIN_ALIGN: usize = 64;
/// The largest alignment of a function: reservations start at a page.
const MAX_ALIGN: u64 = 4096;

/// Executable code. Clones share it.
#[derive(Clone)]
pub(crate) struct CodeMap {
    /// Keeps the memory mapped.
    _memory: Arc<Pages>,
    /// The address of each function of the [`Code`].
    entries: Arc<[Entry]>,
}

/// The address of a function, valid as long as its [`CodeMap`]; what it points to is immutable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry(usize);

impl Entry {
    /// The address.
    pub(super) fn address(self) -> *const u8 {
        std::ptr::with_exposed_provenance(self.0)
    }
}

impl CodeMap {
    /// Maps code that this machine can execute, as `supported` proves.
    pub(crate) fn new(code: &Code, supported: Supported) -> Result<CodeMap, LoadError> {
        let (places, bytes) = places(&code.functions)?;
        if supported.isa() != code.target.isa {
            return Err(LoadError::Unsupported(code.target.isa));
        }
        let placed = || places.iter().copied().zip(code.functions.iter().map(|f| f.bytes.as_slice()));
        let pages = Pages::with(bytes, placed()).map_err(|error| LoadError::Map(error.to_string()))?;
        let entries =
            places.iter().map(|&at| Entry(pages.start().wrapping_add(at).expose_provenance())).collect();
        Ok(CodeMap { _memory: Arc::new(pages), entries })
    }

    /// The address of a function, by its index in [`Code::functions`].
    pub(super) fn entry(&self, function: u32) -> Option<Entry> {
        self.entries.get(function as usize).copied()
    }
}

/// Where each function starts in the reservation, and the bytes of that.
fn places(functions: &[Function]) -> Result<(Vec<usize>, usize), LoadError> {
    let (mut places, mut bytes) = (Vec::with_capacity(functions.len()), 0usize);
    for function in functions {
        if !function.align.is_power_of_two() || function.align > MAX_ALIGN {
            return Err(LoadError::Map(format!("{}: alignment {}", function.symbol, function.align)));
        }
        let align = MIN_ALIGN.max(function.align as usize);
        let start = bytes.next_multiple_of(align);
        bytes = start
            .checked_add(function.bytes.len())
            .filter(|&end| end <= MAX_BYTES)
            .ok_or(LoadError::TooLarge { limit: MAX_BYTES })?;
        places.push(start);
    }
    Ok((places, bytes.max(1)))
}
