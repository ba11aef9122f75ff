//! `convc run`: a model applied to pictures and arrays.

pub(in crate::cli) mod apply;
mod each;
pub(in crate::cli) mod save;
mod summary;

pub(super) use apply::say_seeded;

use std::path::PathBuf;

use super::choice::Choice;
use super::console::{Console, Format};
use super::failure::{Failure, Outcome};
use super::inputs::Conversion;
use super::making::Making;
use super::values::{self, Named};
use crate::io::picture::Fit;

const EXAMPLES: &str = "\
Examples:
  convc run edges.conv                                its default input; shape, range and times
  convc run edges.conv photo.jpg -o edges.png         a picture from a picture
  convc run lenet.conv digit.png --fit stretch        the top classes
  convc run m.conv a=left.npy b=right.npy -o y.npz    several inputs, all outputs in one archive
  convc run pnet.conv photo.png -o prob=p.npy -o box=b.npy
  convc run edges.conv photos/ -o out/                a folder of pictures
  convc run edges.conv --each *.jpg -o out/           the same for files";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    choice: Choice,

    /// Pictures (PNG, JPEG, PNM) or arrays (.npy, .npz) in the order of the model's inputs, or as
    /// NAME=FILE; or a folder of them
    #[arg(value_name = "INPUT", value_parser = values::named())]
    inputs: Vec<Named>,

    /// Write an output to a file by its ending (.png .jpg .pnm .npy .npz), or to a folder for many inputs;
    /// may be repeated
    #[arg(short, long = "output", value_name = "[NAME=]OUT", value_parser = values::named())]
    output: Vec<Named>,

    /// Map the model over many files, or over the files of a folder, and go on past bad ones
    #[arg(long, value_name = "DIR|FILE", num_args = 1.., conflicts_with = "inputs")]
    each: Vec<PathBuf>,

    /// How a picture of another size is made to fit
    #[arg(long, value_name = "HOW")]
    fit: Option<FitName>,

    /// Map the range of a picture's values to 0..1 instead of clamping them
    #[arg(long)]
    normalize: bool,

    #[command(flatten)]
    making: Making,

    /// How results are printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

/// How a picture of another size is made to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FitName {
    /// Resize each side by its own factor
    Stretch,
    /// Resize to cover, keep the middle
    Crop,
    /// Resize to lie within, black around it
    Pad,
}

impl From<FitName> for Fit {
    fn from(name: FitName) -> Fit {
        match name {
            FitName::Stretch => Fit::Stretch,
            FitName::Crop => Fit::Crop,
            FitName::Pad => Fit::Pad,
        }
    }
}

impl Args {
    pub(super) fn format(&self) -> Format {
        self.format
    }

    fn sizes(&self) -> &[(String, u64)] {
        self.choice.sizes()
    }

    /// How pictures may be converted, with so much memory left.
    fn conversion(&self, memory: u64) -> Conversion {
        Conversion { fit: self.fit.map(Into::into), memory }
    }
}

pub(super) fn execute(args: &Args, console: &mut Console) -> Result<Outcome, Failure> {
    // Of a folder each file has sizes of its own, so none is bound beforehand.
    let single = args.each.is_empty() && !args.inputs.iter().any(|i| i.file.is_dir());
    let files = if single { &args.inputs[..] } else { &[] };
    let (model, files) = args.choice.open_for(files)?;
    model.know_sizes(args.sizes())?;
    let folder = args.inputs.iter().find(|i| i.file.is_dir());
    match (args.each.as_slice(), folder) {
        ([], None) => apply::once(args, &model, &files, console),
        ([], Some(folder)) if args.inputs.len() == 1 && folder.name.is_none() => {
            each::map(args, &model, std::slice::from_ref(&folder.file), console)
        }
        ([], Some(_)) => Err(Failure::usage("a folder of inputs must be the only input")),
        (files, _) => each::map(args, &model, files, console),
    }
}
