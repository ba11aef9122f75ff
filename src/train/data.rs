//! Samples, and the order in which they are seen.

use crate::runtime::params::Stream;
use crate::tensor::{LengthError, Tensor};

/// Samples with what is wanted of each: a whole set, or a batch of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// The model's inputs, samples first.
    pub inputs: Vec<Tensor>,
    /// Targets, samples first; of classes their numbers.
    pub target: Tensor,
}

impl Dataset {
    /// How many samples there are.
    pub fn samples(&self) -> usize {
        self.target.shape().first().copied().unwrap_or(0)
    }

    /// The samples of some numbers, which are below [`Dataset::samples`].
    ///
    /// # Errors
    /// If an input has fewer samples than the target.
    pub fn batch(&self, numbers: &[usize]) -> Result<Dataset, LengthError> {
        let inputs = self.inputs.iter().map(|tensor| gather(tensor, numbers)).collect::<Result<_, _>>()?;
        Ok(Dataset { inputs, target: gather(&self.target, numbers)? })
    }
}

fn gather(tensor: &Tensor, numbers: &[usize]) -> Result<Tensor, LengthError> {
    let mut shape = tensor.shape().to_vec();
    let samples = shape.first().copied().unwrap_or(0);
    let each = tensor.data().len() / samples.max(1);
    if let Some(first) = shape.first_mut() {
        *first = numbers.len();
    }
    let of = |&n: &usize| tensor.data().get(n * each..(n + 1) * each).unwrap_or_default();
    let mut data = Vec::with_capacity(numbers.len() * each);
    for number in numbers {
        data.extend_from_slice(of(number));
    }
    Tensor::new(&shape, data)
}

/// The first element that is no number, or infinite.
pub(crate) fn not_finite(data: &[f32]) -> Option<usize> {
    data.iter().position(|v| !v.is_finite())
}

/// The first element that is no whole number from 0 to below `end`: no class, or no number of a sample.
pub(crate) fn not_below(data: &[f32], end: u64) -> Option<usize> {
    data.iter().position(|&v| v.fract() != 0.0 || v < 0.0 || v >= end as f32)
}

/// The order of samples in an epoch: shuffled by the seed and the epoch alone, so that a run that is resumed
/// sees what the whole run would have seen.
pub fn shuffled(samples: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..samples).collect();
    let mut stream = Stream::new(seed, &format!("epoch {epoch}"));
    // Fisher and Yates; the product's upper half is a number below i + 1.
    for i in (1..samples).rev() {
        let j = (u128::from(stream.next()) * (i as u128 + 1)) >> 64;
        order.swap(i, j as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_seen_once_an_epoch_in_an_order_of_its_own() {
        let (first, second) = (shuffled(100, 7, 0), shuffled(100, 7, 1));
        assert_ne!(first, second);
        assert_eq!(first, shuffled(100, 7, 0));
        for order in [first, second] {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..100).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_batch_has_the_samples_of_its_numbers() {
        let x = Tensor::new(&[3, 2], vec![0.0, 1.0, 10.0, 11.0, 20.0, 21.0]).expect("it fits");
        let set =
            Dataset { inputs: vec![x], target: Tensor::new(&[3], vec![0.0, 1.0, 2.0]).expect("it fits") };
        let batch = set.batch(&[2, 0]).expect("they are there");
        assert_eq!(batch.inputs[0].data(), [20.0, 21.0, 0.0, 1.0]);
        assert_eq!(batch.target.data(), [2.0, 0.0]);
    }
}
