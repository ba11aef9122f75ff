//! What is left of a part, for its own thread and for those that have finished theirs.
//!
//! A part is a row of *chunks*. Whoever runs the part takes them a few at a time, and so do others once they have nothing
//! of their own: a thread that began late, or lost its processor for a while, is helped out, and otherwise each runs
//! what it ran in the step before. Chunks are taken in order: where one thread runs all parts, units of a group run as they stand.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// Of the chunks that are left, one in so many is taken at once: fewer and fewer, the last ones singly.
const AT_ONCE: u32 = 4;

/// Numbers of chunks that nobody has taken: the first in the upper half, the one after the last in the lower.
#[derive(Debug, Default)]
pub(super) struct Share(AtomicU64);

impl Share {
    /// Puts chunks there. Nobody may be taking any.
    pub(super) fn set(&self, chunks: Range<u32>) {
        self.0.store(pack(chunks), Ordering::Relaxed);
    }

    /// Takes chunks from the front, where there are any.
    pub(super) fn take(&self) -> Option<Range<u32>> {
        // Orders nothing else: what chunks read was written before they were put there.
        let mut state = self.0.load(Ordering::Relaxed);
        loop {
            let Range { start, end } = (state >> 32) as u32..state as u32;
            if start >= end {
                return None;
            }
            let taken = start..start + (end - start).div_ceil(AT_ONCE);
            let left = pack(taken.end..end);
            match self.0.compare_exchange_weak(state, left, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(taken),
                Err(now) => state = now,
            }
        }
    }
}

fn pack(chunks: Range<u32>) -> u64 {
    u64::from(chunks.start) << 32 | u64::from(chunks.end)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn chunks_are_taken_in_order_the_last_ones_singly() {
        let share = Share::default();
        assert_eq!(share.take(), None);
        share.set(10..22);
        let taken: Vec<Range<u32>> = std::iter::from_fn(|| share.take()).collect();
        assert_eq!(taken, [10..13, 13..16, 16..18, 18..19, 19..20, 20..21, 21..22]);
        assert_eq!(share.take(), None);
    }

    #[test]
    fn every_chunk_is_taken_once() {
        let (share, chunks) = (Share::default(), 20_000u32);
        for _ in 0..20 {
            share.set(0..chunks);
            let taken: Vec<AtomicU32> = (0..chunks).map(|_| AtomicU32::new(0)).collect();
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        while let Some(some) = share.take() {
                            for chunk in some {
                                taken[chunk as usize].fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    });
                }
            });
            assert!(taken.iter().all(|times| times.load(Ordering::Relaxed) == 1));
        }
    }
}
