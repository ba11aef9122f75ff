//! NumPy's `.npy`: one array in a file.
//!
//! The format is described in NEP 1: the magic bytes, a version, the header's length, a Python
//! dictionary (`descr`, `fortran_order`, `shape`) and the elements. The reader works on bytes that
//! are in memory already, does not recurse, and allocates only after the header's claim about the
//! size has been found to be the size of the data.

mod header;

use std::io;

use half::f16;

use crate::tensor::{Tensor, TensorView};
use header::{Element, Header};

/// Why bytes are no array that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NpyError {
    /// The magic bytes are missing.
    #[error("this is not a .npy file")]
    Magic,
    /// The file ends within the header, or the header is longer than any real one.
    #[error("the header of the .npy file is cut off or too long")]
    Length,
    /// A version that does not exist yet.
    #[error("version {0}.{1} of the .npy format cannot be read")]
    Version(u8, u8),
    /// The header is not the dictionary it should be.
    #[error("the header of the .npy file is damaged: {0}")]
    Header(&'static str),
    /// Elements that are no real numbers, or of a size that is not read.
    #[error("the array holds {what} (`{descr}`); numbers of 1 to 8 bytes and booleans can be read")]
    Type {
        /// NumPy's name of the type.
        descr: String,
        /// What it is.
        what: &'static str,
    },
    /// The shape does not fit the number of bytes that follow.
    #[error("an array of shape {shape:?} and type `{descr}` does not have {bytes} bytes")]
    Size {
        /// The shape that the header claims.
        shape: Vec<u64>,
        /// NumPy's name of the type.
        descr: String,
        /// The bytes after the header.
        bytes: usize,
    },
    /// As f32, the array is larger than the caller allows.
    #[error("an array of shape {shape:?} needs {bytes} bytes, more than the limit of {limit}")]
    Limit {
        /// The shape.
        shape: Vec<u64>,
        /// Its size as f32.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
}

/// Reads an array as f32, row-major. Integers and f64 are rounded to the nearest f32; `true` is 1.
///
/// # Errors
/// If the bytes are no `.npy` file of numbers, lie about their size, or the result would take more
/// than `limit_bytes`.
pub fn read(bytes: &[u8], limit_bytes: u64) -> Result<Tensor, NpyError> {
    let (header, data) = header::parse(bytes)?;
    let size_error =
        || NpyError::Size { shape: header.shape.clone(), descr: header.descr.clone(), bytes: data.len() };
    let len = header.shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d)).ok_or_else(size_error)?;
    let claimed = len.checked_mul(header.element.size() as u64).ok_or_else(size_error)?;
    if claimed != data.len() as u64 {
        return Err(size_error());
    }
    let bytes = len.saturating_mul(4);
    let limit_error = |limit| NpyError::Limit { shape: header.shape.clone(), bytes, limit };
    if bytes > limit_bytes {
        return Err(limit_error(limit_bytes));
    }
    let shape: Option<Vec<usize>> = header.shape.iter().map(|&d| usize::try_from(d).ok()).collect();
    let shape = shape.ok_or_else(size_error)?;
    let mut tensor = Tensor::try_zeros(&shape).ok_or_else(|| limit_error(0))?;
    decode(&header, data, tensor.data_mut());
    if header.fortran_order && shape.len() > 1 {
        let values = row_major(&shape, tensor.data());
        return Tensor::new(&shape, values).map_err(|_| size_error());
    }
    Ok(tensor)
}

/// Writes the elements in the order of the file.
fn decode(header: &Header, data: &[u8], values: &mut [f32]) {
    fn each<const N: usize>(
        data: &[u8],
        big_endian: bool,
        values: &mut [f32],
        convert: impl Fn([u8; N]) -> f32,
    ) {
        for (value, &bytes) in values.iter_mut().zip(data.as_chunks::<N>().0) {
            let mut bytes = bytes;
            if big_endian {
                bytes.reverse();
            }
            *value = convert(bytes);
        }
    }
    let big = header.big_endian;
    match header.element {
        Element::Bool => each(data, big, values, |[b]| if b == 0 { 0.0 } else { 1.0 }),
        Element::U8 => each(data, big, values, |b| f32::from(u8::from_le_bytes(b))),
        Element::I8 => each(data, big, values, |b| f32::from(i8::from_le_bytes(b))),
        Element::U16 => each(data, big, values, |b| f32::from(u16::from_le_bytes(b))),
        Element::I16 => each(data, big, values, |b| f32::from(i16::from_le_bytes(b))),
        Element::U32 => each(data, big, values, |b| u32::from_le_bytes(b) as f32),
        Element::I32 => each(data, big, values, |b| i32::from_le_bytes(b) as f32),
        Element::U64 => each(data, big, values, |b| u64::from_le_bytes(b) as f32),
        Element::I64 => each(data, big, values, |b| i64::from_le_bytes(b) as f32),
        Element::F16 => each(data, big, values, |b| f16::from_le_bytes(b).to_f32()),
        Element::F32 => each(data, big, values, f32::from_le_bytes),
        Element::F64 => each(data, big, values, |b| f64::from_le_bytes(b) as f32),
    }
}

/// Elements whose first axis runs fastest, brought into row-major order.
fn row_major(shape: &[usize], values: &[f32]) -> Vec<f32> {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for &d in shape {
        strides.push(stride);
        stride *= d;
    }
    let mut index = vec![0; shape.len()];
    let mut at = 0;
    let mut out = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        out.push(values[at]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    out
}

/// Writes an array as little-endian f32 in row-major order, version 1.0.
///
/// # Errors
/// If writing fails.
pub fn write(tensor: TensorView<'_>, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
    out.write_all(&header::write(tensor.shape())?)?;
    // Blocks, so that a large array needs no second copy in memory.
    for block in tensor.data().chunks(16 << 10) {
        let bytes: Vec<u8> = block.iter().flat_map(|v| v.to_le_bytes()).collect();
        out.write_all(&bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
