//! Machine code in executable memory.
//!
//! All functions of a program stand in one reservation. It is written first and executable after, never both, and unmapped when the last [`CodeMap`] that shares it
//! is dropped, as well as on every error path.
//!
//! `cranelift-jit` does the copying and protecting. It leaks its memory by default ([`Reservation`] frees it), and panics on
//! alignments that it does not know ([`check`] admits none).

#![allow(unsafe_code, reason = "frees the memory that cranelift-jit maps")]

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use cranelift_codegen::ir::Signature;
use cranelift_codegen::isa::CallConv;
use cranelift_jit::{
    BranchProtection, JITBuilder, JITMemoryKind, JITMemoryProvider, JITModule, SystemMemoryProvider,
};
use cranelift_module::{Module, ModuleResult};

use super::LoadError;
use crate::code::Code;
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
    _memory: Arc<Reservation>,
    /// The address of each function of the [`Code`].
    entries: Arc<[Entry]>,
}

/// The address of a function, valid as long as its [`CodeMap`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry(*const u8);

// SAFETY: the pointer is only read and called; what it points to is immutable once a `CodeMap` exists.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

impl Entry {
    /// The address.
    pub(super) fn address(self) -> *const u8 {
        self.0
    }
}

/// The memory of one program, from cranelift-jit's provider.
struct Reservation(Mutex<SystemMemoryProvider>);

impl Drop for Reservation {
    fn drop(&mut self) {
        let provider = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: every `CodeMap` holds an `Arc` of this, functions are only called through a borrowed
        // `CodeMap`, and the module that filled it is gone: nobody can execute this code any more.
        unsafe { provider.free_memory() };
    }
}

/// Hands out pieces of the one reservation.
struct Bump {
    memory: Arc<Reservation>,
    start: *mut u8,
    len: usize,
    used: usize,
}

// SAFETY: `start` points into `memory`, which it keeps alive and which is not bound to a thread.
unsafe impl Send for Bump {}

impl Bump {
    /// Reserves `len` bytes at a page boundary.
    fn reserve(len: usize) -> io::Result<Bump> {
        let mut provider = SystemMemoryProvider::new();
        let start = provider.allocate(len, MIN_ALIGN as u64, JITMemoryKind::Executable)?;
        let memory = Arc::new(Reservation(Mutex::new(provider)));
        Ok(Bump { memory, start, len, used: 0 })
    }
}

impl JITMemoryProvider for Bump {
    fn allocate(&mut self, size: usize, align: u64, _kind: JITMemoryKind) -> io::Result<*mut u8> {
        let exhausted = || io::Error::new(io::ErrorKind::OutOfMemory, "the reservation is too small");
        let at = usize::try_from(align)
            .ok()
            .and_then(|align| self.used.checked_next_multiple_of(align.max(MIN_ALIGN)))
            .ok_or_else(exhausted)?;
        let end = at.checked_add(size).filter(|&end| end <= self.len).ok_or_else(exhausted)?;
        self.used = end;
        // `at` is within the reservation, so this does not wrap.
        Ok(self.start.wrapping_add(at))
    }

    unsafe fn free_memory(&mut self) {
        // The last `Arc` frees it.
    }

    fn finalize(&mut self, protection: BranchProtection) -> ModuleResult<()> {
        self.memory.0.lock().unwrap_or_else(PoisonError::into_inner).finalize(protection)
    }
}

impl CodeMap {
    /// Maps code that this machine can execute, as `supported` proves.
    pub(crate) fn new(code: &Code, supported: Supported) -> Result<CodeMap, LoadError> {
        let bytes = check(code)?;
        if supported.isa() != code.target.isa {
            return Err(LoadError::Unsupported(code.target.isa));
        }
        let failed = |error: cranelift_module::ModuleError| LoadError::Map(error.to_string());
        let isa = crate::code::target_isa(&code.target).map_err(|error| LoadError::Map(error.to_string()))?;
        let bump = Bump::reserve(bytes).map_err(|error| LoadError::Map(error.to_string()))?;
        let memory = Arc::clone(&bump.memory);

        let mut builder = JITBuilder::with_isa(isa, Box::new(|call| format!("{call:?}")));
        builder.memory_provider(Box::new(bump));
        let mut module = JITModule::new(builder);
        let signature = Signature::new(CallConv::Fast);
        let ids = code
            .functions
            .iter()
            .map(|_| module.declare_anonymous_function(&signature).map_err(failed))
            .collect::<Result<Vec<_>, _>>()?;
        for (function, &id) in code.functions.iter().zip(&ids) {
            module.define_function_bytes(id, function.align, &function.bytes, &[]).map_err(failed)?;
        }
        module.finalize_definitions().map_err(failed)?;
        let entries = ids.iter().map(|&id| Entry(module.get_finalized_function(id))).collect();
        Ok(CodeMap { _memory: memory, entries })
    }

    /// The address of a function, by its index in [`Code::functions`].
    pub(super) fn entry(&self, function: u32) -> Option<Entry> {
        self.entries.get(function as usize).copied()
    }
}

/// Checks what cranelift-jit would panic about, and gives the bytes to reserve.
fn check(code: &Code) -> Result<usize, LoadError> {
    let mut bytes = MIN_ALIGN;
    for function in &code.functions {
        if !function.align.is_power_of_two() || function.align > MAX_ALIGN {
            return Err(LoadError::Map(format!("{}: alignment {}", function.symbol, function.align)));
        }
        let align = MIN_ALIGN.max(function.align as usize);
        bytes = bytes
            .checked_next_multiple_of(align)
            .and_then(|start| start.checked_add(function.bytes.len()))
            .filter(|&total| total <= MAX_BYTES)
            .ok_or(LoadError::TooLarge { limit: MAX_BYTES })?;
    }
    Ok(bytes)
}
