//! The course of a training: epochs, batches, checkpoints, what is said about them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::json;

use super::plot::{Curves, svg};
use super::pair::Pair;
use super::{Args, data, pair};
use crate::cli::console::{Console, Format, shown};
use crate::cli::failure::Failure;
use crate::cli::models::{Opened, with_sizes};
use crate::cli::report::{grouped, plural, seconds};
use crate::io::{atomic, npy, safe_file};
use crate::tensor::Tensor;
use crate::train::{Dataset, Evaluation, TrainOptions, Trainer, not_below, shuffled};

/// Samples of a validation that are computed at a time.
const VALIDATED: usize = 256;

/// What a training is made of.
struct Course<'a> {
    args: &'a Args,
    trainer: Trainer,
    train: Dataset,
    validation: Option<Dataset>,
    /// The samples of each step, where they are given.
    order: Option<Vec<Vec<usize>>>,
    steps_per_epoch: u64,
    total: u64,
    curves: Curves,
    stopped: Arc<AtomicBool>,
}

/// Trains as the arguments say.
pub(super) fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    let written = [Some(&args.output), args.plot.as_ref(), args.losses.as_ref(), Some(&args.checkpoint())];
    for path in written.into_iter().flatten() {
        let read: Vec<&Path> =
            [Some(args.choice.path()), Some(&args.data), args.target.as_deref()].into_iter().flatten().collect();
        atomic::check(path, &read).map_err(Failure::file)?;
    }
    if args.batch == 0 {
        return Err(Failure::usage("--batch: a step has at least one sample"));
    }
    let opened = args.choice.open()?;
    let Material { sizes, train, validation, classes } = material(args, &opened, console)?;
    if !classes.is_empty() {
        console.note(format!("the classes are {}", classes.join(", ")));
    }
    let order = args.batch_order.as_deref().map(|path| order(path, train.samples())).transpose()?;
    let steps_per_epoch = train.samples().div_ceil(args.batch) as u64;
    let total = order.as_ref().map_or(steps_per_epoch.saturating_mul(args.epochs), |order| order.len() as u64);
    let trainer = trainer(args, &opened, &sizes, steps_per_epoch, total)?;
    if trainer.steps() >= total {
        return Err(Failure::usage(format!("the checkpoint has done {} already", plural(trainer.steps() as usize, "step")))
            .help("more --epochs go on"));
    }
    let curves = Curves { train: Vec::new(), validation: Vec::new() };
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    // A second signal ends the process at once: the checkpoint before is whole either way.
    if ctrlc::set_handler(move || if flag.swap(true, Ordering::SeqCst) { std::process::exit(130) }).is_err() {
        console.note("Ctrl-C ends without a checkpoint here");
    }
    let mut course = Course { args, trainer, train, validation, order, steps_per_epoch, total, curves, stopped };
    course.go(console)
}

/// What is learned from.
struct Material {
    /// The sizes that the model leaves open.
    sizes: Vec<(String, u64)>,
    train: Dataset,
    validation: Option<Dataset>,
    /// Names of classes, where there are any.
    classes: Vec<String>,
}

/// Reads the data; a pair of files gives open sizes, other data takes them as they are.
fn material(args: &Args, opened: &Opened, console: &mut Console) -> Result<Material, Failure> {
    let memory = args.making.memory();
    let (sizes, graph, found) = match &args.target {
        Some(target) => {
            let Pair { sizes, graph, found } = pair::read(args, target, opened, console)?;
            (sizes, graph, found)
        }
        None => {
            let sizes = opened.sizes_with_defaults(args.choice.sizes(), console)?;
            let graph = opened.graph(&with_sizes(opened.options(), &sizes), console)?;
            let found = data::read(&args.data, &graph, args.loss(), memory)?;
            (sizes, graph, found)
        }
    };
    let (train, validation) = match args.val.as_deref() {
        None => (found.train, found.test),
        Some(text) => match text.parse::<f64>() {
            Ok(share) if share > 0.0 && share < 1.0 => split(&found.train, share)?,
            Ok(share) => return Err(Failure::usage(format!("--val: {share} is no share between 0 and 1"))),
            Err(_) => (found.train, Some(data::read(Path::new(text), &graph, args.loss(), memory)?.train)),
        },
    };
    Ok(Material { sizes, train, validation, classes: found.classes })
}

/// The last samples for validation. Those of a folder lie class by class, so they are mixed first.
fn split(set: &Dataset, share: f64) -> Result<(Dataset, Option<Dataset>), Failure> {
    let order = shuffled(set.samples(), 0, 0);
    let kept = ((1.0 - share) * order.len() as f64).ceil() as usize;
    let part = |numbers: &[usize]| {
        let batch = set.batch(numbers).map_err(|e| Failure::Bug(e.to_string()))?;
        Ok::<_, Failure>(Dataset { inputs: batch.inputs, target: batch.target })
    };
    let (train, validation) = order.split_at(kept);
    if validation.is_empty() {
        return Err(Failure::usage("--val: that is no sample"));
    }
    Ok((part(train)?, Some(part(validation)?)))
}

/// The samples of each step from a file.
fn order(path: &Path, samples: usize) -> Result<Vec<Vec<usize>>, Failure> {
    let about = |text: String| Failure::data(text).about(&shown(path));
    let bytes = safe_file::read(path, 1 << 30).map_err(Failure::file)?;
    let array = npy::read(&bytes, 1 << 30).map_err(|e| about(e.to_string()))?;
    let &[steps, batch] = array.shape() else {
        return Err(about(format!("its shape is {:?} instead of steps × samples", array.shape())));
    };
    if steps == 0 || batch == 0 {
        return Err(about("it has no steps".to_owned()));
    }
    if let Some(at) = not_below(array.data(), samples as u64) {
        let bad = array.data()[at];
        return Err(about(format!("{bad} is no number of a sample; there are {samples}")));
    }
    Ok(array.data().chunks(batch).map(|step| step.iter().map(|&n| n as usize).collect()).collect())
}

fn trainer(
    args: &Args,
    opened: &Opened,
    sizes: &[(String, u64)],
    steps_per_epoch: u64,
    total: u64,
) -> Result<Trainer, Failure> {
    let mut options = args.making.options(opened, sizes, args.making.memory())?;
    if let Some(init) = &args.init {
        options = options.weights_file(init);
    }
    let mut train = TrainOptions::new(args.loss());
    (train.optimizer, train.rate) = (args.optimizer()?, args.rate()?);
    (train.schedule, train.total_steps) = (args.schedule(steps_per_epoch), total);
    train.init = args.scheme;
    let mut trainer = Trainer::new(opened.model(), &options, train)?;
    if let Some(path) = &args.resume {
        trainer.resume(path)?;
    }
    Ok(trainer)
}

impl Course<'_> {
    fn go(&mut self, console: &mut Console) -> Result<(), Failure> {
        let first = self.trainer.steps();
        let start = Instant::now();
        let mut seen = 0usize;
        while self.trainer.steps() < self.total && !self.stopped.load(Ordering::SeqCst) {
            seen += self.epoch(console)?;
            self.trainer.checkpoint(&self.args.checkpoint())?;
        }
        let whole = self.trainer.steps() == self.total;
        self.curves_to_files()?;
        let rate = seen as f64 / start.elapsed().as_secs_f64();
        let done = self.trainer.steps() - first;
        if !whole {
            console.note(format!(
                "stopped after step {} of {}; --resume {} goes on",
                self.trainer.steps(),
                self.total,
                shown(&self.args.checkpoint())
            ));
        }
        self.trainer.save(&self.args.output)?;
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

    /// The steps up to the end of an epoch, or to where it is stopped; the number of samples seen.
    fn epoch(&mut self, console: &mut Console) -> Result<usize, Failure> {
        let begun = self.trainer.steps();
        let epoch = begun / self.steps_per_epoch;
        let end = ((epoch + 1) * self.steps_per_epoch).min(self.total);
        let shuffle = match &self.order {
            Some(_) => Vec::new(),
            None => shuffled(self.train.samples(), self.args.making.seed(), epoch),
        };
        console.progress_start((end - epoch * self.steps_per_epoch) as usize);
        let (start, mut seen, mut sum) = (Instant::now(), 0usize, 0.0f64);
        while self.trainer.steps() < end && !self.stopped.load(Ordering::SeqCst) {
            let step = self.trainer.steps();
            let at = (step - epoch * self.steps_per_epoch) as usize * self.args.batch;
            let numbers: &[usize] = match &self.order {
                Some(order) => &order[step as usize],
                None => &shuffle[at..(at + self.args.batch).min(shuffle.len())],
            };
            let batch = self.train.batch(numbers).map_err(|e| Failure::Bug(e.to_string()))?;
            let inputs: Vec<_> = batch.inputs.iter().map(Tensor::view).collect();
            let loss = f64::from(self.trainer.step(&inputs, batch.target.view())?);
            self.curves.train.push((step + 1, loss));
            seen += numbers.len();
            sum += loss;
            if self.args.save_at.contains(&(step + 1)) {
                self.trainer.save(&at_step(&self.args.output, step + 1))?;
            }
            let rate = seen as f64 / start.elapsed().as_secs_f64();
            console.progress_step(format_args!("loss {loss:.4}, {} samples/s", grouped(rate as u128)));
        }
        console.progress_end();
        let (done, rate) = (self.trainer.steps() - begun, seen as f64 / start.elapsed().as_secs_f64());
        let mut line = format!(
            "epoch {}/{}: loss {:.6}",
            epoch + 1,
            self.total.div_ceil(self.steps_per_epoch),
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

    /// Loss and accuracy on the validation set.
    fn validate(&mut self) -> Result<Option<Evaluation>, Failure> {
        let Some(set) = &self.validation else { return Ok(None) };
        let numbers: Vec<usize> = (0..set.samples()).collect();
        let (mut loss, mut right, mut classes) = (0.0, 0.0, false);
        for part in numbers.chunks(VALIDATED) {
            let batch = set.batch(part).map_err(|e| Failure::Bug(e.to_string()))?;
            let inputs: Vec<_> = batch.inputs.iter().map(Tensor::view).collect();
            let result = self.trainer.evaluate(&inputs, batch.target.view())?;
            loss += result.loss * part.len() as f64;
            right += result.accuracy.unwrap_or(0.0) * part.len() as f64;
            classes = result.accuracy.is_some();
        }
        let n = numbers.len() as f64;
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

/// `weights.step10.safetensors` beside `weights.safetensors`.
fn at_step(output: &Path, step: u64) -> PathBuf {
    output.with_extension(format!("step{step}.safetensors"))
}
