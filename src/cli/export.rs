//! `convc export`: a model as an ONNX file.

use std::io::Write;
use std::path::PathBuf;

use serde_json::json;

use super::choice::Choice;
use super::console::{Console, Format, shown};
use super::failure::{Failure, Outcome};
use super::memory;
use super::models::with_sizes;
use super::report::{bytes, plural};
use super::run::say_seeded;
use crate::io::atomic;
use crate::onnx::export::{self, OPSET};

const EXAMPLES: &str = "\
Examples:
  convc export lenet.conv -o lenet.onnx
  convc export edges.conv -o edges.onnx --size H=480,W=640     open sizes become numbers

The batch axis stays free. Weights are stored in the file.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    choice: Choice,

    /// The file to write
    #[arg(short, long, value_name = "OUT.onnx")]
    output: PathBuf,

    /// Take the weights from this safetensors file
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,

    /// Seed of random weights
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

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
    let model = args.choice.open()?;
    let mut read = vec![args.choice.path()];
    read.extend(args.weights.as_deref());
    atomic::check(&args.output, &read).map_err(Failure::file)?;
    let bound = model.sizes_with_defaults(args.choice.sizes(), console)?;
    let options = with_sizes(model.options(), &bound).seed(args.seed).memory(memory::default_limit());
    let options = match &args.weights {
        Some(weights) => options.weights_file(weights),
        None => options,
    };
    let graph = model.graph(&options, console)?;
    let weights = model.weights(&graph, &options, console)?;
    say_seeded(weights.seeded, args.seed, console);
    let file = export::export(&graph, weights.params.tensors()).map_err(|e| match e {
        export::ExportError::Bug(_) | export::ExportError::Params { .. } => Failure::Bug(e.to_string()),
        _ => Failure::data(e.to_string()),
    })?;
    atomic::write(&args.output, &read, |out| out.write_all(&file)).map_err(Failure::file)?;
    let size = bytes(file.len() as u64);
    match args.format {
        Format::Text => console.line(format_args!(
            "{}: {}, {}, opset {OPSET}, {size}",
            shown(&args.output),
            plural(graph.inputs.len(), "input"),
            plural(graph.outputs.len(), "output"),
        ))?,
        Format::Json => console.json(&json!({
            "ok": true, "file": shown(&args.output), "opset": OPSET, "bytes": file.len(),
            "inputs": graph.inputs.iter().map(|i| &i.name).collect::<Vec<_>>(),
            "outputs": graph.outputs.iter().map(|o| &o.name).collect::<Vec<_>>(),
        }))?,
    }
    Ok(Outcome::Fine)
}
