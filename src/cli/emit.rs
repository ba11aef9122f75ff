//! `convc emit`: what a stage makes of a model.


use super::choice::Choice;
use super::console::{Console, Format, shown};
use super::failure::{Failure, Outcome};
use super::networks;
use super::values::{BackendName, MathName};
use crate::code::{self, Backend};
use crate::graph::grad::with_gradients;
use crate::graph::{self, Graph};
use crate::model::{Error, Model, Options};
use crate::pipeline;
use crate::plan::PlanOptions;
use crate::syntax;
use crate::target::Target;
use crate::tensor::Tensor;

const EXAMPLES: &str = "\
Examples:
  convc emit --stage graph lenet.conv                              the checked model
  convc emit --grad lenet.conv                                     the same with its gradients
  convc emit --stage plan edges.conv --size H=480,W=640            what runs on which buffers
  convc emit --stage asm edges.conv --target x86_64-avx2           machine code for a pinned target
  convc emit --stage plan --with-weights net.onnx                  as it runs with its own filters
  convc emit --stage asm edges.conv --backend cranelift            the other emitter's";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    choice: Choice,

    /// Which stage's result to print
    #[arg(long, value_name = "STAGE", default_value = "graph")]
    stage: Stage,

    /// With the gradients of inputs and weights
    #[arg(long)]
    grad: bool,

    /// How many samples gradients are of at once
    #[arg(long, value_name = "N", default_value_t = 1, requires = "grad", value_parser = clap::value_parser!(u64).range(1..))]
    samples: u64,

    /// With the values of the weights, on which plan and code of small filters depend
    #[arg(long, conflicts_with = "grad")]
    with_weights: bool,

    /// What code is made for: host, or the pinned x86_64-avx512, x86_64-avx2, x86_64, aarch64
    #[arg(long, value_name = "TARGET", default_value = "host", value_parser = target)]
    target: Target,

    /// Which emitter makes the kernels
    #[arg(long, value_name = "NAME")]
    backend: Option<BackendName>,

    /// Which liberties arithmetic may take
    #[arg(long, value_name = "MODE", default_value = "default")]
    math: MathName,
}

/// A stage of the compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Stage {
    /// The syntax tree
    Ast,
    /// The checked model, every size concrete
    Graph,
    /// What runs, in which order, on which buffers
    Plan,
    /// The kernels in the vector IR, and the steps that call them
    Kernels,
    /// The kernels as Cranelift gets them
    Clif,
    /// The machine code of kernels and steps
    Asm,
}

impl Args {
    fn plan_options(&self) -> PlanOptions {
        PlanOptions { target: self.target, math: self.math.into() }
    }

    pub(super) fn format(&self) -> Format {
        Format::Text
    }
}

fn target(text: &str) -> Result<Target, String> {
    text.parse().map_err(|e: crate::target::UnknownTarget| e.to_string())
}

pub(super) fn execute(args: &Args, console: &mut Console) -> Result<Outcome, Failure> {
    if args.stage == Stage::Ast {
        // What names mean does not matter yet.
        let path = args.choice.path();
        let model = match networks::is_network(path) {
            true => Model::from_str(&shown(path), networks::text(path, args.choice.sizes())?.text())?,
            false => Model::from_path(path)?,
        };
        console.print(format_args!("{}", syntax::dump(model.syntax())))?;
        return Ok(Outcome::Fine);
    }
    let model = args.choice.open()?;
    let graph = model.graph_with_defaults(args.choice.sizes(), console)?;
    let graph = match args.grad {
        true => with_gradients(&graph, args.samples).map_err(|e| Failure::data(e.to_string()))?,
        false => graph,
    };
    if args.stage == Stage::Graph {
        console.print(format_args!("{}", graph::print::print(&graph)))?;
        return Ok(Outcome::Fine);
    }
    let weights = match args.with_weights {
        true => model.model().weights(&graph, &model.options())?.params.tensors().to_vec(),
        false => Vec::new(),
    };
    let text = text(args, &graph, &weights)?;
    console.print(format_args!("{text}"))?;
    Ok(Outcome::Fine)
}

/// What the stages after the graph make of it; taps in the text are known, and the weights that are given.
fn text(args: &Args, graph: &Graph, weights: &[Tensor]) -> Result<String, Error> {
    let graph = pipeline::specialise(graph, weights, args.math.into());
    let plan = pipeline::plan(&pipeline::optimise(&graph), &args.plan_options())?;
    if args.stage == Stage::Plan {
        return Ok(crate::plan::print(&plan));
    }
    let lowered = pipeline::lower(&plan)?;
    let options = Options::default().target(args.target);
    let backend = args.backend.map_or_else(|| options.resolved_backend(), Backend::from);
    match args.stage {
        Stage::Ast | Stage::Graph | Stage::Plan => Ok(String::new()),
        Stage::Kernels => Ok(lowered.to_string()),
        Stage::Clif => {
            let kernels = lowered.kernels.iter().map(|k| code::clif_text(k, &args.target));
            Ok(kernels.collect::<Result<Vec<_>, _>>()?.join("\n"))
        }
        Stage::Asm => {
            Ok(code::disasm::disassemble_all(&pipeline::assemble(&lowered, &args.target, backend)?))
        }
    }
}
