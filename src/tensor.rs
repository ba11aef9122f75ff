//! Dense f32 tensors and views of them.

use std::fmt;
use std::sync::Arc;

/// The bytes of a cache line. Vectors of a row that begins with one cross no other.
const LINE: usize = 64;

/// A dense row-major tensor of `f32`. Clones share the elements until one of them is written to.
///
/// Those that the library makes begin with a cache line, where code is fastest; any other place gives the same results.
///
/// Invariant: `data` has as many elements as the product of `shape`.
#[derive(Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Arc<Elements>,
}

/// Elements that follow some padding, by which they begin with a cache line.
struct Elements {
    all: Vec<f32>,
    /// Where they begin, at most `all.len()`.
    start: usize,
}

impl Elements {
    /// Zeros, or none where there is no memory for them.
    fn zeros(len: usize) -> Option<Elements> {
        let mut all: Vec<f32> = Vec::new();
        all.try_reserve_exact(len.checked_add(LINE / size_of::<f32>())?).ok()?;
        let start = all.as_ptr().align_offset(LINE).min(all.capacity() - len);
        all.resize(start + len, 0.0);
        Some(Elements { all, start })
    }

    fn get(&self) -> &[f32] {
        self.all.get(self.start..).unwrap_or_default()
    }

    fn get_mut(&mut self) -> &mut [f32] {
        self.all.get_mut(self.start..).unwrap_or_default()
    }
}

impl Clone for Elements {
    fn clone(&self) -> Elements {
        match Elements::zeros(self.get().len()) {
            Some(mut copy) => {
                copy.get_mut().copy_from_slice(self.get());
                copy
            }
            None => Elements { all: self.get().to_vec(), start: 0 },
        }
    }
}

impl PartialEq for Elements {
    fn eq(&self, other: &Elements) -> bool {
        self.get() == other.get()
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
        Ok(Tensor { shape: shape.to_vec(), data: Arc::new(Elements { all: data, start: 0 }) })
    }

    /// A tensor of zeros.
    ///
    /// # Errors
    /// If the shape's product overflows.
    pub fn zeros(shape: &[usize]) -> Result<Tensor, LengthError> {
        let len = elements(shape).ok_or(LengthError { shape: shape.to_vec(), len: 0 })?;
        let data = Elements::zeros(len).unwrap_or_else(|| Elements { all: vec![0.0; len], start: 0 });
        Ok(Tensor { shape: shape.to_vec(), data: Arc::new(data) })
    }

    /// A tensor of zeros, or none where there is no memory for it.
    pub(crate) fn try_zeros(shape: &[usize]) -> Option<Tensor> {
        let data = Elements::zeros(elements(shape)?)?;
        Some(Tensor { shape: shape.to_vec(), data: Arc::new(data) })
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
        Ok(Tensor { shape: shape.to_vec(), data: self.data })
    }

    /// Its axes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its elements, row-major.
    pub fn data(&self) -> &[f32] {
        self.data.get()
    }

    /// Its elements, row-major, to write; those that a clone shares are copied first.
    pub fn data_mut(&mut self) -> &mut [f32] {
        Arc::<Elements>::make_mut(&mut self.data).get_mut()
    }

    /// Its elements, the shape dropped; those that a clone shares are copied.
    pub fn into_data(self) -> Vec<f32> {
        let Elements { mut all, start } = Arc::unwrap_or_clone(self.data);
        all.drain(..start.min(all.len()));
        all
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
