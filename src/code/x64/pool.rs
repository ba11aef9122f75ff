//! Constants behind the code.

use std::collections::BTreeMap;

/// Bytes between the boundaries that constants start at.
pub(super) const ALIGN: usize = 32;

/// A constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Constant {
    /// The same 32 bits in 8 lanes, for arithmetic to read as an operand.
    Splat(u32),
    /// 32 bits, for a broadcast.
    Scalar(u32),
    /// All ones in the first lanes, zeros in the others.
    Mask(u8),
    /// All ones in the last lanes, zeros in the others.
    LastMask(u8),
}

/// Constants, each once, in the order of their first use.
#[derive(Default)]
pub(super) struct Pool {
    entries: Vec<Constant>,
    index: BTreeMap<Constant, u32>,
}

/// The number of a constant in its pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConstantId(u32);

impl Pool {
    pub fn add(&mut self, constant: Constant) -> ConstantId {
        let next = self.entries.len() as u32;
        ConstantId(*self.index.entry(constant).or_insert_with(|| {
            self.entries.push(constant);
            next
        }))
    }

    /// The bytes, and where in them each constant stands. A scalar that is also a splat's lane shares it.
    pub fn lay_out(&self) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Vec::new();
        let mut places = vec![0; self.entries.len()];
        for (place, entry) in places.iter_mut().zip(&self.entries) {
            let words = match entry {
                Constant::Splat(bits) => [*bits; 8],
                Constant::Mask(lanes) => {
                    std::array::from_fn(|lane| if lane < usize::from(*lanes) { u32::MAX } else { 0 })
                }
                Constant::LastMask(lanes) => {
                    std::array::from_fn(|lane| if lane + usize::from(*lanes) < 8 { 0 } else { u32::MAX })
                }
                Constant::Scalar(_) => continue,
            };
            *place = bytes.len();
            bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
        for (i, entry) in self.entries.iter().enumerate() {
            let Constant::Scalar(bits) = entry else { continue };
            places[i] = match self.index.get(&Constant::Splat(*bits)) {
                Some(&splat) => places[splat as usize],
                None => {
                    bytes.extend(bits.to_le_bytes());
                    bytes.len() - 4
                }
            };
        }
        (bytes, places)
    }

    /// Where a constant stands, by the places that [`Self::lay_out`] gave.
    pub fn place(places: &[usize], id: ConstantId) -> Option<usize> {
        places.get(id.0 as usize).copied()
    }
}
