//! Training: a model's weights learned from data, forward, backward and update in one compiled program. One page.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use convc::train::{Loss, TrainOptions, Trainer};
//! use convc::{Model, Options, Tensor};
//!
//! let model = Model::from_path("lenet.conv")?;
//! let mut trainer = Trainer::new(&model, &Options::default(), TrainOptions::new(Loss::CrossEntropy))?;
//! let (digits, classes) = (Tensor::zeros(&[64, 1, 28, 28])?, Tensor::zeros(&[64])?);
//! let loss = trainer.step(&[digits.view()], classes.view())?;
//! # let _ = loss;
//! # Ok(())
//! # }
//! ```
//!
//! A step is a graph: parameters are inputs and their new values outputs. Its program is compiled for
//! the number of samples of a batch, once for each number that occurs. State goes from a step's outputs to the
//! next one's inputs by exchanging buffers; nothing is copied, and no memory is taken after the first step.
//!
//! Results are the same bits for any number of threads.

mod compiled;
mod data;
mod error;
mod fit;
mod init;
mod loss;
mod optimizer;
mod options;
mod schedule;
mod state;
mod step;
mod trainer;

#[cfg(feature = "cli")]
pub(crate) use data::not_below;
pub use data::{Dataset, shuffled};
pub use error::TrainError;
pub use fit::samples;
pub use init::Init;
pub use loss::Loss;
pub use optimizer::Optimizer;
pub use options::TrainOptions;
pub use schedule::{Decay, Schedule};
pub use trainer::{Evaluation, Trainer};
