//! Caches made to forget.

use crate::cli::failure::Failure;
use crate::target::host_l3_bytes;

/// Bytes of a cache line.
const LINE: usize = 64;
/// What is walked where the last cache is not known.
const UNKNOWN: u64 = 128 << 20;
/// The most that is walked: a larger cache belongs to a large machine, and a part of it to us.
const MOST: u64 = 512 << 20;

/// Memory that fills the caches when it is walked.
pub(super) struct Flush(Vec<u8>);

impl Flush {
    /// Twice the last cache, but at most `memory` bytes.
    pub(super) fn new(memory: u64) -> Result<Flush, Failure> {
        let bytes = host_l3_bytes().map_or(UNKNOWN, |l3| 2 * u64::from(l3)).min(MOST).min(memory) as usize;
        let mut buffer = Vec::new();
        buffer
            .try_reserve_exact(bytes)
            .map_err(|_| Failure::data(format!("{bytes} bytes of memory are not to be had for --cold")))?;
        buffer.resize(bytes, 1);
        Ok(Flush(buffer))
    }

    /// Writes to every line of it.
    pub(super) fn flush(&mut self) {
        for byte in self.0.iter_mut().step_by(LINE) {
            *byte = byte.wrapping_add(1);
        }
        std::hint::black_box(&mut self.0);
    }
}
