//! Dense f32 tensors and views of them.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The bytes of a cache line. Vectors of a row that begins with one cross no other.
const LINE: usize = 64;

/// A dense row-major tensor of `f32`. Clones share the elements until one of them is written to.
///
/// Those that it makes of a shape begin with a cache line, where code is fastest; any other place gives the same results.
///
/// Invariant: `at` is a range of `store` of as many elements as the product of `shape`.
#[derive(Clone)]
pub struct Tensor {
    shape: Vec<usize>,
    /// The elements, perhaps among those of other tensors.
    store: Arc<Vec<f32>>,
    at: Range<usize>,
}

/// Nothing but padding up to a cache line, with room for so many elements; or none where there is no memory for them.
fn room(len: usize) -> Option<Vec<f32>> {
    let mut all: Vec<f32> = Vec::new();
    all.try_reserve_exact(len.checked_add(LINE / size_of::<f32>())?).ok()?;
    let start = all.as_ptr().align_offset(LINE).min(all.capacity() - len);
    all.resize(start, 0.0);
    Some(all)
}

/// Zeros from a cache line on, and where they are; or none where there is no memory for them.
fn zeros(len: usize) -> Option<(Vec<f32>, Range<usize>)> {
    let mut all = room(len)?;
    let at = all.len()..all.len() + len;
    all.resize(at.end, 0.0);
    Some((all, at))
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
        Ok(Tensor { shape: shape.to_vec(), store: Arc::new(data), at })
    }

    /// Tensors whose elements follow each other in memory, all of which stays as long as one of them. None where there are
    /// not as many elements as they have.
    pub(crate) fn in_one(shapes: Vec<Vec<usize>>, data: Vec<f32>) -> Option<Vec<Tensor>> {
        let (store, mut end) = (Arc::new(data), 0usize);
        let mut tensors = Vec::with_capacity(shapes.len());
        for shape in shapes {
            let at = end..end.checked_add(elements(&shape)?)?;
            end = at.end;
            tensors.push(Tensor { shape, store: Arc::clone(&store), at });
        }
        (end == store.len()).then_some(tensors)
    }

    /// A tensor of zeros.
    ///
    /// # Errors
    /// If the shape's product overflows.
    pub fn zeros(shape: &[usize]) -> Result<Tensor, LengthError> {
        let len = elements(shape).ok_or(LengthError { shape: shape.to_vec(), len: 0 })?;
        let (all, at) = zeros(len).unwrap_or_else(|| (vec![0.0; len], 0..len));
        Ok(Tensor { shape: shape.to_vec(), store: Arc::new(all), at })
    }

    /// A tensor of zeros, or none where there is no memory for it.
    pub(crate) fn try_zeros(shape: &[usize]) -> Option<Tensor> {
        let (all, at) = zeros(elements(shape)?)?;
        Some(Tensor { shape: shape.to_vec(), store: Arc::new(all), at })
    }

    /// The same elements in another shape.
    ///
    /// # Errors
    /// If the shape's product is not the number of elements.
    pub fn reshape(self, shape: &[usize]) -> Result<Tensor, LengthError> {
        let len = self.data().len();
        if elements(shape) != Some(len) {
            return Err(LengthError { shape: shape.to_vec(), len });
        }
        Ok(Tensor { shape: shape.to_vec(), ..self })
    }

    /// Its axes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its elements, row-major.
    pub fn data(&self) -> &[f32] {
        self.store.get(self.at.clone()).unwrap_or_default()
    }

    /// Its elements, row-major, to write; where others share their memory, they are copied first.
    pub fn data_mut(&mut self) -> &mut [f32] {
        if Arc::get_mut(&mut self.store).is_none() {
            let mut all = room(self.at.len()).unwrap_or_default();
            let start = all.len();
            all.extend_from_slice(self.data());
            (self.at, self.store) = (start..all.len(), Arc::new(all));
        }
        Arc::make_mut(&mut self.store).get_mut(self.at.clone()).unwrap_or_default()
    }

    /// Its elements, the shape dropped; where others share their memory, they are copied.
    pub fn into_data(mut self) -> Vec<f32> {
        let at = self.at.clone();
        match Arc::get_mut(&mut self.store) {
            Some(all) => {
                all.truncate(at.end);
                all.drain(..at.start.min(all.len()));
                std::mem::take(all)
            }
            None => self.data().to_vec(),
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
    fn tensors_in_one_piece_of_memory_are_tensors() {
        let shapes = vec![vec![2], vec![0, 3], vec![2, 2], vec![]];
        let data = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        assert!(Tensor::in_one(shapes.clone(), data[..6].to_vec()).is_none());
        assert!(Tensor::in_one(shapes[..3].to_vec(), data.clone()).is_none());
        assert!(Tensor::in_one(vec![vec![usize::MAX, 2]], data.clone()).is_none());
        let mut all = Tensor::in_one(shapes, data).expect("as many elements");
        assert_eq!(all[2], Tensor::new(&[2, 2], vec![3.0, 4.0, 5.0, 6.0]).expect("the lengths agree"));
        assert_ne!(all[0], all[1]);
        // What is written to one is no other's.
        all[2].data_mut()[3] = 9.0;
        let read: Vec<Vec<f32>> = all.into_iter().map(Tensor::into_data).collect();
        assert_eq!(read, [vec![1.0, 2.0], vec![], vec![3.0, 4.0, 5.0, 9.0], vec![7.0]]);
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
