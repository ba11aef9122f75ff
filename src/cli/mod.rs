//! The command line. The only code that prints or exits.
//!
//! A subcommand is a file with `Args` and `execute`, and a line in the list below.

mod choice;
mod console;
mod failure;
mod inputs;
mod making;
mod memory;
mod models;
mod networks;
mod report;
mod sources;
mod table;
mod threads;
mod values;

use std::process::ExitCode;

use clap::Parser;

use console::{Console, Format, escaped};
use failure::{EXIT_BUG, Failure, Outcome};

/// Declares the subcommands: the variant, its module and its line in `--help`.
macro_rules! commands {
    ($($variant:ident = $module:ident, $about:literal;)*) => {
        $(mod $module;)*

        #[derive(clap::Subcommand)]
        enum Command {
            $(
                #[doc = $about]
                $variant(Box<$module::Args>),
            )*
        }

        impl Command {
            fn execute(&self, console: &mut Console) -> Result<Outcome, Failure> {
                match self {
                    $(Command::$variant(args) => $module::execute(args, console),)*
                }
            }

            /// How the results, and a failure, are written.
            fn format(&self) -> Format {
                match self {
                    $(Command::$variant(args) => args.format(),)*
                }
            }
        }
    };
}

commands! {
    Run = run, "Compiles a model and applies it to pictures or arrays";
    Check = check, "Finds every error in models";
    Explain = explain, "Shows each layer's shape, formula, cost and receptive field";
    Compare = compare, "Holds compiled code to the evaluator or to recorded outputs, layer by layer";
    Train = train, "Learns a model's weights from data";
    Bench = bench, "Measures a program, as a whole and layer by layer, beside what the machine can do";
    Import = import, "Makes a readable text and a weight file of an ONNX network";
    Export = export, "Writes a model as an ONNX file";
    Emit = emit, "Prints what a stage of the compiler makes of a model";
    Fmt = fmt, "Formats models";
}

/// A compiler for convolution pipelines: checked text in, specialised machine code out.
#[derive(Parser)]
#[command(name = "convc", version, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  convc run edges.conv photo.jpg -o edges.png     apply a model to a picture
  convc check edges.conv                          list every error in it
  convc explain resnet18.conv                     see what each layer does and costs
  convc compare lenet.conv                        hold compiled code to the evaluator
  convc bench resnet18.onnx                       time it, layer by layer
  convc train lenet.conv --data mnist/ --loss cross_entropy   learn its weights
  convc emit --stage asm edges.conv               read its machine code
  convc run net.onnx photo.png                   an ONNX network as it is
  convc import net.onnx                          … as a text that can be read and changed
  convc export lenet.conv -o lenet.onnx          for other runtimes and viewers
  convc fmt edges.conv                            format it in place

Exit codes: 0 all is well, 1 the model or the data is wrong, 2 the command line is wrong, 3 convc is wrong.
Results go to stdout, everything else to stderr.";

/// Parses the command line, does what it asks, and says how it went.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(report_panic));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come here too. A closed pipe is no reason to complain.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(EXIT_BUG));
        }
    };
    let mut console = Console::new();
    match cli.command.execute(&mut console) {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Wrong) => ExitCode::from(failure::EXIT_DATA),
        Err(failure) => {
            console.progress_end();
            failure.report(&mut console, cli.command.format());
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Says what panicked and asks for a report, then exits as for a bug. Nothing is hidden.
fn report_panic(info: &std::panic::PanicHookInfo<'_>) {
    let console = Console::new();
    console.error(format!("internal error: {}", escaped(&info.to_string())));
    console.below("note", failure::PLEASE_REPORT);
    std::process::exit(EXIT_BUG.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
