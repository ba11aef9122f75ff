//! Trains `denoise.conv` on patches of the photos here with noise added, tries it on a part of a photo that it has
//! not seen, and writes the weights and a picture of before and after.
//!
//! `cargo run --release --example train_denoiser -- [STEPS [FOLDER]]`; 3000 steps, into the current folder. What it
//! writes then are the weights that are shipped.

use std::error::Error;
use std::path::Path;

use convc::io::picture::{Format, decode, encode};
use convc::train::{Decay, Init, Loss, Optimizer, Schedule, TrainOptions, Trainer};
use convc::{Model, Options, Tensor};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
/// The standard deviation of the noise; photos are in 0..1.
pub const SIGMA: f32 = 0.1;
const BATCH: usize = 16;
/// Rows and columns of a patch.
const SIDE: usize = 32;

/// Some rows and columns of a photo.
#[derive(Clone, Copy)]
struct Part {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

/// The cat's eyes, in the second photo: never trained on.
const UNSEEN: Part = Part { top: 64, left: 96, height: 128, width: 256 };

impl Part {
    fn overlaps(self, other: Part) -> bool {
        self.top < other.top + other.height
            && other.top < self.top + self.height
            && self.left < other.left + other.width
            && other.left < self.left + self.width
    }

    /// Its elements in `[C, H, W]`.
    fn of(self, photo: &Tensor) -> impl Iterator<Item = f32> {
        let (h, w) = (photo.shape()[1], photo.shape()[2]);
        photo.data().chunks(h * w).flat_map(move |plane| {
            let rows = plane.chunks(w).skip(self.top).take(self.height);
            rows.flat_map(move |row| row[self.left..][..self.width].iter().copied())
        })
    }
}

/// Random numbers: SplitMix64, and a normal distribution by Box and Muller's formula.
pub struct Random(u64);

impl Random {
    /// Numbers that depend on the seed alone.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// In 0..1, never 0.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        (self.uniform() * end as f64) as usize
    }

    fn normal(&mut self) -> f32 {
        let (u, v) = (self.uniform(), self.uniform());
        ((-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()) as f32
    }

    /// The same picture with noise.
    pub fn noisy(&mut self, clean: &Tensor) -> Tensor {
        let mut noisy = clean.clone();
        noisy.data_mut().iter_mut().for_each(|v| *v += SIGMA * self.normal());
        noisy
    }
}

fn photos() -> Result<[Tensor; 2], Box<dyn Error>> {
    let photo = |name: &str| {
        Ok::<_, Box<dyn Error>>(decode(&std::fs::read(format!("{FOLDER}/{name}"))?, 1 << 28)?.tensor)
    };
    Ok([photo("astronaut.png")?, photo("chelsea.png")?])
}

/// The part that is not trained on, `[3, H, W]`.
pub fn unseen() -> Result<Tensor, Box<dyn Error>> {
    let [_, cat] = photos()?;
    Ok(Tensor::new(&[3, UNSEEN.height, UNSEEN.width], UNSEEN.of(&cat).collect())?)
}

/// Patches of the photos, none of which touches the unseen part.
fn batch(photos: &[Tensor; 2], random: &mut Random) -> Result<Tensor, Box<dyn Error>> {
    let mut data = Vec::with_capacity(BATCH * 3 * SIDE * SIDE);
    while data.len() < BATCH * 3 * SIDE * SIDE {
        let which = random.below(photos.len());
        let photo = &photos[which];
        let (top, left) =
            (random.below(photo.shape()[1] - SIDE + 1), random.below(photo.shape()[2] - SIDE + 1));
        let part = Part { top, left, height: SIDE, width: SIDE };
        if which == 0 || !part.overlaps(UNSEEN) {
            data.extend(part.of(photo));
        }
    }
    Ok(Tensor::new(&[BATCH, 3, SIDE, SIDE], data)?)
}

/// The unseen part in patches.
fn validation() -> Result<Tensor, Box<dyn Error>> {
    let whole = unseen()?;
    let corners = (0..UNSEEN.height)
        .step_by(SIDE)
        .flat_map(|top| (0..UNSEEN.width).step_by(SIDE).map(move |left| (top, left)));
    let data: Vec<f32> = corners
        .flat_map(|(top, left)| Part { top, left, height: SIDE, width: SIDE }.of(&whole).collect::<Vec<_>>())
        .collect();
    Ok(Tensor::new(&[data.len() / (3 * SIDE * SIDE), 3, SIDE, SIDE], data)?)
}

/// Trains for so many steps; says the number of steps and the mean squared error on the unseen part now and then, and
/// at the end.
pub fn train(steps: u64, mut say: impl FnMut(u64, f64)) -> Result<Trainer, Box<dyn Error>> {
    let photos = photos()?;
    let mut how = TrainOptions::new(Loss::Mse);
    how.optimizer = Optimizer::Adam { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.0, decoupled: false };
    how.rate = 2e-3;
    how.schedule = Schedule { decay: Decay::Cosine { floor: 0.0 }, warmup: 20 };
    how.total_steps = steps;
    // Anew, not from the weights that are shipped.
    how.init = Some(Init::PyTorch);
    let options = Options::default().size("H", SIDE as u64).size("W", SIDE as u64);
    let mut trainer = Trainer::new(&Model::from_path(format!("{FOLDER}/denoise.conv"))?, &options, how)?;
    let clean = validation()?;
    let noisy = Random::new(1).noisy(&clean);
    let mut random = Random::new(2);
    for step in 1..=steps {
        let clean_batch = batch(&photos, &mut random)?;
        let noisy_batch = random.noisy(&clean_batch);
        trainer.step(&[noisy_batch.view()], clean_batch.view())?;
        if step % 500 == 0 || step == steps {
            say(step, trainer.evaluate(&[noisy.view()], clean.view())?.loss);
        }
    }
    Ok(trainer)
}

/// The unseen part with noise, and what the model with some weights makes of it.
pub fn before_and_after(weights: &Path) -> Result<[Tensor; 2], Box<dyn Error>> {
    let clean = unseen()?;
    let noisy = Random::new(3).noisy(&clean);
    let options = Options::default().input(clean.shape()).weights_file(weights);
    let program = Model::from_path(format!("{FOLDER}/denoise.conv"))?.compile(&options)?;
    let denoised = program.run(&[noisy.view()])?.remove(0);
    Ok([noisy, denoised])
}

/// The peak signal-to-noise ratio in dB, the peak being 1.
pub fn psnr(clean: &Tensor, other: &Tensor) -> f64 {
    let squares = clean.data().iter().zip(other.data()).map(|(a, b)| f64::from(a - b).powi(2));
    -10.0 * (squares.sum::<f64>() / clean.data().len() as f64).log10()
}

/// Two pictures of one size, one beside the other.
fn beside(left: &Tensor, right: &Tensor) -> Result<Tensor, Box<dyn Error>> {
    let &[c, h, w] = left.shape() else { return Err("a picture has three axes".into()) };
    let rows = left.data().chunks(w).zip(right.data().chunks(w));
    Ok(Tensor::new(&[c, h, 2 * w], rows.flat_map(|(left, right)| [left, right].concat()).collect())?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let steps = args.next().map_or(Ok(3000), |steps| steps.parse())?;
    let folder = args.next().unwrap_or_else(|| ".".to_owned());
    println!("mean squared error of the noise: {:.5}", SIGMA * SIGMA);
    let trainer = train(steps, |step, loss| println!("step {step:5}: {loss:.5} on what is unseen"))?;
    let weights = Path::new(&folder).join("denoise.safetensors");
    trainer.save(&weights)?;
    let clean = unseen()?;
    let [noisy, denoised] = before_and_after(&weights)?;
    println!("PSNR: {:.2} dB before, {:.2} dB after", psnr(&clean, &noisy), psnr(&clean, &denoised));
    let picture = encode(beside(&noisy, &denoised)?.view(), Format::Png, false)?;
    std::fs::write(Path::new(&folder).join("denoise.png"), picture.bytes)?;
    println!("weights and a picture of both are in {folder}");
    Ok(())
}
