//! Calls kernels in memory that faults at the first byte beside a buffer, and looks whether they keep
//! to their calling convention. The runtime's own mapping has neither.

#![allow(unsafe_code, reason = "maps and calls machine code under test, in tests only")]

use iced_x86::code_asm::*;

use crate::code::Function;
use crate::code::x64::Abi;

/// Pages between pages that cannot be accessed.
pub(super) struct Pages {
    start: *mut u8,
    len: usize,
    page: usize,
}

impl Pages {
    pub fn new(bytes: usize) -> Pages {
        // SAFETY: asks for a number.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
        let len = bytes.max(1).next_multiple_of(page);
        let (flags, all) = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, len + 2 * page);
        // SAFETY: a new mapping, of which the inner pages are made accessible.
        let start = unsafe {
            let start = libc::mmap(std::ptr::null_mut(), all, libc::PROT_NONE, flags, -1, 0);
            assert_ne!(start, libc::MAP_FAILED);
            let inner = start.cast::<u8>().add(page);
            assert_eq!(libc::mprotect(inner.cast(), len, libc::PROT_READ | libc::PROT_WRITE), 0);
            inner
        };
        Pages { start, len, page }
    }

    /// The accessible bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: mapped, initialised to zeros, and borrowed with the mapping.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }

    pub fn address(&self) -> u64 {
        self.start as u64
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the whole mapping of `new`, which nothing refers to any more.
        unsafe { libc::munmap(self.start.sub(self.page).cast(), self.len + 2 * self.page) };
    }
}

/// A kernel in executable memory.
pub(super) struct Native {
    pages: Pages,
    thunk: usize,
}

impl Native {
    pub fn new(function: &Function, abi: Abi) -> Native {
        let code = &function.bytes;
        let thunk_at = code.len().next_multiple_of(64);
        let mut pages = Pages::new(thunk_at + 2048);
        let thunk = thunk(pages.address(), pages.address() + thunk_at as u64, abi);
        pages.bytes()[..code.len()].copy_from_slice(code);
        pages.bytes()[thunk_at..][..thunk.len()].copy_from_slice(&thunk);
        // SAFETY: the pages are this value's own; nobody has a reference to their bytes.
        let done =
            unsafe { libc::mprotect(pages.start.cast(), pages.len, libc::PROT_READ | libc::PROT_EXEC) };
        assert_eq!(done, 0);
        Native { pages, thunk: thunk_at }
    }

    /// Calls it. The addresses among `args` must be those of memory that it may access.
    pub fn call(&self, args: &[u64]) {
        // SAFETY: the thunk is a function of this type; what the kernel does is under test.
        let lost = unsafe {
            let thunk: extern "sysv64" fn(*const u64) -> u64 =
                std::mem::transmute(self.pages.start.add(self.thunk));
            thunk(args.as_ptr())
        };
        assert_eq!(lost, 0, "a register that must be preserved was changed");
    }
}

/// A function that calls the kernel with every preserved register filled, and returns 0 if they still
/// hold what they held.
fn thunk(kernel: u64, at: u64, abi: Abi) -> Vec<u8> {
    assemble_thunk(kernel, at, abi).unwrap()
}

fn assemble_thunk(kernel: u64, at: u64, abi: Abi) -> Result<Vec<u8>, iced_x86::IcedError> {
    let mut a = CodeAssembler::new(64)?;
    let ours = [rbx, rbp, r12, r13, r14, r15];
    let (general, vectors): (&[AsmRegister64], &[AsmRegisterXmm]) = match abi {
        Abi::SysV => (&ours, &[]),
        Abi::Win64 => (
            &[rbx, rbp, r12, r13, r14, r15, rsi, rdi],
            &[xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12, xmm13, xmm14, xmm15],
        ),
    };
    let pattern = |i: usize| 0x0123_4567_89ab_cdef_u64.rotate_left(i as u32 * 3);
    for register in ours {
        a.push(register)?;
    }
    // 8 bytes to align the stack, 32 that Win64 lets the callee use.
    a.sub(rsp, 40)?;
    a.mov(rcx, rdi)?;
    for (i, &register) in vectors.iter().enumerate() {
        a.mov(rax, pattern(i + 8))?;
        a.vmovq(register, rax)?;
    }
    for (i, &register) in general.iter().enumerate() {
        a.mov(register, pattern(i))?;
    }
    a.mov(rax, kernel)?;
    a.call(rax)?;
    a.xor(eax, eax)?;
    for (i, &register) in general.iter().enumerate() {
        a.mov(rdx, pattern(i))?;
        a.xor(rdx, register)?;
        a.or(rax, rdx)?;
    }
    for (i, &register) in vectors.iter().enumerate() {
        a.mov(rdx, pattern(i + 8))?;
        a.vmovq(rcx, register)?;
        a.xor(rdx, rcx)?;
        a.or(rax, rdx)?;
    }
    a.add(rsp, 40)?;
    for register in ours.into_iter().rev() {
        a.pop(register)?;
    }
    a.ret()?;
    a.assemble(at)
}
