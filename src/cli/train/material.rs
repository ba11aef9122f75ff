//! What a training learns from, in which order, and what it is validated with.

use std::path::Path;

use super::pair::Pair;
use super::{Args, data, pair};
use crate::cli::console::{Console, shown};
use crate::cli::failure::Failure;
use crate::cli::models::{Opened, with_sizes};
use crate::io::{npy, safe_file};
use crate::tensor::Tensor;
use crate::train::{Dataset, not_below, shuffled};

/// What is learned from.
pub(super) struct Material {
    /// The sizes that the model leaves open.
    pub(super) sizes: Vec<(String, u64)>,
    pub(super) train: Dataset,
    pub(super) validation: Option<Dataset>,
    /// Names of classes, where there are any.
    pub(super) classes: Vec<String>,
    /// Bytes of memory that are left beside it.
    pub(super) memory: u64,
}

/// Reads the data; a pair of files gives open sizes, other data takes them as they are.
pub(super) fn read(args: &Args, opened: &Opened, console: &mut Console) -> Result<Material, Failure> {
    let memory = args.making.memory();
    let (sizes, graph, found) = match &args.target {
        Some(target) => {
            let Pair { sizes, graph, found } = pair::read(args, target, opened, console)?;
            (sizes, graph, found)
        }
        None => {
            let sizes = opened.sizes_with_defaults(args.choice.sizes(), console)?;
            let graph = opened.graph(&with_sizes(opened.options(), &sizes), console)?;
            let found = data::read(&args.data, &graph, args.loss(), memory, &[])?;
            (sizes, graph, found)
        }
    };
    let held = |set: &Dataset| {
        // And the order in which they are seen.
        let order = 8 * set.samples() as u64;
        set.inputs.iter().chain([&set.target]).map(|tensor| 4 * tensor.data().len() as u64).sum::<u64>() + order
    };
    let left = |held: u64| match memory.checked_sub(held) {
        Some(left) => Ok(left),
        None => Err(Failure::from(crate::model::Error::Memory {
            needed: held,
            limit: memory,
            layer: "the samples".to_owned(),
        })),
    };
    let (train, validation) = match args.val.as_deref() {
        None => (found.train, found.test),
        Some(text) => match text.parse::<f64>() {
            Ok(share) if share > 0.0 && share < 1.0 => {
                // Both parts are made before the whole goes.
                left(2 * held(&found.train))?;
                split(&found.train, share)?
            }
            Ok(share) => return Err(Failure::usage(format!("--val: {share} is no share between 0 and 1"))),
            Err(_) => {
                let left = left(held(&found.train))?;
                let other = data::read(Path::new(text), &graph, args.loss(), left, &found.classes)?;
                (found.train, Some(other.test.unwrap_or(other.train)))
            }
        },
    };
    let memory = left(held(&train) + validation.as_ref().map_or(0, held))?;
    Ok(Material { sizes, train, validation, classes: found.classes, memory })
}

/// A share of the samples for validation, picked by a generator of its own.
fn split(set: &Dataset, share: f64) -> Result<(Dataset, Option<Dataset>), Failure> {
    let order = shuffled(set.samples(), 0, 0);
    let (n, taken) = (order.len(), (share * order.len() as f64).round() as usize);
    if taken == 0 || taken == n {
        let left = if taken == 0 { "to validate with" } else { "to train on" };
        return Err(Failure::usage(format!("--val {share}: of {n} samples that leaves none {left}")));
    }
    let part = |numbers: &[usize]| set.batch(numbers).map_err(|e| Failure::Bug(e.to_string()));
    let (train, validation) = order.split_at(n - taken);
    Ok((part(train)?, Some(part(validation)?)))
}

/// The numbers of the samples of each step.
pub(super) struct Order {
    /// Steps × samples.
    pub(super) shape: [usize; 2],
    numbers: Tensor,
}

impl Order {
    /// Reads it from a file.
    pub(super) fn read(path: &Path, samples: usize, memory: u64) -> Result<Order, Failure> {
        let about = |text: String| Failure::data(text).about(&shown(path));
        let bytes = safe_file::read(path, memory).map_err(Failure::file)?;
        let numbers =
            npy::read(&bytes, memory.saturating_sub(bytes.len() as u64)).map_err(|e| about(e.to_string()))?;
        let &[steps, batch] = numbers.shape() else {
            return Err(about(format!("its shape is {:?} instead of steps × samples", numbers.shape())));
        };
        if steps == 0 || batch == 0 {
            return Err(about("it has no steps".to_owned()));
        }
        if let Some(at) = not_below(numbers.data(), samples as u64) {
            let bad = numbers.data()[at];
            return Err(about(format!("{bad} is no number of a sample; there are {samples}")));
        }
        Ok(Order { shape: [steps, batch], numbers })
    }

    /// What tells it from other orders: FNV-1a of its shape and numbers.
    pub(super) fn digest(&self) -> String {
        let numbers = self.numbers.data().iter().map(|&n| n as u64);
        let all = self.shape.map(|n| n as u64).into_iter().chain(numbers);
        let bytes = all.flat_map(u64::to_le_bytes);
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:016x}")
    }

    /// The samples of a step, which is counted from 0.
    pub(super) fn step(&self, step: u64) -> Vec<usize> {
        let numbers = self.numbers.data().chunks(self.shape[1]).nth(step as usize).unwrap_or_default();
        numbers.iter().map(|&n| n as usize).collect()
    }
}
