//! The memory that interpreted kernels work on: one byte buffer for each base.

use super::{Fault, InterpretError};
use crate::kernels::ir::LANES;
use crate::kernels::step::{Base, Lowered};

/// What memory holds before anything is written: a quiet NaN in every f32, so that a result that
/// depends on it shows.
const UNWRITTEN: u8 = 0xff;

/// Byte buffers in the order of [`Lowered::base_index`].
#[derive(Clone, Debug)]
pub struct Memory {
    /// The buffers.
    pub buffers: Vec<Vec<u8>>,
}

impl Memory {
    /// Buffers of the sizes that `lowered` asks for, the constants filled in, all else NaN.
    ///
    /// # Errors
    /// If there is not that much memory.
    pub fn new(lowered: &Lowered) -> Result<Memory, InterpretError> {
        let arena =
            [lowered.consts.len() as u64, lowered.packed_bytes, lowered.arena_bytes, lowered.local_bytes];
        let lists = [&lowered.input_bytes, &lowered.output_bytes, &lowered.param_bytes];
        let sizes = arena.iter().chain(lists.into_iter().flatten());
        let mut buffers = Vec::new();
        for &size in sizes {
            let mut buffer = Vec::new();
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            buffer.try_reserve_exact(size).map_err(|_| InterpretError {
                kernel: String::new(),
                what: format!("there is no memory for a buffer of {size} bytes"),
            })?;
            buffer.resize(size, UNWRITTEN);
            buffers.push(buffer);
        }
        if let Some(consts) = buffers.first_mut() {
            consts.copy_from_slice(&lowered.consts);
        }
        Ok(Memory { buffers })
    }

    /// Fills the start of a base with numbers.
    ///
    /// # Errors
    /// If it has fewer bytes than `values`.
    pub fn write(&mut self, lowered: &Lowered, base: Base, values: &[f32]) -> Result<(), InterpretError> {
        let buffer = self.buffers.get_mut(lowered.base_index(base));
        let Some(bytes) = buffer.and_then(|b| b.get_mut(..4 * values.len())) else {
            return Err(InterpretError {
                kernel: String::new(),
                what: format!("{base:?} has no room for {} numbers", values.len()),
            });
        };
        for (to, value) in bytes.chunks_exact_mut(4).zip(values) {
            to.copy_from_slice(&value.to_le_bytes());
        }
        Ok(())
    }

    /// A base as numbers; none where there is no such base.
    pub fn read(&self, lowered: &Lowered, base: Base) -> Vec<f32> {
        let bytes = self.buffers.get(lowered.base_index(base)).map_or(&[][..], Vec::as_slice);
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    }

    pub(super) fn load(&self, at: Place) -> Result<u32, Fault> {
        let bytes: &[u8; 4] = self.slice(at)?;
        Ok(u32::from_le_bytes(*bytes))
    }

    pub(super) fn load_vector(&self, at: Place) -> Result<[u32; LANES], Fault> {
        let bytes: &[u8; 4 * LANES] = self.slice(at)?;
        let mut lanes = [0; LANES];
        for (lane, b) in lanes.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *lane = u32::from_le_bytes(*b);
        }
        Ok(lanes)
    }

    pub(super) fn store(&mut self, at: Place, value: u32) -> Result<(), Fault> {
        *self.slice_mut(at)? = value.to_le_bytes();
        Ok(())
    }

    pub(super) fn store_vector(&mut self, at: Place, lanes: [u32; LANES]) -> Result<(), Fault> {
        let bytes: &mut [u8; 4 * LANES] = self.slice_mut(at)?;
        for (b, lane) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(lanes) {
            *b = lane.to_le_bytes();
        }
        Ok(())
    }

    fn slice<const N: usize>(&self, at: Place) -> Result<&[u8; N], Fault> {
        let bytes = self.buffers.get(at.buffer).map_or(&[][..], Vec::as_slice);
        let start = usize::try_from(at.offset).ok();
        let found = start.and_then(|start| bytes.get(start..)).and_then(|tail| tail.first_chunk());
        found.ok_or(Fault::Memory { at, bytes: N, len: bytes.len() })
    }

    fn slice_mut<const N: usize>(&mut self, at: Place) -> Result<&mut [u8; N], Fault> {
        let bytes = self.buffers.get_mut(at.buffer).map_or(&mut [][..], Vec::as_mut_slice);
        let len = bytes.len();
        let start = usize::try_from(at.offset).ok();
        let found = start.and_then(|start| bytes.get_mut(start..)).and_then(|tail| tail.first_chunk_mut());
        found.ok_or(Fault::Memory { at, bytes: N, len })
    }
}

/// A byte of [`Memory`]; need not lie within it until it is accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// An index into [`Memory::buffers`].
    pub buffer: usize,
    /// Bytes from its start.
    pub offset: i64,
}

impl Place {
    pub(super) fn plus(self, bytes: i64) -> Result<Place, Fault> {
        let offset = self.offset.checked_add(bytes).ok_or(Fault::Overflow)?;
        Ok(Place { offset, ..self })
    }
}
