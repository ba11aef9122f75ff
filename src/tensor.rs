//! Dense f32 tensors and views of them.

use std::fmt;
use std::sync::Arc;

/// A dense row-major tensor of `f32`. Clones share the elements until one of them is written to.
///
/// Invariant: `data.len()` is the product of `shape`.
#[derive(Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Arc<Vec<f32>>,
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
        Ok(Tensor { shape: shape.to_vec(), data: Arc::new(data) })
    }

    /// A tensor of zeros.
    ///
    /// # Errors
    /// If the shape's product overflows.
    pub fn zeros(shape: &[usize]) -> Result<Tensor, LengthError> {
        let len = elements(shape).ok_or(LengthError { shape: shape.to_vec(), len: 0 })?;
        Ok(Tensor { shape: shape.to_vec(), data: Arc::new(vec![0.0; len]) })
    }

    /// Its axes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its elements, row-major.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Its elements, row-major, to write; those that a clone shares are copied first.
    pub fn data_mut(&mut self) -> &mut [f32] {
        Arc::<Vec<f32>>::make_mut(&mut self.data)
    }

    /// Its elements, the shape dropped; those that a clone shares are copied.
    pub fn into_data(self) -> Vec<f32> {
        Arc::unwrap_or_clone(self.data)
    }

    /// A view of it.
    pub fn view(&self) -> TensorView<'_> {
        TensorView { shape: &self.shape, data: &self.data }
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
        &self.data
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
}
