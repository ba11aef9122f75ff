//! A model as the commands use it: opened, checked for some sizes, compiled.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::console::{Console, shown};
use super::failure::Failure;
use super::inputs::{Axis, Bound, Declared, bind_defaults};
use super::networks::{self, AsModel, Given, Opening};
use super::report::{bytes, plural, seconds};
use super::run::save::folder_of;
use super::sources;
use super::values::Named;
use crate::diag::{Diagnostic, did_you_mean};
use crate::graph::Graph;
use crate::graph::check::{self, CheckOptions, Checked, DimSignature, InputSignature, Signature};
use crate::model::{Comparison, Found, Memory, Model, Options, Program, Report, Weights};
use crate::source::Source;
use crate::syntax;
use crate::tensor::{Tensor, TensorView};

/// A model's text, parsed, and what it declares.
pub(super) struct Opened {
    model: Model,
    signature: Signature,
    folder: PathBuf,
    inputs: Vec<Declared>,
    /// Sizes that may be given although the text has numbers for them.
    bound: Vec<String>,
    /// Warnings that have been said: they are the same for all sizes.
    said: RefCell<Vec<Diagnostic>>,
    opening: Opening,
}

impl Opened {
    /// Reads and parses a text and picks the model asked for, or its only one.
    ///
    /// Mistakes that can be found without sizes are found here, all of them.
    ///
    /// An ONNX file takes what is given for it. The files that are inputs come back.
    pub(super) fn open(
        path: &Path,
        asked: Option<&str>,
        given: &Given<'_>,
    ) -> Result<(Opened, Vec<Named>), Failure> {
        if !networks::is_network(path) {
            return Ok((Opened::open_text(path, asked)?, given.inputs.to_vec()));
        }
        let AsModel { model, inputs, sizes, opening } = networks::open(path, given)?;
        let signature = model.signature(asked);
        pick(&signature, asked, path)?;
        let mut opened = Opened::new(model, signature, path)?;
        (opened.bound, opened.opening) = (sizes, opening);
        Ok((opened, inputs))
    }

    fn open_text(path: &Path, asked: Option<&str>) -> Result<Opened, Failure> {
        let start = Instant::now();
        let source = sources::read(path)?;
        let load = start.elapsed();
        let start = Instant::now();
        let model = match Model::from_source(source, path.parent().map(Path::to_path_buf)) {
            Ok(model) => model,
            Err(crate::model::Error::Model(report)) => {
                // What does not parse does not keep the rest from being checked.
                let found = findings(path, asked, &[])?;
                let report = if found.diagnostics.is_empty() { report } else { found.into_report() };
                return Err(Failure::Model(Box::new(report)));
            }
            Err(other) => return Err(other.into()),
        };
        let opening = Opening { load, parse: start.elapsed() };
        let signature = model.signature(asked);
        if let Err(ambiguous) = pick(&signature, asked, path) {
            // Two models of one name, for instance, are the text's mistake and not the command's.
            let found = findings(path, None, &[])?;
            return Err(match found.diagnostics.iter().any(Diagnostic::is_error) {
                true => Failure::Model(Box::new(found.into_report())),
                false => ambiguous,
            });
        }
        Ok(Opened { opening, ..Opened::new(model, signature, path)? })
    }

    fn new(model: Model, signature: Signature, path: &Path) -> Result<Opened, Failure> {
        let folder = folder_of(path).to_path_buf();
        let inputs = signature.inputs.iter().map(declared).collect();
        let opened = Opened {
            model,
            signature,
            folder,
            inputs,
            bound: Vec::new(),
            said: RefCell::default(),
            opening: Opening::default(),
        };
        opened.without_errors(opened.model.check(&opened.options()))?;
        Ok(opened)
    }

    /// The model.
    pub(super) fn model(&self) -> &Model {
        &self.model
    }

    /// The folder that files named in the text are relative to.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// How long it took to open it.
    pub(super) fn opening(&self) -> Opening {
        self.opening
    }

    /// The inputs in the order of the text.
    pub(super) fn inputs(&self) -> &[Declared] {
        &self.inputs
    }

    /// The options for its model, nothing else set.
    pub(super) fn options(&self) -> Options {
        match &self.signature.model {
            Some(name) => Options::default().model(name),
            None => Options::default(),
        }
    }

    fn without_errors(&self, checked: Checked) -> Result<Checked, Failure> {
        if checked.has_errors() {
            let report = Report { source: self.model.source().clone(), diagnostics: checked.diagnostics };
            return Err(Failure::Model(Box::new(report)));
        }
        Ok(checked)
    }

    /// Checks that all weights have names by which a file keeps them.
    pub(super) fn hold_to_names(&self) -> Result<(), Failure> {
        self.without_errors(self.model.check(&self.options().names_wanted())).map(drop)
    }

    /// Checks that the sizes of the command line are among those that the model leaves open.
    pub(super) fn know_sizes(&self, sizes: &[(String, u64)]) -> Result<(), Failure> {
        let names: Vec<&str> = self.signature.sizes.iter().map(|(name, _)| name.as_str()).collect();
        let known = |name: &String| names.contains(&name.as_str()) || self.bound.contains(name);
        let Some((unknown, _)) = sizes.iter().find(|(name, _)| !known(name)) else {
            return Ok(());
        };
        let failure = Failure::usage(format!("--size: the model has no size `{unknown}`"));
        let failure = match names.as_slice() {
            [] => failure.note("it leaves no size open"),
            names => failure.note(format!("the sizes it leaves open are {}", names.join(", "))),
        };
        Err(match did_you_mean(unknown, names) {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure,
        })
    }

    /// The graph for some options, which must bind all sizes that are open. Warnings are said once.
    pub(super) fn graph(&self, options: &Options, console: &Console) -> Result<Graph, Failure> {
        let checked = self.without_errors(self.model.check(options))?;
        self.warn(&checked.diagnostics, console);
        match checked.graph {
            Some(graph) => Ok(graph),
            None => Err(Failure::usage(format!("the sizes {} are not known", checked.unbound.join(", ")))
                .help("--size H=480,W=640 gives them")),
        }
    }

    fn warn(&self, warnings: &[Diagnostic], console: &Console) {
        let mut said = self.said.borrow_mut();
        for warning in warnings {
            if !said.contains(warning) {
                console.diagnostics(self.model.source(), std::slice::from_ref(warning));
                said.push(warning.clone());
            }
        }
    }

    /// The axes of one sample of an input, by its number, for some sizes.
    pub(super) fn input_dims(
        &self,
        input: usize,
        sizes: &[(String, u64)],
        console: &Console,
    ) -> Result<Vec<u64>, Failure> {
        let graph = self.graph(&with_sizes(self.options(), sizes), console)?;
        let input =
            graph.inputs.get(input).ok_or_else(|| Failure::Bug(format!("the graph has no input {input}")))?;
        Ok(graph.ty(input.value).dims.clone())
    }

    /// The graph for the sizes given, the others taken from defaults, which is said.
    pub(super) fn graph_with_defaults(
        &self,
        given: &[(String, u64)],
        console: &Console,
    ) -> Result<Graph, Failure> {
        let sizes = self.sizes_with_defaults(given, console)?;
        self.graph(&with_sizes(self.options(), &sizes), console)
    }

    /// The sizes given, and the defaults of the others, which is said.
    pub(super) fn sizes_with_defaults(
        &self,
        given: &[(String, u64)],
        console: &Console,
    ) -> Result<Vec<(String, u64)>, Failure> {
        self.know_sizes(given)?;
        let mut bound = Bound::new(given);
        let mut notes = Vec::new();
        self.inputs.iter().for_each(|input| bind_defaults(input, &mut bound, &mut notes));
        notes.iter().for_each(|n| console.note(n));
        Ok(bound.sizes())
    }

    /// The weights for a graph; what could surprise about them is said.
    pub(super) fn weights(
        &self,
        graph: &Graph,
        options: &Options,
        console: &Console,
    ) -> Result<Weights, Failure> {
        let weights = self.model.weights(graph, options)?;
        self.warn(&weights.warnings, console);
        Ok(weights)
    }

    /// Compiles; what could surprise about the weights is said.
    pub(super) fn compile(&self, options: &Options, console: &Console) -> Result<Compiled, Failure> {
        let program = self.model.compile(options)?;
        self.warn(program.warnings(), console);
        Ok(Compiled { program })
    }
}

/// Sets the sizes that a model leaves open.
pub(super) fn with_sizes(options: Options, sizes: &[(String, u64)]) -> Options {
    sizes.iter().fold(options, |options, (name, n)| options.size(name, *n))
}

/// Checks that the signature is of one model.
fn pick(signature: &Signature, asked: Option<&str>, path: &Path) -> Result<(), Failure> {
    if signature.model.is_some() || signature.models.is_empty() {
        return Ok(());
    }
    let names = signature.models.join(", ");
    let Some(asked) = asked else {
        return Err(Failure::usage(format!("{}: it holds several models: {names}", shown(path)))
            .help("--model NAME takes one"));
    };
    let failure = Failure::usage(format!("{}: it holds no model `{asked}`", shown(path)))
        .note(format!("it holds {names}"));
    Err(match did_you_mean(asked, signature.models.iter().map(String::as_str)) {
        Some(near) => failure.help(format!("did you mean `{near}`?")),
        None => failure,
    })
}

fn declared(input: &InputSignature) -> Declared {
    let axis = |dim: &DimSignature| match dim {
        DimSignature::Fixed(n) => Axis::Fixed(*n),
        DimSignature::Open { name, default } => Axis::Open { symbol: name.clone(), default: *default },
        DimSignature::Derived => Axis::Derived,
    };
    Declared {
        name: input.name.clone(),
        batched: input.batched,
        axes: input.dims.iter().map(axis).collect(),
        file: input.file.as_ref().map(|f| f.path.clone()),
    }
}

/// A program.
pub(super) struct Compiled {
    program: Program,
}

impl Compiled {
    /// The graph as it was checked.
    pub(super) fn graph(&self) -> &Graph {
        self.program.graph()
    }

    /// Checks that the outputs of a batch fit into what the limit leaves beside the program.
    pub(super) fn check_batch(&self, samples: u64, memory: u64) -> Result<(), Failure> {
        let bytes_of = |port: &crate::model::Port| {
            let n = if port.batched { samples } else { 1 };
            port.dims.iter().fold(n.saturating_mul(4), |n, &d| n.saturating_mul(d as u64))
        };
        let outputs: u64 = self.program.outputs().iter().map(bytes_of).fold(0, u64::saturating_add);
        let Memory { weights, packed, constants, scratch, .. } = self.program.stats().memory;
        let needed = [weights, packed, constants, scratch].into_iter().fold(outputs, u64::saturating_add);
        if needed <= memory {
            return Ok(());
        }
        Err(Failure::data(format!(
            "{} of memory are needed, {} of them for the outputs of {}; the limit leaves {}",
            bytes(needed),
            bytes(outputs),
            plural(samples as usize, "sample"),
            bytes(memory)
        ))
        .help("--memory SIZE raises the limit"))
    }

    /// Whether an output has a batch axis in front.
    pub(super) fn output_batched(&self, output: usize) -> Option<bool> {
        self.program.outputs().get(output).map(|port| port.batched)
    }

    /// Names of classes; none where the model names no file of them.
    pub(super) fn labels(&self) -> &[String] {
        self.program.labels().unwrap_or_default()
    }

    /// Whether the weights came from the seed.
    pub(super) fn seeded(&self) -> bool {
        self.program.seeded()
    }

    /// The time from the text to code that can run, weights not counted.
    pub(super) fn compile_time(&self) -> std::time::Duration {
        self.program.stats().compile()
    }

    /// Bytes that a run of some samples takes, inputs and outputs included.
    pub(super) fn memory(&self, samples: u64) -> u64 {
        let memory = self.program.stats().memory;
        let more = (memory.inputs.saturating_add(memory.outputs)).saturating_mul(samples.saturating_sub(1));
        memory.total().saturating_add(more)
    }

    /// What the compilation took and gave, in one line.
    pub(super) fn describe(&self) -> String {
        let stats = self.program.stats();
        let weights = match stats.memory.weights {
            0 => String::new(),
            n => format!(", {} of weights in {}", bytes(n), seconds(stats.weights + stats.pack)),
        };
        format!(
            "compiled in {}: {}, {}, {} of code{weights}",
            seconds(stats.compile()),
            plural(stats.steps, "step"),
            plural(stats.kernels, "kernel"),
            bytes(stats.code_bytes),
        )
    }

    /// Every value that the program keeps beside the evaluator's.
    pub(super) fn compare(
        &self,
        options: &Options,
        inputs: &[TensorView<'_>],
    ) -> Result<Comparison, Failure> {
        Ok(crate::model::compare(&self.program, options, inputs)?)
    }

    /// The values of these names.
    pub(super) fn values(
        &self,
        names: &[&str],
        options: &Options,
        inputs: &[TensorView<'_>],
    ) -> Result<Vec<Found>, Failure> {
        Ok(crate::model::values(&self.program, names, options, inputs)?)
    }

    /// The program.
    pub(super) fn program(&self) -> &Program {
        &self.program
    }

    /// Runs on inputs in the model's order.
    pub(super) fn run(&self, inputs: &[TensorView<'_>]) -> Result<Vec<Tensor>, Failure> {
        Ok(self.program.run(inputs)?)
    }
}

/// What `check` found in a file.
pub(super) struct Finding {
    pub(super) source: Source,
    pub(super) models: Vec<String>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Sizes that are not bound.
    pub(super) unbound: Vec<String>,
}

impl Finding {
    fn into_report(self) -> Report {
        Report { source: self.source, diagnostics: self.diagnostics }
    }
}

/// Parses a file and checks all of its models, or the one asked for. What two models have in common,
/// a block's error for instance, is reported once.
pub(super) fn findings(
    path: &Path,
    model: Option<&str>,
    sizes: &[(String, u64)],
) -> Result<Finding, Failure> {
    let source = match networks::is_network(path) {
        true => networks::text(path, sizes)?,
        false => sources::read(path)?,
    };
    let (tree, mut diagnostics) = syntax::parse(&source);
    let all = check::signature(&tree, model);
    if model.is_some() {
        pick(&all, model, path)?;
    }
    let names: Vec<Option<String>> = match (model, all.models.is_empty()) {
        (Some(name), _) => vec![Some(name.to_owned())],
        (None, true) => vec![None],
        (None, false) => all.models.iter().cloned().map(Some).collect(),
    };
    let mut unbound: Vec<String> = Vec::new();
    for name in names {
        let open = check::signature(&tree, name.as_deref()).sizes;
        let known: BTreeMap<String, u64> =
            sizes.iter().filter(|(size, _)| open.iter().any(|(n, _)| n == size)).cloned().collect();
        let options = CheckOptions { model: name, sizes: known, ..CheckOptions::default() };
        let checked = check::check(&tree, &options);
        for diagnostic in checked.diagnostics {
            if !diagnostics.contains(&diagnostic) {
                diagnostics.push(diagnostic);
            }
        }
        for size in checked.unbound {
            if !unbound.contains(&size) {
                unbound.push(size);
            }
        }
    }
    diagnostics.sort_by_key(|d| d.primary.as_ref().map_or(0, |p| p.span.start));
    Ok(Finding { source, models: all.models, diagnostics, unbound })
}
