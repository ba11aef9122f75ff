//! Things that are kept once each, numbered in the order of their first coming.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

/// Distinct things and their numbers.
#[derive(Debug)]
pub(super) struct Index<T> {
    items: Vec<T>,
    /// By hash, the numbers of what has it.
    numbers: HashMap<u64, Vec<u32>>,
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        Index { items: Vec::new(), numbers: HashMap::new() }
    }
}

impl<T: Hash + Eq> Index<T> {
    /// The number of `item`, a new one where no equal one is there.
    pub(super) fn add(&mut self, item: T) -> u32 {
        let mut hasher = Folding(0);
        item.hash(&mut hasher);
        let numbers = self.numbers.entry(hasher.finish()).or_default();
        let same = |number: &&u32| self.items.get(**number as usize) == Some(&item);
        if let Some(number) = numbers.iter().find(same) {
            return *number;
        }
        let number = self.items.len() as u32;
        numbers.push(number);
        self.items.push(item);
        number
    }

    /// The things, each at its number.
    pub(super) fn into_items(self) -> Vec<T> {
        self.items
    }
}

/// A hash of many small fields, which the standard library's takes longer over than it takes to write what they say. It
/// withstands nobody who looks for equal hashes: they cost comparisons.
struct Folding(u64);

/// An odd number without a pattern: the golden ratio's fraction.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

impl Folding {
    fn fold(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(MIX);
    }
}

impl Hasher for Folding {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        words.iter().for_each(|&word| self.fold(u64::from_le_bytes(word)));
        rest.iter().for_each(|&byte| self.fold(byte.into()));
    }

    fn write_u8(&mut self, word: u8) {
        self.fold(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.fold(word.into());
    }

    fn write_i32(&mut self, word: i32) {
        self.fold(u64::from(word as u32));
    }

    fn write_u64(&mut self, word: u64) {
        self.fold(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.fold(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.fold(word as u64);
    }

    /// The upper bits are the better ones, and a table looks at the lower ones, too.
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_things_have_one_number() {
        let mut index = Index::default();
        let words = ["a", "b", "a", "a longer one", "b", "a longer two", "a longer one"];
        assert_eq!(words.map(|word| index.add(word)), [0, 1, 0, 2, 1, 3, 2]);
        assert_eq!(index.into_items(), ["a", "b", "a longer one", "a longer two"]);
    }

    #[test]
    fn things_of_one_hash_are_told_apart() {
        #[derive(PartialEq, Eq)]
        struct Alike(u8);
        impl Hash for Alike {
            fn hash<H: Hasher>(&self, _: &mut H) {}
        }
        let mut index = Index::default();
        assert_eq!([1, 2, 1, 3, 2].map(|n| index.add(Alike(n))), [0, 1, 0, 2, 1]);
    }
}
