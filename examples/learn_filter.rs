//! Learns a 3×3 kernel from a photo and what an embossing filter made of it, and prints it beside the true one.
//!
//! `cargo run --release --example learn_filter`; `examples/photo_kernel.conv` says how the command line does it.

use std::error::Error;

use convc::io::picture::{decode, with_channels};
use convc::train::{Init, Loss, Optimizer, TrainOptions, Trainer};
use convc::{Model, Options, Tensor};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// What is to be found again.
pub const EMBOSS: [[f32; 3]; 3] = [[-2.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 1.0, 2.0]];

const FILTER: &str = "model emboss {
  input photo [1, H, W]
  filter([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], pad=1, border=replicate)
}";

/// The kernel after so many steps, row by row.
pub fn learn(steps: u64) -> Result<Vec<f32>, Box<dyn Error>> {
    let photo = decode(&std::fs::read(format!("{FOLDER}/chelsea.png"))?, 1 << 28)?;
    let photo = with_channels(photo, 1)?.tensor;
    let options = Options::default().input(photo.shape());
    let filtered = Model::from_str("emboss.conv", FILTER)?.compile(&options)?.run(&[photo.view()])?.remove(0);

    // A training's first axis counts samples.
    let whole = |tensor: Tensor| Tensor::new(&[&[1], tensor.shape()].concat(), tensor.data().to_vec());
    let (photo, filtered) = (whole(photo)?, whole(filtered)?);
    let mut how = TrainOptions::new(Loss::Mse);
    how.optimizer = Optimizer::Sgd { momentum: 0.97, weight_decay: 0.0, nesterov: false };
    how.rate = 0.9;
    how.init = Some(Init::Constant(0.0));
    let model = Model::from_path(format!("{FOLDER}/photo_kernel.conv"))?;
    let mut trainer = Trainer::new(&model, &options, how)?;
    for _ in 0..steps {
        trainer.step(&[photo.view()], filtered.view())?;
    }
    let weights = trainer.weights()?;
    Ok(weights.get("k.weight").ok_or("the model has no kernel `k`")?.data().to_vec())
}

fn main() -> Result<(), Box<dyn Error>> {
    let learned = learn(1000)?;
    println!("{:^30}   the true one", "learned");
    for (row, truth) in learned.chunks(3).zip(EMBOSS) {
        let shown = |numbers: &[f32]| numbers.iter().map(|v| format!("{v:10.5}")).collect::<String>();
        println!("{}   {}", shown(row), shown(&truth));
    }
    let far = learned.iter().zip(EMBOSS.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("largest difference {far:.1e}");
    Ok(())
}
