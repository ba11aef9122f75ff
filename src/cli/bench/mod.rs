//! `convc bench`: how long a program takes.

mod flush;
mod machine;
mod measure;
mod report;
mod subject;
mod times;

use std::time::Instant;

use super::choice::Choice;
use super::console::{Console, Format};
use super::failure::{Failure, Outcome};
use super::inputs::{self, Bound, Conversion};
use super::making::Making;
use super::run::apply::{files_read, say_seeded, write};
use super::run::save::{self, Kind};
use super::values::{self, Named};
use crate::runtime::Executor;
use machine::Machine;
use report::Report;
use subject::Subject;

const EXAMPLES: &str = "\
Examples:
  convc bench lenet.conv                              random input, a table of layers
  convc bench net.onnx x.npy --threads 1 --repeat 100
  convc bench net.onnx x.npy -o y.npy --format json   one JSON object, and what the last run computed

Times: a run goes from the caller's row-major inputs to its row-major outputs, everything allocated before.
  load_ms       the model's file into memory
  compile_ms    from there to a program that can run: parsed, imported, checked, planned, assembled, weights
                read (where a text names their file) and packed
  first_run_ms  scratch memory allocated, and the first run
  median_ms, min_ms, p10_ms, p90_ms  of the timed runs, after a warm-up

FLOPs are two for each product of the direct algorithm, and the peak is that of 256 bits: Winograd's filtering and
wider registers show as more than 100 %. docs/performance.md says more.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    choice: Choice,

    /// Pictures or arrays in the order of the model's inputs, or as NAME=FILE; random numbers without
    #[arg(value_name = "INPUT", value_parser = values::named())]
    inputs: Vec<Named>,

    /// Write an output of the last run to a file, as `convc run` does; may be repeated
    #[arg(short, long = "output", value_name = "[NAME=]OUT", value_parser = values::named())]
    output: Vec<Named>,

    /// Timed runs, at least 5; without, as many as fit into two seconds, at most 1000
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    repeat: Option<u32>,

    /// Runs before them; without, as many as fit into half a second, at most 50
    #[arg(long, value_name = "N")]
    warmup: Option<u32>,

    #[command(flatten)]
    making: Making,

    /// With --format json: the times of each layer, too, and what the machine can do. Text always has them
    #[arg(long)]
    layers: bool,

    /// Also time runs that find nothing in the caches
    #[arg(long)]
    cold: bool,

    /// How results are printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

impl Args {
    pub(super) fn format(&self) -> Format {
        self.format
    }
}

pub(super) fn execute(args: &Args, console: &mut Console) -> Result<Outcome, Failure> {
    args.output.iter().try_for_each(|out| Kind::of(&out.file).map(drop))?;
    let (model, files) = args.choice.open_for(&args.inputs)?;
    model.know_sizes(args.choice.sizes())?;
    let memory = args.making.memory();
    let mut bound = Bound::new(args.choice.sizes());
    let conversion = Conversion { fit: None, memory };
    let inputs = inputs::read(&model, &files, &mut bound, conversion, args.making.seed(), console)?;
    inputs.ready.iter().flat_map(|r| &r.notes).for_each(|n| console.note(n));
    let left = memory.saturating_sub(inputs.bytes());
    let options = args.making.options(&model, &bound.sizes(), left)?;
    let options = inputs.declare(model.inputs(), options);

    let start = Instant::now();
    let compiled = model.compile(&options, console)?;
    let compile = model.opening().parse + start.elapsed();
    say_seeded(compiled.seeded(), args.making.seed(), console);
    console.status(compiled.describe());
    let samples = inputs.samples(model.inputs());
    compiled.check_batch(samples, left)?;
    let names: Vec<&str> = compiled.graph().outputs.iter().map(|o| o.name.as_str()).collect();
    let destinations = save::destinations(&args.output, &names)?;
    let read = files_read(&args.choice, &args.making, &model, compiled.graph(), &inputs);
    destinations.iter().try_for_each(|d| save::check(&d.path, &read))?;

    let mut subject = Subject::new(&compiled, &inputs)?;
    let left = memory.saturating_sub(compiled.memory(samples));
    let by_layers = args.layers || args.format == Format::Text;
    let parts = crate::model::parts(compiled.program(), &options)?;
    let mut machine = by_layers.then(|| Machine::new(left / 2, compiled.program().pool().cloned())).transpose()?;
    subject.warm_up(args.warmup)?;
    console.progress_start(100);
    let timed = if by_layers { &parts[..] } else { &[] };
    let warm = measure::warm(&mut subject, args.repeat, timed, machine.as_mut(), console);
    console.progress_end();
    drop(machine);
    let cold = args.cold.then(|| measure::cold(&mut subject, args.repeat, left / 2)).transpose()?;
    let report = Report {
        model: compiled.graph().name.clone(),
        samples,
        threads: compiled.program().pool().map_or(1, |pool| pool.threads()),
        memory: compiled.memory(samples),
        load: model.opening().load,
        compile,
        first: subject.first(),
        parts,
        warm: warm?,
        cold,
    };

    let mut notes = Vec::new();
    for destination in &destinations {
        write(destination, &compiled, subject.outputs(), false, &read, &mut notes)?;
    }
    notes.iter().for_each(|n| console.note(n));
    match args.format {
        Format::Text => report.print(console)?,
        Format::Json => console.json(&report.as_json())?,
    }
    Ok(Outcome::Fine)
}
