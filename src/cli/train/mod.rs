//! `convc train`: a model's weights learned from data.

mod course;
mod data;
mod material;
mod method;
mod pair;
mod places;
mod plot;

use std::path::PathBuf;

use super::choice::Choice;
use super::console::{Console, Format};
use super::failure::{Failure, Outcome};
use super::making::Making;
use crate::graph::grad::GradError;
use crate::train::{Init, Loss, TrainError};

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

    /// What to validate with after each epoch: data as for --data, of which a test set counts where it has one, or a
    /// share of --data such as 0.1, picked at random; without, the test set that comes with --data
    #[arg(long, value_name = "PATH|SHARE")]
    val: Option<String>,

    /// What is made small
    #[arg(long, value_name = "NAME")]
    loss: LossName,

    /// How gradients become steps
    #[arg(long, value_name = "NAME", default_value = "sgd")]
    optimizer: OptimizerName,

    /// The learning rate; 0.01 for sgd, 0.001 for adam and adamw
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    lr: Option<f64>,

    /// Momentum of sgd; 0 by default
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    momentum: Option<f64>,

    /// Nesterov's momentum
    #[arg(long)]
    nesterov: bool,

    /// Weight decay; 0, and 0.01 for adamw
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    weight_decay: Option<f64>,

    /// Adam's shares of the past in its two means; 0.9,0.999 by default
    #[arg(long, value_name = "B1,B2", value_delimiter = ',')]
    betas: Vec<f64>,

    /// Added to Adam's divisor; 1e-8 by default
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    eps: Option<f64>,

    /// How the learning rate goes
    #[arg(long, value_name = "NAME", default_value = "constant")]
    schedule: ScheduleName,

    /// Epochs between the steps of --schedule step; 10 by default
    #[arg(long, value_name = "EPOCHS")]
    step_every: Option<u64>,

    /// What each step of --schedule step multiplies the rate by; 0.1 by default
    #[arg(long, value_name = "FACTOR", allow_negative_numbers = true)]
    step_factor: Option<f64>,

    /// Steps in which the rate rises to its full height
    #[arg(long, value_name = "STEPS", default_value_t = 0)]
    warmup: u64,

    /// Samples of a step; 32 by default
    #[arg(long, value_name = "N")]
    batch: Option<usize>,

    /// How often all samples are seen; 10 by default
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,

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

    /// Go on where this checkpoint was written, with its weights
    #[arg(long, value_name = "FILE", conflicts_with_all = ["init", "scheme", "weights"])]
    resume: Option<PathBuf>,

    /// Draw the curve of the loss
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,

    /// Write each step's loss as an array
    #[arg(long, value_name = "FILE.npy")]
    losses: Option<PathBuf>,

    /// The numbers of each step's samples, steps × samples, in place of shuffled ones; says batch and epochs, too
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
        let failure = match &error {
            TrainError::Model(error) => return error.clone().into(),
            TrainError::Option { .. } => return Failure::usage(error.to_string()),
            _ => Failure::data(error.to_string()),
        };
        match error {
            TrainError::NotFinite { .. } | TrainError::Diverged { .. } => failure
                .help("a smaller --lr, --warmup 100, or inputs scaled to about 1")
                .note("the checkpoint of the epoch before, where there is one, is as it was"),
            TrainError::Grad(GradError::OneValue { .. }) => {
                failure.help("another --batch, so that the last step of an epoch has more than one sample")
            }
            TrainError::Course { what, written, given } => failure
                .help(goes_on(&what, &written, &given))
                .help("--init takes its weights into another training"),
            _ => failure,
        }
    }
}

/// With which arguments a checkpoint that has a note goes on.
fn goes_on(what: &str, written: &str, given: &str) -> String {
    match (what, written) {
        ("samples", _) => "give the data that it was trained with".to_owned(),
        ("batch-order", course::SHUFFLED) => "it goes on without --batch-order".to_owned(),
        ("batch-order", _) => "it goes on with the --batch-order that it was trained with".to_owned(),
        ("optimizer", "sgd with momentum") => "--optimizer sgd --momentum 0.9, or what it was, goes on with it".to_owned(),
        ("optimizer", "sgd") if given.starts_with("sgd") => "it goes on without --momentum".to_owned(),
        ("nesterov", "true") => "--nesterov goes on with it".to_owned(),
        ("nesterov", _) => "it goes on without --nesterov".to_owned(),
        _ => format!("--{what} {written} goes on with it"),
    }
}

pub(super) fn execute(args: &Args, console: &mut Console) -> Result<Outcome, Failure> {
    course::run(args, console)?;
    Ok(Outcome::Fine)
}
