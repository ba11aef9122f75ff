//! The course of a training: epochs, batches, checkpoints, what is said about them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::json;

use super::Args;
use super::material::{self, Material, Order};
use super::method::Steps;
use super::plot::{Curves, svg};
use crate::cli::console::{Console, Format, shown};
use crate::cli::failure::Failure;
use crate::cli::models::Opened;
use crate::cli::report::{grouped, plural, seconds};
use crate::io::{atomic, npy};
use crate::tensor::Tensor;
use crate::train::{Dataset, Evaluation, Init, TrainError, Trainer, shuffled};

/// Samples of a validation that are computed at a time, at the most: no more than a step has.
const VALIDATED: usize = 256;

/// What a checkpoint says of samples whose order is of the seed.
pub(super) const SHUFFLED: &str = "shuffled";

/// What a training is made of.
struct Course<'a> {
    args: &'a Args,
    trainer: Trainer,
    train: Dataset,
    validation: Option<Dataset>,
    /// The samples of each step, where they are given.
    order: Option<Order>,
    steps: Steps,
    curves: Curves,
    stopped: Arc<AtomicBool>,
}

/// Trains as the arguments say.
pub(super) fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    args.check_places()?;
    let opened = args.choice.open()?;
    opened.hold_to_names()?;
    let material = material::read(args, &opened, console)?;
    if !material.classes.is_empty() {
        console.note(format!("the classes are {}", material.classes.join(", ")));
    }
    let samples = material.train.samples();
    let order = args.batch_order.as_deref().map(|path| Order::read(path, samples, material.memory)).transpose()?;
    let steps = args.steps(samples, order.as_ref().map(|order| order.shape))?;
    let trainer = trainer(args, &opened, &material, steps, order.as_ref())?;
    if trainer.steps() >= steps.total {
        let done = plural(trainer.steps() as usize, "step");
        return Err(
            Failure::usage(format!("the checkpoint has done {done} already")).help("more --epochs go on")
        );
    }
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    // A second signal ends the process at once: the checkpoint before is whole either way.
    if ctrlc::set_handler(move || if flag.swap(true, Ordering::SeqCst) { std::process::exit(130) }).is_err() {
        console.note("Ctrl-C ends without a checkpoint here");
    }
    let curves = Curves { train: Vec::new(), validation: Vec::new() };
    let Material { train, validation, .. } = material;
    let mut course = Course { args, trainer, train, validation, order, steps, curves, stopped };
    course.prepare()?;
    course.go(console)
}

fn trainer(
    args: &Args,
    opened: &Opened,
    material: &Material,
    steps: Steps,
    order: Option<&Order>,
) -> Result<Trainer, Failure> {
    let mut options = args.making.options(opened, &material.sizes, material.memory)?;
    if let Some(init) = &args.init {
        options = options.weights_file(init);
    }
    let mut train = args.method(steps)?;
    if args.resume.is_some() {
        // Weights come from the checkpoint: the file that the model names need not be there any more.
        train.init = Some(Init::PyTorch);
    }
    let mut note = |name: &str, value: String| train.notes.insert(name.to_owned(), value);
    note("samples", material.train.samples().to_string());
    note("math", args.making.math().to_owned());
    // What the order of samples follows from, and which of them a step is at.
    note("batch-order", order.map_or_else(|| SHUFFLED.to_owned(), Order::digest));
    if order.is_none() {
        note("batch", steps.batch.to_string());
        note("seed", args.making.seed().to_string());
    }
    let mut trainer = Trainer::new(opened.model(), &options, train)?;
    if let Some(path) = &args.resume {
        trainer.resume(path)?;
    }
    Ok(trainer)
}

/// Numbers of samples of a pass over a set in parts: of the parts, and of what is left.
fn parts(samples: usize, part: usize) -> impl Iterator<Item = usize> {
    [part.min(samples), samples % part].into_iter().filter(|n| *n > 0)
}

impl Course<'_> {
    /// Compiles all that will be run: where memory does not suffice, it is said before an epoch is spent.
    fn prepare(&mut self) -> Result<(), Failure> {
        let ordered = self.order.is_some();
        for samples in parts(self.train.samples(), self.steps.batch) {
            self.trainer.prepare_step(if ordered { self.steps.batch } else { samples })?;
        }
        if let Some(set) = &self.validation {
            for samples in parts(set.samples(), self.validated()) {
                self.trainer.prepare_evaluation(samples)?;
            }
        }
        Ok(())
    }

    fn validated(&self) -> usize {
        self.steps.batch.min(VALIDATED)
    }

    fn go(&mut self, console: &mut Console) -> Result<(), Failure> {
        let first = self.trainer.steps();
        let start = Instant::now();
        let mut seen = 0usize;
        while self.trainer.steps() < self.steps.total && !self.stopped.load(Ordering::SeqCst) {
            match self.epoch(console) {
                Ok(samples) => seen += samples,
                // How it went wrong is in the curve.
                Err(error) => return self.curves_to_files().and(Err(error)),
            }
        }
        let whole = self.trainer.steps() == self.steps.total;
        let rate = seen as f64 / start.elapsed().as_secs_f64();
        let done = self.trainer.steps() - first;
        if !whole {
            console.note(format!(
                "stopped after step {} of {}; --resume {} goes on",
                self.trainer.steps(),
                self.steps.total,
                shown(&self.args.checkpoint())
            ));
        }
        self.trainer.save(&self.args.output)?;
        self.curves_to_files()?;
        if first > 0 && (self.args.plot.is_some() || self.args.losses.is_some()) {
            console.note(format!("the losses are those of steps {} to {}", first + 1, self.trainer.steps()));
        }
        if self.args.format == Format::Json {
            let last = |points: &[(u64, f64)]| points.last().map(|p| p.1);
            return console.json(&json!({
                "steps": self.trainer.steps(),
                "loss": last(&self.curves.train),
                "validation_loss": last(&self.curves.validation),
                "samples_per_second": rate,
                "weights": self.args.output,
                "checkpoint": self.args.checkpoint(),
                "finished": whole,
            }));
        }
        console.line(format_args!(
            "{} in {}, {} samples/s: weights in {}",
            plural(done as usize, "step"),
            seconds(start.elapsed()),
            grouped(rate as u128),
            shown(&self.args.output)
        ))
    }

    /// The steps up to the end of an epoch, or to where it is stopped, and a checkpoint; the number of samples seen.
    fn epoch(&mut self, console: &mut Console) -> Result<usize, Failure> {
        let begun = self.trainer.steps();
        let Steps { batch, per_epoch, total } = self.steps;
        let epoch = begun / per_epoch;
        let end = ((epoch + 1) * per_epoch).min(total);
        let shuffle = match &self.order {
            Some(_) => Vec::new(),
            None => shuffled(self.train.samples(), self.args.making.seed(), epoch),
        };
        console.progress_start((end - epoch * per_epoch) as usize);
        let (start, mut seen, mut sum) = (Instant::now(), 0usize, 0.0f64);
        while self.trainer.steps() < end && !self.stopped.load(Ordering::SeqCst) {
            let step = self.trainer.steps();
            let at = (step - epoch * per_epoch) as usize * batch;
            let numbers = match &self.order {
                Some(order) => &order.step(step),
                None => &shuffle[at..(at + batch).min(shuffle.len())],
            };
            let loss = self.step(numbers)?;
            seen += numbers.len();
            sum += loss;
            if self.args.save_at.contains(&(step + 1)) {
                self.trainer.save(&self.args.at_step(step + 1))?;
            }
            let rate = seen as f64 / start.elapsed().as_secs_f64();
            console.progress_step(format_args!("loss {loss:.4}, {} samples/s", grouped(rate as u128)));
        }
        console.progress_end();
        let (done, rate) = (self.trainer.steps() - begun, seen as f64 / start.elapsed().as_secs_f64());
        // Before anything else that could go wrong.
        self.trainer.checkpoint(&self.args.checkpoint()).map_err(|error| {
            Failure::from(error).note("the checkpoint before, where there is one, is whole; --resume goes on from it")
        })?;
        let mut line = format!(
            "epoch {}/{}: loss {:.6}",
            epoch + 1,
            total.div_ceil(per_epoch),
            sum / done.max(1) as f64
        );
        if self.trainer.steps() == end
            && let Some(result) = self.validate()?
        {
            self.curves.validation.push((self.trainer.steps(), result.loss));
            line.push_str(&format!(", validation loss {:.6}", result.loss));
            if let Some(accuracy) = result.accuracy {
                line.push_str(&format!(", accuracy {:.2} %", 100.0 * accuracy));
            }
        }
        console.status(format_args!("{line}, {} samples/s", grouped(rate as u128)));
        Ok(seen)
    }

    /// One step on samples by their numbers; the loss, which is in the curve even where it is not finite.
    fn step(&mut self, numbers: &[usize]) -> Result<f64, Failure> {
        let batch = self.train.batch(numbers).map_err(|e| Failure::Bug(e.to_string()))?;
        let inputs: Vec<_> = batch.inputs.iter().map(Tensor::view).collect();
        let result = self.trainer.step(&inputs, batch.target.view());
        if let Ok(loss) | Err(TrainError::NotFinite { loss, .. }) = &result {
            let step = self.trainer.steps() + u64::from(result.is_err());
            // Nobody asks for more than the last one: a long training does not gather them.
            if self.args.plot.is_none() && self.args.losses.is_none() {
                self.curves.train.clear();
            }
            self.curves.train.push((step, f64::from(*loss)));
        }
        Ok(f64::from(result?))
    }

    /// Loss and accuracy on the validation set.
    fn validate(&mut self) -> Result<Option<Evaluation>, Failure> {
        let each = self.validated();
        let Some(set) = &self.validation else { return Ok(None) };
        let (mut loss, mut right, mut classes) = (0.0, 0.0, false);
        for first in (0..set.samples()).step_by(each) {
            let numbers: Vec<usize> = (first..(first + each).min(set.samples())).collect();
            let batch = set.batch(&numbers).map_err(|e| Failure::Bug(e.to_string()))?;
            let inputs: Vec<_> = batch.inputs.iter().map(Tensor::view).collect();
            let result = self.trainer.evaluate(&inputs, batch.target.view())?;
            loss += result.loss * numbers.len() as f64;
            right += result.accuracy.unwrap_or(0.0) * numbers.len() as f64;
            classes = result.accuracy.is_some();
        }
        let n = set.samples() as f64;
        Ok(Some(Evaluation { loss: loss / n, accuracy: classes.then_some(right / n) }))
    }

    fn curves_to_files(&self) -> Result<(), Failure> {
        if let Some(path) = &self.args.plot {
            let text = svg(&self.curves);
            atomic::write(path, &[], |file| std::io::Write::write_all(file, text.as_bytes())).map_err(Failure::file)?;
        }
        if let Some(path) = &self.args.losses {
            let losses: Vec<f32> = self.curves.train.iter().map(|p| p.1 as f32).collect();
            let tensor = Tensor::new(&[losses.len()], losses).map_err(|e| Failure::Bug(e.to_string()))?;
            atomic::write(path, &[], |file| npy::write(tensor.view(), file)).map_err(Failure::file)?;
        }
        Ok(())
    }
}
