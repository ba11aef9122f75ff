//! What is left of a part, for its own thread and for those that have finished theirs.
//!
//! A part is a row of *chunks*. Whoever runs the part takes them from the front, a few at a time, and others take from
//! the back once they have nothing of their own: so a thread that began late, or lost its processor for a while,
//! is helped out, and otherwise each runs what it ran in the step before.

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
    pub(super) fn first(&self) -> Option<Range<u32>> {
        self.take(|Range { start, end }, some| (start..start + some, start + some..end))
    }

    /// Takes chunks from the back, where there are any.
    pub(super) fn last(&self) -> Option<Range<u32>> {
        self.take(|Range { start, end }, some| (end - some..end, start..end - some))
    }

    /// `cut`: what is taken of a range, and what stays.
    fn take(&self, cut: impl Fn(Range<u32>, u32) -> (Range<u32>, Range<u32>)) -> Option<Range<u32>> {
        // Orders nothing else: what chunks read was written before they were put there.
        let mut state = self.0.load(Ordering::Relaxed);
        loop {
            let range = (state >> 32) as u32..state as u32;
            if range.is_empty() {
                return None;
            }
            let some = (range.end - range.start).div_ceil(AT_ONCE);
            let (taken, left) = cut(range, some);
            // A state that has come back has the same chunks left.
            match self.0.compare_exchange_weak(state, pack(left), Ordering::Relaxed, Ordering::Relaxed) {
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
    fn chunks_are_taken_from_both_ends_until_none_is_left() {
        let share = Share::default();
        assert_eq!((share.first(), share.last()), (None, None));
        share.set(10..22);
        assert_eq!(share.first(), Some(10..13));
        assert_eq!(share.last(), Some(19..22));
        assert_eq!([share.first(), share.first(), share.first()], [Some(13..15), Some(15..16), Some(16..17)]);
        assert_eq!([share.last(), share.last(), share.last()], [Some(18..19), Some(17..18), None]);
        assert_eq!(share.first(), None);
    }

    #[test]
    fn every_chunk_is_taken_once() {
        let (share, chunks) = (Share::default(), 20_000u32);
        for _ in 0..20 {
            share.set(0..chunks);
            let taken: Vec<AtomicU32> = (0..chunks).map(|_| AtomicU32::new(0)).collect();
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let (share, taken) = (&share, &taken);
                    scope.spawn(move || {
                        while let Some(some) = if thread == 0 { share.first() } else { share.last() } {
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
