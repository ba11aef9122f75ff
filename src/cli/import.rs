//! `convc import`: an ONNX network as a text with its weights beside it.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::console::{Console, Format, shown};
use super::failure::{Failure, Outcome};
use super::networks::{self, Given};
use super::report::{bytes, plural};
use super::values::{self, Named, Sizes};
use crate::io::atomic;
use crate::runtime::params::to_safetensors;

const EXAMPLES: &str = "\
Examples:
  convc import net.onnx                        writes net.conv and net.safetensors beside it
  convc import net.onnx -o models/net.conv     the weights go beside the text
  convc import net.onnx --size H=480,W=640     for a network that depends on its sizes
  convc import node.onnx --constant W=w.npy    an input that is a weight becomes one

The text is as a person would write it: blocks where a structure repeats, names and shapes kept.
`convc run net.onnx photo.png` takes the same way without writing anything.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The network
    #[arg(value_name = "NET.onnx")]
    network: PathBuf,

    /// The text to write; by default beside the network. The weights go beside it
    #[arg(short, long, value_name = "OUT.conv")]
    output: Option<PathBuf>,

    #[command(flatten)]
    size: Sizes,

    /// Bind an input to the numbers in a file, as weights are; may be repeated
    #[arg(long, value_name = "NAME=FILE", value_parser = values::named())]
    constant: Vec<Named>,

    /// One statement a line, no blocks
    #[arg(long)]
    flat: bool,

    /// Write over files that are there
    #[arg(long)]
    force: bool,

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
    let text_file = args.output.clone().unwrap_or_else(|| args.network.with_extension("conv"));
    if text_file.extension().and_then(|e| e.to_str()) != Some("conv") {
        return Err(Failure::usage(format!("{}: the text's name ends in .conv", shown(&text_file))));
    }
    let weights_file = text_file.with_extension("safetensors");
    let read = [args.network.as_path()];
    for file in [&text_file, &weights_file] {
        atomic::check(file, &read).map_err(Failure::file)?;
        if file.exists() && !args.force {
            return Err(Failure::data(format!("{}: it is there already", shown(file)))
                .help("--force writes over it, -o writes elsewhere"));
        }
    }
    if let Some(unnamed) = args.constant.iter().find(|c| c.name.is_none()) {
        return Err(Failure::usage(format!("--constant {}: it is NAME=FILE", shown(&unnamed.file))));
    }
    let given = Given { inputs: &args.constant, sizes: &args.size.0, only_constants: true };
    let (network, bindings, _) = networks::read(&args.network, &given)?;
    let named = weights_file.file_name().map(|n| n.to_string_lossy().into_owned());
    let imported = networks::import(&args.network, &network, &bindings, named, args.flat)?;
    networks::check(&text_file, &imported)?;
    let weights = to_safetensors(&imported.weights).map_err(|e| Failure::data(e.to_string()))?;
    if !imported.weights.is_empty() {
        atomic::write(&weights_file, &read, |out| out.write_all(&weights)).map_err(Failure::file)?;
    }
    atomic::write(&text_file, &read, |out| out.write_all(imported.text.as_bytes())).map_err(Failure::file)?;
    say(args, &text_file, &weights_file, &imported, weights.len(), console)?;
    Ok(Outcome::Fine)
}

fn say(
    args: &Args,
    text_file: &Path,
    weights_file: &Path,
    imported: &crate::onnx::import::Import,
    weights_bytes: usize,
    console: &mut Console,
) -> Result<(), Failure> {
    let lines = imported.text.lines().count();
    let tensors = imported.weights.len();
    match args.format {
        Format::Text => {
            console.line(format_args!(
                "{}: {} for {}",
                shown(text_file),
                plural(lines, "line"),
                plural(imported.layers, "layer")
            ))?;
            if tensors > 0 {
                console.line(format_args!(
                    "{}: {}, {}",
                    shown(weights_file),
                    plural(tensors, "tensor"),
                    bytes(weights_bytes as u64)
                ))?;
            }
            Ok(())
        }
        Format::Json => console.json(&json!({
            "ok": true,
            "text": shown(text_file),
            "weights": (tensors > 0).then(|| shown(weights_file)),
            "lines": lines,
            "layers": imported.layers,
            "tensors": tensors,
        })),
    }
}
