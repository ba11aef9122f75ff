//! `convc train`: a model's weights learned from data.

mod course;
mod data;
mod pair;
mod plot;

use std::path::PathBuf;

use super::choice::Choice;
use super::console::{Console, Format};
use super::failure::{Failure, Outcome};
use super::making::Making;
use crate::train::{Init, Loss, Optimizer, Schedule, Shape, TrainError};

const EXAMPLES: &str = "\
Examples:
  convc train digits.conv --data digits8x8.npz --loss cross_entropy -o digits.safetensors
  convc train lenet.conv --data mnist/ --loss cross_entropy --optimizer adam --lr 0.001 --plot loss.svg
  convc train net.conv --data photos/ --val 0.1 --loss cross_entropy --schedule cosine --warmup 100
  convc train denoise.conv --data pairs.npz --loss l1 --optimizer adamw --epochs 50
  convc train kernel.conv --data photo.png --target blurred.png --loss mse --lr 0.9 --momentum 0.97 --epochs 1000
  convc train net.conv --data d.npz --loss mse --epochs 200 --resume weights.checkpoint.safetensors

Data: an .npz file with `x` and `y` (or `x_train`, `y_train`, `x_test`, `y_test`), a folder with a folder of
pictures for each class, or a folder with MNIST's four files. The first axis counts samples. With --target, a
picture or an array, and another one that is wanted of it; sizes that the model leaves open are theirs.
Ctrl-C ends the training after the step under way; its checkpoint goes on with --resume, bit for bit.";

/// What is made small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum LossName {
    /// The mean square of the differences
    Mse,
    /// The mean of the differences' magnitudes
    L1,
    /// The cross-entropy of classes, softmax included
    CrossEntropy,
}

/// How gradients become steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum OptimizerName {
    /// Gradient descent, perhaps with momentum
    Sgd,
    /// Kingma and Ba 2015
    Adam,
    /// Adam with decoupled weight decay
    Adamw,
}

/// How the learning rate goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ScheduleName {
    /// Always the same
    Constant,
    /// Times --step-factor every --step-every epochs
    Step,
    /// Down to 0 along half a cosine
    Cosine,
}

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    choice: Choice,

    /// What to learn from: an .npz file, a folder of pictures by class, or MNIST's files
    #[arg(long, value_name = "PATH")]
    data: PathBuf,

    /// What is wanted of --data, which then is a picture or an array like this
    #[arg(long, value_name = "FILE")]
    target: Option<PathBuf>,

    /// What to validate with after each epoch: data as for --data, or a share of it such as 0.1, taken from its
    /// end; without, the test set that comes with the data
    #[arg(long, value_name = "PATH|SHARE")]
    val: Option<String>,

    /// What is made small
    #[arg(long, value_name = "NAME")]
    loss: LossName,

    /// How gradients become steps
    #[arg(long, value_name = "NAME", default_value = "sgd")]
    optimizer: OptimizerName,

    /// The learning rate; 0.01 for sgd, 0.001 for adam and adamw
    #[arg(long, value_name = "RATE")]
    lr: Option<f64>,

    /// Momentum of sgd
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    momentum: f32,

    /// Nesterov's momentum
    #[arg(long)]
    nesterov: bool,

    /// Weight decay; 0, and 0.01 for adamw
    #[arg(long, value_name = "RATE")]
    weight_decay: Option<f32>,

    /// Adam's shares of the past in its two means
    #[arg(long, value_name = "B1,B2", value_delimiter = ',', default_values_t = [0.9f32, 0.999])]
    betas: Vec<f32>,

    /// Added to Adam's divisor
    #[arg(long, value_name = "NUMBER", default_value_t = 1e-8)]
    eps: f32,

    /// How the learning rate goes
    #[arg(long, value_name = "NAME", default_value = "constant")]
    schedule: ScheduleName,

    /// Epochs between the steps of --schedule step
    #[arg(long, value_name = "EPOCHS", default_value_t = 10)]
    step_every: u64,

    /// What each step of --schedule step multiplies the rate by
    #[arg(long, value_name = "FACTOR", default_value_t = 0.1)]
    step_factor: f64,

    /// Steps in which the rate rises to its full height
    #[arg(long, value_name = "STEPS", default_value_t = 0)]
    warmup: u64,

    /// Samples of a step
    #[arg(long, value_name = "N", default_value_t = 32)]
    batch: usize,

    /// How often all samples are seen
    #[arg(long, value_name = "N", default_value_t = 10)]
    epochs: u64,

    /// Begin with the weights of this safetensors file
    #[arg(long, value_name = "FILE", conflicts_with = "weights")]
    init: Option<PathBuf>,

    /// Begin anew, whatever weights the model names: `pytorch` (its layers' defaults, which models without weights
    /// begin with), `kaiming`, `xavier`, `zeros`, or a number
    #[arg(long, value_name = "NAME", value_parser = scheme, conflicts_with_all = ["init", "weights"])]
    scheme: Option<Init>,

    /// The weights that were learned
    #[arg(short, long, value_name = "FILE", default_value = "weights.safetensors")]
    output: PathBuf,

    /// Where the state is kept after each epoch and after Ctrl-C; beside the weights by default
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,

    /// Go on where this checkpoint was written
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,

    /// Draw the curve of the loss
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,

    /// Write each step's loss as an array
    #[arg(long, value_name = "FILE.npy")]
    losses: Option<PathBuf>,

    /// The numbers of each step's samples, steps × samples, in place of shuffled ones
    #[arg(long, value_name = "FILE.npy")]
    batch_order: Option<PathBuf>,

    /// Also write the weights after these steps: FILE.step10.safetensors beside the output
    #[arg(long, value_name = "STEPS", value_delimiter = ',')]
    save_at: Vec<u64>,

    #[command(flatten)]
    making: Making,

    /// How results are printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

impl Args {
    pub(super) fn format(&self) -> Format {
        self.format
    }

    fn loss(&self) -> Loss {
        match self.loss {
            LossName::Mse => Loss::Mse,
            LossName::L1 => Loss::L1,
            LossName::CrossEntropy => Loss::CrossEntropy,
        }
    }

    fn optimizer(&self) -> Result<Optimizer, Failure> {
        let decay = |default| self.weight_decay.unwrap_or(default);
        let adam = |decoupled, default| {
            let betas = <[f32; 2]>::try_from(self.betas.as_slice())
                .map_err(|_| Failure::usage("--betas: two numbers are wanted, such as 0.9,0.999"))?;
            if betas.iter().any(|beta| !(0.0..1.0).contains(beta)) {
                return Err(Failure::usage("--betas: both lie from 0 to below 1"));
            }
            Ok(Optimizer::Adam { betas, eps: self.eps, weight_decay: decay(default), decoupled })
        };
        match self.optimizer {
            OptimizerName::Sgd => {
                if self.nesterov && self.momentum == 0.0 {
                    return Err(Failure::usage("--nesterov wants a --momentum above 0, such as 0.9"));
                }
                let (momentum, nesterov) = (self.momentum, self.nesterov);
                Ok(Optimizer::Sgd { momentum, weight_decay: decay(0.0), nesterov })
            }
            OptimizerName::Adam => adam(false, 0.0),
            OptimizerName::Adamw => adam(true, 0.01),
        }
    }

    fn rate(&self) -> Result<f64, Failure> {
        let rate = self.lr.unwrap_or(match self.optimizer {
            OptimizerName::Sgd => 0.01,
            OptimizerName::Adam | OptimizerName::Adamw => 0.001,
        });
        match rate.is_finite() && rate > 0.0 {
            true => Ok(rate),
            false => Err(Failure::usage(format!("--lr: {rate} is no learning rate"))),
        }
    }

    fn schedule(&self, steps_per_epoch: u64) -> Schedule {
        let shape = match self.schedule {
            ScheduleName::Constant => Shape::Constant,
            ScheduleName::Step => {
                Shape::Step { every: self.step_every.saturating_mul(steps_per_epoch).max(1), factor: self.step_factor }
            }
            ScheduleName::Cosine => Shape::Cosine { floor: 0.0 },
        };
        Schedule { shape, warmup: self.warmup }
    }

    /// Where the state is kept.
    fn checkpoint(&self) -> PathBuf {
        self.checkpoint.clone().unwrap_or_else(|| self.output.with_extension("checkpoint.safetensors"))
    }
}

fn scheme(text: &str) -> Result<Init, String> {
    match text {
        "pytorch" => Ok(Init::PyTorch),
        "kaiming" => Ok(Init::Kaiming),
        "xavier" => Ok(Init::Xavier),
        "zeros" => Ok(Init::Constant(0.0)),
        number => match number.parse::<f32>() {
            Ok(value) if value.is_finite() => Ok(Init::Constant(value)),
            _ => Err("it is pytorch, kaiming, xavier, zeros or a number".to_owned()),
        },
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Failure {
        match error {
            TrainError::Model(error) => error.into(),
            TrainError::NotFinite { .. } => Failure::data(error.to_string())
                .help("a smaller --lr, --warmup 100, or inputs scaled to about 1")
                .note("the last checkpoint is as it was"),
            error => Failure::data(error.to_string()),
        }
    }
}

pub(super) fn execute(args: &Args, console: &mut Console) -> Result<Outcome, Failure> {
    course::run(args, console)?;
    Ok(Outcome::Fine)
}
