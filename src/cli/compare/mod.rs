//! `convc compare`: compiled code held to the evaluator, or to what another runtime recorded.

mod expected;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::choice::Choice;
use super::console::{Console, Format};
use super::failure::{Failure, Outcome};
use super::inputs::{self, Bound, Conversion};
use super::memory;
use super::models::with_sizes;
use super::report::{number, plural, shape};
use super::table::{Row, lay_out};
use super::threads::Threads;
use super::values::{self, BackendName, Named};
use crate::model::{Difference, Layer};
use expected::Expected;

const EXAMPLES: &str = "\
Examples:
  convc compare lenet.conv                                 compiled code and evaluator, on random numbers
  convc compare edges.conv photo.png --backend cranelift   the other emitter, on a photo
  convc compare model.onnx x.npy --expect y.npy            with what another runtime computed
  convc compare m.conv x.npy --expect all.npz              every array by the name of its layer or output

Both sides get the same inputs. A layer differs where an element is further from the evaluator's than the
tolerance times the range of the layer's numbers.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    choice: Choice,

    /// Pictures or arrays in the order of the model's inputs, or as NAME=FILE; random numbers without
    #[arg(value_name = "INPUT", value_parser = values::named())]
    inputs: Vec<Named>,

    /// What another runtime computed: an array (.npy) for the outputs in order, or NAME=FILE for an output
    /// or a layer, or an archive (.npz) of them; may be repeated
    #[arg(long, value_name = "[NAME=]FILE", value_parser = values::named())]
    expect: Vec<Named>,

    /// The largest difference allowed, as a share of the range of the expected numbers
    #[arg(long, value_name = "SHARE", default_value_t = 1e-4)]
    tolerance: f32,

    /// Take the weights from this safetensors file
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,

    /// Seed of random weights and inputs
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Which emitter makes the kernels
    #[arg(long, value_name = "NAME")]
    backend: Option<BackendName>,

    #[command(flatten)]
    threads: Threads,

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
    if !(args.tolerance >= 0.0 && args.tolerance.is_finite()) {
        return Err(Failure::usage("--tolerance: it is a number of at least 0"));
    }
    let (model, files) = args.choice.open_for(&args.inputs)?;
    let sizes = args.choice.sizes();
    model.know_sizes(sizes)?;
    let memory = memory::default_limit();
    let mut bound = Bound::new(sizes);
    let conversion = Conversion { fit: None, memory };
    let inputs = inputs::read(&model, &files, &mut bound, conversion, args.seed, console)?;
    inputs.ready.iter().flat_map(|r| &r.notes).for_each(|n| console.note(n));
    let options = args.threads.set(model.options())?;
    let options = with_sizes(options, &bound.sizes()).seed(args.seed).memory(memory);
    let options = inputs.declare(model.inputs(), options);
    let options = match args.backend {
        Some(backend) => options.backend(backend.into()),
        None => options,
    };
    let options = match &args.weights {
        Some(weights) => options.weights_file(weights),
        None => options,
    };
    let compiled = model.compile(&options, console)?;
    let views: Vec<_> = inputs.ready.iter().map(|r| r.tensor.view()).collect();
    let expected = Expected::read(&args.expect, compiled.graph(), memory)?;
    let comparison = compiled.compare(&options, &views)?;
    let recorded = match &expected {
        Some(expected) => expected.against(&compiled, &options, &views)?,
        None => Vec::new(),
    };
    let report = Report {
        tolerance: args.tolerance,
        layers: comparison.layers,
        outputs: comparison.outputs,
        recorded,
    };
    match args.format {
        Format::Text => report.print(console)?,
        Format::Json => console.json(&report.as_json())?,
    }
    Ok(if report.agrees() { Outcome::Fine } else { Outcome::Wrong })
}

struct Report {
    tolerance: f32,
    layers: Vec<Layer>,
    outputs: Vec<Layer>,
    recorded: Vec<Layer>,
}

impl Report {
    fn differs(&self, layer: &Layer) -> bool {
        !layer.difference.within(self.tolerance)
    }

    fn agrees(&self) -> bool {
        !self.layers.iter().chain(&self.outputs).chain(&self.recorded).any(|l| self.differs(l))
    }

    fn print(&self, console: &mut Console) -> Result<(), Failure> {
        self.table("layer", &self.layers, console)?;
        self.verdict("compiled code and evaluator", &self.layers, console)?;
        if self.layers.iter().all(|l| !self.differs(l)) && self.outputs.iter().any(|l| self.differs(l)) {
            self.table("output", &self.outputs, console)?;
            self.verdict("the program and the graph before its passes", &self.outputs, console)?;
        }
        if !self.recorded.is_empty() {
            console.line(format_args!(""))?;
            self.table("recorded", &self.recorded, console)?;
            self.verdict("compiled code and what was recorded", &self.recorded, console)?;
        }
        Ok(())
    }

    fn table(&self, title: &str, layers: &[Layer], console: &mut Console) -> Result<(), Failure> {
        let row = |layer: &Layer| Row {
            cells: vec![
                layer.name.clone(),
                layer.operation.clone(),
                shape(&layer.shape),
                format!("{:.1e}", layer.difference.worst),
                format!("{:.1e}", layer.difference.share()),
                if self.differs(layer) { "differs".to_owned() } else { String::new() },
            ],
            below: Vec::new(),
        };
        let rows: Vec<Row> = layers.iter().map(row).collect();
        let header = [title, "operation", "shape", "worst", "of range", ""];
        lay_out(&header, &rows).iter().try_for_each(|line| console.line(format_args!("{line}")))
    }

    fn verdict(&self, what: &str, layers: &[Layer], console: &mut Console) -> Result<(), Failure> {
        let worst = layers.iter().map(|l| l.difference.share()).fold(0.0f32, |a, b| if b > a || b.is_nan() { b } else { a });
        match layers.iter().find(|l| self.differs(l)) {
            None => console.line(format_args!(
                "{what} agree: at most {worst:.1e} of the range, {} allowed",
                number(f64::from(self.tolerance))
            )),
            Some(first) => {
                let Difference { worst, at, found, expected, .. } = &first.difference;
                let others = layers.iter().filter(|l| self.differs(l)).count() - 1;
                console.line(format_args!(
                    "{what} differ first at `{}`: {found} instead of {expected} at {}, {worst:.1e} apart{}",
                    first.name,
                    shape(at),
                    match others {
                        0 => String::new(),
                        n => format!("; {} after it", plural(n, "more")),
                    }
                ))
            }
        }
    }

    fn as_json(&self) -> Value {
        let list = |layers: &[Layer]| -> Vec<Value> {
            layers
                .iter()
                .map(|l| {
                    let d = &l.difference;
                    json!({
                        "name": l.name, "operation": l.operation, "shape": l.shape, "worst": d.worst,
                        "share": d.share(), "at": d.at, "found": d.found, "expected": d.expected,
                        "differs": self.differs(l),
                    })
                })
                .collect()
        };
        let first = self.layers.iter().chain(&self.outputs).chain(&self.recorded).find(|l| self.differs(l));
        json!({
            "ok": self.agrees(),
            "tolerance": self.tolerance,
            "first": first.map(|l| &l.name),
            "layers": list(&self.layers),
            "outputs": list(&self.outputs),
            "recorded": list(&self.recorded),
        })
    }
}
