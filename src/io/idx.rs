//! Arrays in the format of MNIST's files: IDX, of unsigned bytes.
//!
//! Two zero bytes, 8 for unsigned bytes, the number of axes, each axis as a big-endian u32, the elements
//! (LeCun, Cortes and Burges, "The MNIST database of handwritten digits").

use crate::limits;

/// An array of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// Its axes.
    pub shape: Vec<usize>,
    /// Its elements, row-major.
    pub data: Vec<u8>,
}

/// Why bytes are no IDX file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdxError {
    /// It does not begin as one.
    #[error("it does not begin with 0, 0, 8 and a number of axes, as an IDX file of bytes does")]
    Header,
    /// It ends early or late.
    #[error("its axes {shape:?} make {expected} elements, but {given} bytes follow")]
    Length {
        /// The axes.
        shape: Vec<usize>,
        /// Their product; `u64::MAX` where that overflows.
        expected: u64,
        /// What is there.
        given: usize,
    },
}

/// Reads an array.
///
/// # Errors
/// If the bytes are no IDX file of unsigned bytes, or not all of one.
pub fn read(bytes: &[u8]) -> Result<Idx, IdxError> {
    let Some((&[0, 0, 8, rank], mut rest)) = bytes.split_first_chunk::<4>() else {
        return Err(IdxError::Header);
    };
    if usize::from(rank) > limits::RANK {
        return Err(IdxError::Header);
    }
    let mut shape = Vec::new();
    for _ in 0..rank {
        let (axis, after) = rest.split_first_chunk::<4>().ok_or(IdxError::Header)?;
        shape.push(u32::from_be_bytes(*axis) as usize);
        rest = after;
    }
    let expected = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64)).unwrap_or(u64::MAX);
    if expected != rest.len() as u64 {
        return Err(IdxError::Length { shape, expected, given: rest.len() });
    }
    Ok(Idx { shape, data: rest.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_big_endian_and_elements_follow() {
        let bytes = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255];
        assert_eq!(read(&bytes), Ok(Idx { shape: vec![2, 3], data: vec![1, 2, 3, 4, 5, 255] }));
    }

    #[test]
    fn what_is_cut_short_or_something_else_is_refused() {
        assert_eq!(read(b"PNG"), Err(IdxError::Header));
        assert_eq!(read(&[0, 0, 8, 1, 0, 0]), Err(IdxError::Header));
        assert_eq!(read(&[0, 0, 8, 99]), Err(IdxError::Header));
        let short = read(&[0, 0, 8, 1, 0, 0, 0, 3, 1]);
        assert_eq!(short, Err(IdxError::Length { shape: vec![3], expected: 3, given: 1 }));
    }
}
