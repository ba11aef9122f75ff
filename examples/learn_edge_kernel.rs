//! Learns the 1×2 kernel that finds vertical edges from one picture and its edges ("Dive into Deep Learning",
//! section 7.2), and shows why 100 epochs of the mean squared error stop short of it.
//!
//! `cargo run --release --example learn_edge_kernel`

use convc::train::{Loss, TrainError, TrainOptions, Trainer};
use convc::{Error, Model, Options, Tensor};

const HEIGHT: usize = 6;
const WIDTH: usize = 8;

/// White with a black band of four columns.
fn picture() -> Result<Tensor, Error> {
    let pixels = (0..HEIGHT * WIDTH).map(|i| if (2..6).contains(&(i % WIDTH)) { 0.0 } else { 1.0 });
    Ok(Tensor::new(&[1, 1, HEIGHT, WIDTH], pixels.collect())?)
}

/// What the kernel `[1, -1]` makes of it: 1 where white meets black, -1 where black meets white.
fn edges(picture: &Tensor) -> Result<Tensor, Error> {
    let rows = picture.data().chunks(WIDTH);
    let edges = rows.flat_map(|row| row.windows(2).map(|pair| pair[0] - pair[1])).collect();
    Ok(Tensor::new(&[1, 1, HEIGHT, WIDTH - 1], edges)?)
}

/// The kernels after so many epochs, increasing, from a seeded start: mean squared error, learning rate 0.1.
pub fn learn(epochs: &[u64]) -> Result<Vec<[f32; 2]>, TrainError> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/textbook/edge_kernel.conv");
    let mut train = TrainOptions::new(Loss::Mse);
    train.rate = 0.1;
    let mut trainer = Trainer::new(&Model::from_path(path)?, &Options::default(), train)?;
    let x = picture()?;
    let y = edges(&x)?;
    let mut kernels = Vec::new();
    for &epochs in epochs {
        while trainer.steps() < epochs {
            trainer.step(&[x.view()], y.view())?;
        }
        let kernel = trainer.weights()?.remove("k.weight");
        kernels.extend(kernel.and_then(|kernel| <[f32; 2]>::try_from(kernel.data()).ok()));
    }
    Ok(kernels)
}

fn main() -> Result<(), TrainError> {
    const EPOCHS: [u64; 4] = [1, 10, 100, 1000];
    println!(
        "The kernel that finds the edges is [1, -1]. Learned by the mean squared error at a rate of 0.1:"
    );
    for (epochs, [a, b]) in EPOCHS.iter().zip(learn(&EPOCHS)?) {
        println!("  after {epochs:4} epochs  [{a:7.4}, {b:7.4}]");
    }
    println!(
        "\n\
        100 epochs stop short because the mean divides the gradient by the number of outputs. Two of the 7 outputs in\n\
        a row see an edge, so a step leaves 1 - 0.1 * 2/7 = 0.971 of what a - b lacks: 100 steps leave 5 %, 1000 nothing.\n\
        The textbook sums the squares, which steps 42 times as far: at its rate of 0.03 ten epochs come close."
    );
    Ok(())
}
