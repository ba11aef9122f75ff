//! Dense f32 tensors and views of them.

mod store;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::pages::{large_vec, large_zeros};
use store::Store;

pub use store::Raw;

/// The bytes of a cache line. Vectors of a row that begins with one cross no other.
const LINE: usize = 64;

/// A dense row-major tensor of `f32`. Clones share the elements until one of them is written to.
///
/// Those that it makes of a shape begin with a cache line, where code is fastest; any other place gives the same results.
/// A file's stay its bytes until somebody asks for numbers.
///
/// Invariant: `at` is a range of `store` of as many elements as the product of `shape`, and all of it where that is a file's.
#[derive(Clone)]
pub struct Tensor {
    shape: Vec<usize>,
    /// The elements, perhaps after padding.
    store: Arc<Store>,
    at: Range<usize>,
}

/// Elements of padding that reach a cache line from anywhere.
const PADDING: usize = LINE / size_of::<f32>();

/// Where the first cache line begins.
fn first_line(all: &[f32]) -> usize {
    all.as_ptr().align_offset(LINE).min(PADDING)
}

/// Nothing but padding up to a cache line, with room for so many elements; or none where there is no memory for them.
fn room(len: usize) -> Option<Vec<f32>> {
    let mut all: Vec<f32> = large_vec(len.checked_add(PADDING)?)?;
    all.resize(first_line(&all), 0.0);
    Some(all)
}

/// Zeros from a cache line on, and where they are; or none where there is no memory for them.
fn zeros(len: usize) -> Option<(Vec<f32>, Range<usize>)> {
    let all = large_zeros(len.checked_add(PADDING)?)?;
    let start = first_line(&all);
    Some((all, start..start + len))
}

impl PartialEq for Tensor {
    fn eq(&self, other: &Tensor) -> bool {
        self.shape == other.shape && self.data() == other.data()
    }
}

/// A borrowed dense row-major tensor.
#[derive(Clone, Copy, Debug)]
pub struct TensorView<'a> {
    shape: &'a [usize],
    data: &'a [f32],
}

/// The number of elements a shape says differs from the number there are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tensor of shape {shape:?} has not {len} elements")]
pub struct LengthError {
    /// The shape asked for.
    pub shape: Vec<usize>,
    /// The elements given.
    pub len: usize,
}

fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}

impl Tensor {
    /// Wraps data, row-major.
    ///
    /// # Errors
    /// If the shape's product is not the length of the data.
    pub fn new(shape: &[usize], data: Vec<f32>) -> Result<Tensor, LengthError> {
        if elements(shape) != Some(data.len()) {
            return Err(LengthError { shape: shape.to_vec(), len: data.len() });
        }
        let at = 0..data.len();
        Ok(Tensor { shape: shape.to_vec(), store: Arc::new(Store::Numbers(data)), at })
    }

    /// Numbers that lie in a file, four bytes each, the lowest first. The file's bytes stay as long as the tensor. None
    /// where there are not as many as the shape says.
    pub(crate) fn in_file(shape: &[usize], bytes: Bytes) -> Option<Tensor> {
        let len = elements(shape)?;
        let fits = len.checked_mul(size_of::<f32>()) == Some(bytes.len());
        fits.then(|| Tensor { shape: shape.to_vec(), store: Arc::new(Store::in_file(bytes)), at: 0..len })
    }

    /// A tensor of zeros.
    ///
    /// # Errors
    /// If the shape's product overflows.
    pub fn zeros(shape: &[usize]) -> Result<Tensor, LengthError> {
        let len = elements(shape).ok_or(LengthError { shape: shape.to_vec(), len: 0 })?;
        let (all, at) = zeros(len).unwrap_or_else(|| (vec![0.0; len], 0..len));
        Ok(Tensor { shape: shape.to_vec(), store: Arc::new(Store::Numbers(all)), at })
    }

    /// A tensor of zeros, or none where there is no memory for it.
    pub(crate) fn try_zeros(shape: &[usize]) -> Option<Tensor> {
        let (all, at) = zeros(elements(shape)?)?;
        Some(Tensor { shape: shape.to_vec(), store: Arc::new(Store::Numbers(all)), at })
    }

    /// Whether the elements of both are the same ones in memory.
    pub(crate) fn is(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.store, &other.store) && self.at == other.at && self.shape == other.shape
    }

    /// The same elements in another shape.
    ///
    /// # Errors
    /// If the shape's product is not the number of elements.
    pub fn reshape(self, shape: &[usize]) -> Result<Tensor, LengthError> {
        let len = self.len();
        if elements(shape) != Some(len) {
            return Err(LengthError { shape: shape.to_vec(), len });
        }
        Ok(Tensor { shape: shape.to_vec(), ..self })
    }

    /// Its axes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// Its elements, row-major. Those of a file that do not begin at a whole number are decoded the first time, and are held
    /// beside its bytes from then on.
    pub fn data(&self) -> &[f32] {
        self.store.numbers().get(self.at.clone()).unwrap_or_default()
    }

    /// Its elements, row-major, as they lie in memory: nothing is decoded.
    pub fn raw(&self) -> Raw<'_> {
        match self.store.in_bytes() {
            Some(bytes) => Raw::Bytes(bytes),
            None => Raw::Numbers(self.data()),
        }
    }

    /// The same elements in memory of their own, or none where there is not enough.
    pub(crate) fn copied(&self) -> Option<Tensor> {
        let mut all = room(self.len())?;
        let start = all.len();
        self.raw().append_to(&mut all);
        Some(Tensor { shape: self.shape.clone(), at: start..all.len(), store: Arc::new(Store::Numbers(all)) })
    }

    /// Its elements, row-major, to write; where others share their memory or it is a file's, they are copied first.
    pub fn data_mut(&mut self) -> &mut [f32] {
        if !matches!(Arc::get_mut(&mut self.store), Some(Store::Numbers(_))) {
            *self = self.copied().unwrap_or_else(|| {
                let mut numbers = Vec::new();
                self.raw().append_to(&mut numbers);
                let at = 0..numbers.len();
                Tensor { shape: self.shape.clone(), store: Arc::new(Store::Numbers(numbers)), at }
            });
        }
        match Arc::get_mut(&mut self.store) {
            Some(Store::Numbers(all)) => all.get_mut(self.at.clone()).unwrap_or_default(),
            _ => &mut [],
        }
    }

    /// Its elements, the shape dropped; where others share their memory, they are copied.
    pub fn into_data(mut self) -> Vec<f32> {
        let at = self.at.clone();
        match Arc::get_mut(&mut self.store) {
            Some(Store::Numbers(all)) => {
                all.truncate(at.end);
                all.drain(..at.start.min(all.len()));
                std::mem::take(all)
            }
            _ => {
                let mut all = Vec::new();
                self.raw().append_to(&mut all);
                all
            }
        }
    }

    /// A view of it.
    pub fn view(&self) -> TensorView<'_> {
        TensorView { shape: &self.shape, data: self.data() }
    }
}

impl<'a> TensorView<'a> {
    /// Views data, row-major.
    ///
    /// # Errors
    /// If the shape's product is not the length of the data.
    pub fn new(shape: &'a [usize], data: &'a [f32]) -> Result<TensorView<'a>, LengthError> {
        if elements(shape) != Some(data.len()) {
            return Err(LengthError { shape: shape.to_vec(), len: data.len() });
        }
        Ok(TensorView { shape, data })
    }

    /// Its axes, outermost first.
    pub fn shape(&self) -> &'a [usize] {
        self.shape
    }

    /// Its elements, row-major.
    pub fn data(&self) -> &'a [f32] {
        self.data
    }
}

impl AsRef<[f32]> for Tensor {
    fn as_ref(&self) -> &[f32] {
        self.data()
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor{:?}", self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_elements_until_they_are_written() {
        let first = Tensor::new(&[2], vec![1.0, 2.0]).expect("the lengths agree");
        let mut second = first.clone();
        assert!(std::ptr::eq(first.data(), second.data()));
        second.data_mut()[0] = 3.0;
        assert_eq!((first.data(), second.data()), (&[1.0, 2.0][..], &[3.0, 2.0][..]));
        assert_eq!(first.clone().into_data(), [1.0, 2.0]);
        assert_eq!(first.data(), [1.0, 2.0]);
    }

    #[test]
    fn numbers_in_a_file_are_numbers_wherever_they_begin() {
        let numbers = [1.0f32, -2.5, f32::MIN_POSITIVE, 4.0];
        let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        for before in 0..5 {
            let file = Bytes::from([vec![7; before], bytes.clone()].concat());
            let tensor = |shape: &[usize], from: usize| Tensor::in_file(shape, file.slice(from..));
            assert!(tensor(&[3], before).is_none() && tensor(&[usize::MAX, 2], before).is_none());
            let first = tensor(&[2, 2], before).expect("as many numbers");
            let Raw::Bytes(raw) = first.raw() else { panic!("it was decoded") };
            assert_eq!((raw, first.len()), (&bytes[..], 4));
            assert_eq!(first, Tensor::new(&[2, 2], numbers.to_vec()).expect("the lengths agree"));
            // A copy that is written to leaves the file's as they are.
            let mut second = first.clone().reshape(&[4]).expect("as many elements");
            second.data_mut()[1] = 9.0;
            assert_eq!((second.data(), first.data()), (&[1.0, 9.0, numbers[2], 4.0][..], &numbers[..]));
            assert_eq!((first.clone().into_data(), first.into_data()), (numbers.to_vec(), numbers.to_vec()));
        }
        let empty = Tensor::in_file(&[0, 3], Bytes::new()).expect("no elements");
        assert!(empty.is_empty() && empty.data().is_empty());
    }

    #[test]
    fn own_elements_begin_with_a_cache_line() {
        let mut tensor = Tensor::zeros(&[3, 5]).expect("the shape is small");
        tensor.data_mut()[14] = 2.0;
        let shared = tensor.clone();
        tensor.data_mut()[0] = 1.0;
        for tensor in [&tensor, &shared] {
            assert_eq!((tensor.data().as_ptr().align_offset(LINE), tensor.data().len()), (0, 15));
            assert_eq!(tensor.data()[14], 2.0);
        }
        assert_eq!(tensor.clone().into_data(), tensor.data());
        let flat = tensor.reshape(&[15]).expect("as many elements");
        assert_eq!((flat.shape(), flat.data()[0]), (&[15][..], 1.0));
        assert_eq!(flat.reshape(&[4]).map_err(|e| e.len), Err(15));
        assert_eq!(Tensor::zeros(&[0, 3]).expect("no elements").data().len(), 0);
        assert!(Tensor::zeros(&[usize::MAX, 2]).is_err());
    }
}
