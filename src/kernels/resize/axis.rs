//! What the output positions of one axis read, as tables of the same length for each.

use crate::graph::resample::Tap;
use crate::kernels::ir::LANES;
use crate::kernels::lower::{LowerError, distance};

/// As many elements of a line as are read without a loop.
pub(super) const UNROLLED: usize = 4;

/// What each output position of an axis reads, the same number of elements everywhere.
pub(super) struct Axis {
    /// How many that is.
    pub(super) reads: usize,
    /// Which, for each position.
    pub(super) taps: Vec<Vec<Tap>>,
    /// Positions that read nothing; what their taps say does not matter.
    outside: Vec<bool>,
}

impl Axis {
    /// Positions that read fewer elements than others read one in parts: no weight becomes 0, which
    /// would turn an infinite element into NaN.
    pub(super) fn new(mut taps: Vec<Vec<Tap>>) -> Axis {
        let reads = taps.iter().map(Vec::len).max().unwrap_or(1).max(1);
        // Halves and quarters are exact.
        let reads = if reads <= UNROLLED { reads.next_power_of_two() } else { reads };
        let outside: Vec<bool> = taps.iter().map(Vec::is_empty).collect();
        for position in &mut taps {
            let first = position.first().copied().unwrap_or(Tap { index: 0, weight: 1.0 });
            let missing = reads.saturating_sub(position.len().max(1));
            let part = Tap { weight: first.weight / (missing + 1) as f64, ..first };
            position.splice(..position.len().min(1), std::iter::repeat_n(part, missing + 1));
        }
        Axis { reads, taps, outside }
    }

    pub(super) fn any_outside(&self) -> bool {
        self.outside.contains(&true)
    }

    /// The last element that is read.
    pub(super) fn last(&self) -> i64 {
        self.taps.iter().flatten().map(|tap| tap.index as i64).max().unwrap_or(0)
    }

    pub(super) fn weights(&self) -> Vec<u8> {
        self.taps.iter().flatten().flat_map(|tap| (tap.weight as f32).to_le_bytes()).collect()
    }

    /// For each element read its distance from the first in bytes, and its weight.
    pub(super) fn lookups(&self, pitch: i64) -> Result<Vec<u8>, LowerError> {
        let mut bytes = Vec::new();
        for tap in self.taps.iter().flatten() {
            bytes.extend(distance(tap.index as i64 * pitch)?.to_le_bytes());
            bytes.extend((tap.weight as f32).to_le_bytes());
        }
        Ok(bytes)
    }

    /// For each position all bits 1, or 0 where it lies outside.
    pub(super) fn masks(&self) -> Vec<u8> {
        self.outside.iter().flat_map(|&outside| mask(outside)).collect()
    }

    /// For each 8 positions, 8 indices and, unless `copies`, 8 weights for each element read, then
    /// their masks if `masked`. Behind the last position it is repeated.
    pub(super) fn vectors(&self, copies: bool, masked: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        let positions = self.taps.len();
        for start in (0..positions).step_by(LANES) {
            let lanes = (start..start + LANES).map(|i| i.min(positions - 1));
            for k in 0..self.reads {
                let taps = || lanes.clone().filter_map(|i| self.taps.get(i).and_then(|taps| taps.get(k)));
                bytes.extend(taps().flat_map(|tap| (tap.index as i32).to_le_bytes()));
                if !copies {
                    bytes.extend(taps().flat_map(|tap| (tap.weight as f32).to_le_bytes()));
                }
            }
            if masked {
                bytes.extend(lanes.clone().filter_map(|i| self.outside.get(i)).flat_map(|&o| mask(o)));
            }
        }
        bytes
    }
}

fn mask(outside: bool) -> [u8; 4] {
    if outside { [0; 4] } else { [0xff; 4] }
}
