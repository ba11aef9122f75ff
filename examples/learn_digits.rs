//! Trains LeNet to read the handwritten digits that are shipped.
//!
//! `cargo run --release --example learn_digits`; `convc train` does the same from the command line.

use std::collections::BTreeMap;
use std::error::Error;

use convc::io::npz;
use convc::train::{Dataset, Decay, Loss, Optimizer, Schedule, TrainOptions, Trainer, shuffled};
use convc::{Model, Options, Tensor};

const BATCH: usize = 32;

/// The digits to learn from, and those to be told apart afterwards.
fn digits() -> Result<[Dataset; 2], Box<dyn Error>> {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/digits8x8.npz"))?;
    let mut arrays: BTreeMap<String, Tensor> = npz::read(&bytes, 1 << 24)?.into_iter().collect();
    let mut set = |x: &str, y: &str| {
        let missing = || format!("the archive has no `{x}` and `{y}`");
        let (inputs, target) = (arrays.remove(x), arrays.remove(y));
        Ok::<_, String>(Dataset {
            inputs: vec![inputs.ok_or_else(missing)?],
            target: target.ok_or_else(missing)?,
        })
    };
    Ok([set("x_train", "y_train")?, set("x_test", "y_test")?])
}

/// Trains for some epochs and says after each: its number from 1, the mean loss, and the share of the unseen digits
/// that are read right.
pub fn learn(epochs: u64, mut say: impl FnMut(u64, f64, f64)) -> Result<(), Box<dyn Error>> {
    let [train, test] = digits()?;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/lenet_digits.conv");
    let mut how = TrainOptions::new(Loss::CrossEntropy);
    how.optimizer = Optimizer::Sgd { momentum: 0.9, weight_decay: 1e-4, nesterov: false };
    how.rate = 0.1;
    how.schedule = Schedule { decay: Decay::Cosine { floor: 0.0 }, warmup: 0 };
    how.total_steps = epochs * train.samples().div_ceil(BATCH) as u64;
    let mut trainer = Trainer::new(&Model::from_path(path)?, &Options::default(), how)?;
    for epoch in 0..epochs {
        let order = shuffled(train.samples(), 0, epoch);
        let batches = order.chunks(BATCH);
        let steps = batches.len() as f64;
        let mut sum = 0.0;
        for numbers in batches {
            let batch = train.batch(numbers)?;
            sum += f64::from(trainer.step(&[batch.inputs[0].view()], batch.target.view())?);
        }
        let unseen = trainer.evaluate(&[test.inputs[0].view()], test.target.view())?;
        say(epoch + 1, sum / steps, unseen.accuracy.unwrap_or(0.0));
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    learn(20, |epoch, loss, accuracy| {
        println!("epoch {epoch:2}: loss {loss:.4}, {:.1} % of unseen digits", 100.0 * accuracy);
    })
}
