//! Where elements are: numbers of their own, or bytes of a file that are decoded when somebody asks for numbers.
//!
//! Nearly all of a network is weights, and a program packs them once: read from the file's bytes they are neither copied nor
//! is there memory for a copy. Who wants numbers, as an evaluator does, gets them all the same.

use std::sync::OnceLock;

use bytes::Bytes;

/// Elements, which clones of a tensor share.
#[derive(Debug)]
pub(super) enum Store {
    /// Numbers in memory.
    Numbers(Vec<f32>),
    /// Numbers in a file.
    File(InFile),
}

/// Numbers as files have them: four bytes each, the lowest first, which may begin anywhere.
#[derive(Debug)]
pub(super) struct InFile {
    /// As many as make whole numbers.
    bytes: Bytes,
    /// The same numbers, from when they were first asked for; none where the bytes can be seen as numbers.
    numbers: OnceLock<Vec<f32>>,
}

/// Elements as they lie in memory.
#[derive(Clone, Copy, Debug)]
pub enum Raw<'a> {
    /// Numbers.
    Numbers(&'a [f32]),
    /// The bytes of numbers, four each, the lowest first, which may begin anywhere. Only machines with this order have them.
    Bytes(&'a [u8]),
}

/// The numbers of a file's bytes.
fn numbers(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks().0.iter().map(|&number| f32::from_le_bytes(number))
}

impl Store {
    /// Numbers in a file; decoded at once where the machine has its bytes in the other order.
    pub(super) fn in_file(bytes: Bytes) -> Store {
        if cfg!(target_endian = "little") {
            Store::File(InFile { bytes, numbers: OnceLock::new() })
        } else {
            Store::Numbers(numbers(&bytes).collect())
        }
    }

    pub(super) fn numbers(&self) -> &[f32] {
        match self {
            Store::Numbers(numbers) => numbers,
            Store::File(file) => match bytemuck::try_cast_slice(&file.bytes) {
                Ok(numbers) => numbers,
                Err(_) => file.numbers.get_or_init(|| numbers(&file.bytes).collect()),
            },
        }
    }

    /// The bytes of numbers in a file.
    pub(super) fn in_bytes(&self) -> Option<&[u8]> {
        match self {
            Store::Numbers(_) => None,
            Store::File(file) => Some(&file.bytes),
        }
    }
}

impl Raw<'_> {
    /// A number.
    pub(crate) fn get(&self, index: usize) -> Option<f32> {
        match self {
            Raw::Numbers(numbers) => numbers.get(index).copied(),
            Raw::Bytes(bytes) => bytes.as_chunks().0.get(index).map(|&number| f32::from_le_bytes(number)),
        }
    }

    /// Puts all of them behind others.
    pub(super) fn append_to(self, others: &mut Vec<f32>) {
        match self {
            Raw::Numbers(all) => others.extend_from_slice(all),
            Raw::Bytes(bytes) => others.extend(numbers(bytes)),
        }
    }

    /// Its first byte.
    pub(crate) fn start(&self) -> *const u8 {
        match self {
            Raw::Numbers(numbers) => numbers.as_ptr().cast(),
            Raw::Bytes(bytes) => bytes.as_ptr(),
        }
    }

    /// How many bytes there are.
    pub(crate) fn size(&self) -> usize {
        match self {
            Raw::Numbers(numbers) => size_of_val(*numbers),
            Raw::Bytes(bytes) => bytes.len(),
        }
    }
}
