//! Runs a kernel on the host and in the interpreter, and compares.

use iced_x86::{Decoder, DecoderOptions};

use crate::code::Function;
use crate::code::x64::{Abi, emit};
use crate::kernels::interpret::{ArgValue, FmaRounding, Memory, Place, run_kernel};
use crate::kernels::ir::Kernel;

/// What a kernel is called with: the words of its buffers and its arguments.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub buffers: Vec<Vec<u32>>,
    pub args: Vec<ArgValue>,
}

/// A pointer argument: a byte of a buffer.
pub(super) fn at(buffer: usize, offset: i64) -> ArgValue {
    ArgValue::Ptr(Place { buffer, offset })
}

/// Code for a kernel that decodes to its end.
pub(super) fn emitted(kernel: &Kernel, abi: Abi) -> Function {
    let function = emit(kernel, "k".to_owned(), abi).unwrap();
    let again = emit(kernel, "k".to_owned(), abi).unwrap();
    assert_eq!(function, again, "the same kernel gives other bytes");
    let code = &function.bytes[..function.code_len];
    for instruction in Decoder::new(64, code, DecoderOptions::NONE) {
        assert!(!instruction.is_invalid(), "at {} of {}", instruction.ip(), kernel.name);
        assert!(instruction.next_ip() <= code.len() as u64);
    }
    function
}

/// Runs the kernel under both conventions, with the buffers right before and right behind a page that
/// cannot be accessed, and compares all memory with what the interpreter leaves.
#[track_caller]
pub(super) fn check(kernel: &Kernel, case: &Case) {
    let mut memory = Memory { buffers: case.buffers.iter().map(|words| bytes(words)).collect() };
    run_kernel(kernel, &case.args, &mut memory, FmaRounding::Once).unwrap();
    let functions = [Abi::SysV, Abi::Win64].map(|abi| (emitted(kernel, abi), abi));
    compare(kernel, case, &memory, &functions);
}

#[cfg(not(all(target_arch = "x86_64", unix)))]
fn compare(_: &Kernel, _: &Case, _: &Memory, _: &[(Function, Abi)]) {
    eprintln!("skipped: code was assembled, this machine cannot execute it");
}

#[cfg(all(target_arch = "x86_64", unix))]
#[track_caller]
fn compare(kernel: &Kernel, case: &Case, memory: &Memory, functions: &[(Function, Abi)]) {
    use super::native::{Native, Pages};
    use crate::target::{Supported, Target};

    let target = if kernel.wides > 0 { Target::X64_AVX512 } else { Target::X64_AVX2 };
    if Supported::check(target.isa).is_none() {
        eprintln!("skipped: code was assembled, this machine is no {target}");
        return;
    }
    for &(ref function, abi) in functions {
        let native = Native::new(function, abi);
        for at_end in [true, false] {
            let mut pages: Vec<Pages> =
                case.buffers.iter().map(|words| Pages::new(4 * words.len())).collect();
            let mut starts = Vec::new();
            for (pages, words) in pages.iter_mut().zip(&case.buffers) {
                let start = if at_end { pages.bytes().len() - 4 * words.len() } else { 0 };
                pages.bytes()[start..][..4 * words.len()].copy_from_slice(&bytes(words));
                starts.push(start);
            }
            let args: Vec<u64> = case
                .args
                .iter()
                .map(|arg| match *arg {
                    ArgValue::Ptr(Place { buffer, offset }) => {
                        (pages[buffer].address() + starts[buffer] as u64).wrapping_add_signed(offset)
                    }
                    ArgValue::Int(value) => value as u64,
                })
                .collect();
            native.call(&args);
            for (number, (pages, expected)) in pages.iter_mut().zip(&memory.buffers).enumerate() {
                let got = &pages.bytes()[starts[number]..][..expected.len()];
                for (i, (got, expected)) in words(got).zip(words(expected)).enumerate() {
                    let nan = f32::from_bits(got).is_nan() && f32::from_bits(expected).is_nan();
                    assert!(
                        got == expected || nan,
                        "{} under {abi:?}: word {i} of buffer {number} is {got:#x} ({}), not {expected:#x} ({})\n{:#?}",
                        kernel.name,
                        f32::from_bits(got),
                        f32::from_bits(expected),
                        kernel.body,
                    );
                }
                let beside = pages.bytes().len() - expected.len();
                let around: Vec<u8> = if at_end {
                    pages.bytes()[..beside].to_vec()
                } else {
                    pages.bytes()[expected.len()..].to_vec()
                };
                assert!(around.iter().all(|&byte| byte == 0), "{} wrote beside buffer {number}", kernel.name);
            }
        }
    }
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[cfg(all(target_arch = "x86_64", unix))]
fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b))
}

/// A sequence of numbers that only depends on the seed.
pub(super) struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// Words that are numbers with something special about them, and ordinary ones.
pub(super) fn numbers(seed: u64, count: usize) -> Vec<u32> {
    const SPECIAL: [f32; 22] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        1.5,
        2.5,
        -2.5,
        -0.3,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MIN_POSITIVE,
        1e-42,
        -1e-45,
        f32::MAX,
        2_147_483_500.0,
        2_147_483_648.0,
        -2_147_483_648.0,
        8_388_609.0,
        3e9,
        -7.25,
    ];
    let mut rng = Rng(seed);
    let mut number = || match rng.below(3) {
        0 => rng.pick(&SPECIAL).to_bits(),
        1 => ((rng.next() as i32 as f32) / 1e8).to_bits(),
        // Any exponent, but not NaN: the payloads of NaNs are not defined, and bits are compared.
        _ => (rng.next() as u32) & 0xff7f_ffff,
    };
    (0..count).map(|_| number()).collect()
}

/// An integer argument.
pub(super) fn int(value: i64) -> ArgValue {
    ArgValue::Int(value)
}
