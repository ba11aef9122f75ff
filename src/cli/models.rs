//! A model as the commands use it: opened, checked for some sizes, compiled.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::console::{Console, shown};
use super::failure::Failure;
use super::run::bind::{self, Axis, Bound, Declared};
use super::sources;
use super::values::{BackendName, Math};
use crate::diag::{Diagnostic, did_you_mean};
use crate::graph::Graph;
use crate::graph::check::{self, CheckOptions, Checked, DimSignature, InputSignature, Signature};
use crate::io::safe_file;
use crate::source::Source;
use crate::syntax::{self, ast};
use crate::tensor::{Tensor, TensorView};

/// Bytes of a file of labels.
const LABEL_BYTES: u64 = 16 << 20;

/// A model's text, parsed, and what it declares.
pub(super) struct Opened {
    source: Source,
    tree: ast::File,
    signature: Signature,
    folder: PathBuf,
    inputs: Vec<Declared>,
    /// Whether its warnings have been said: they are the same for all sizes.
    warned: Cell<bool>,
}

impl Opened {
    /// Reads and parses a text and picks the model asked for, or its only one.
    ///
    /// Mistakes that can be found without sizes are found here.
    pub(super) fn open(path: &Path, model: Option<&str>) -> Result<Opened, Failure> {
        let source = sources::read(path)?;
        let (tree, mut diagnostics) = syntax::parse(&source);
        let signature = check::signature(&tree, model);
        pick(&signature, model, path)?;
        let folder = super::run::save::folder_of(path).to_path_buf();
        let inputs = signature.inputs.iter().map(declared).collect();
        let opened = Opened { source, tree, signature, folder, inputs, warned: Cell::new(false) };
        let checked = opened.check(&[]);
        if checked.has_errors() || diagnostics.iter().any(Diagnostic::is_error) {
            diagnostics.extend(checked.diagnostics);
            diagnostics.sort_by_key(|d| d.primary.as_ref().map_or(0, |p| p.span.start));
            return Err(Failure::Model(Box::new(opened.source), diagnostics));
        }
        Ok(opened)
    }

    /// The syntax tree.
    pub(super) fn tree(&self) -> &ast::File {
        &self.tree
    }

    /// The folder that files named in the text are relative to.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The inputs in the order of the text.
    pub(super) fn inputs(&self) -> &[Declared] {
        &self.inputs
    }

    fn check(&self, sizes: &[(String, u64)]) -> Checked {
        let options = CheckOptions {
            model: self.signature.model.clone(),
            sizes: sizes.iter().cloned().collect::<BTreeMap<_, _>>(),
            ..CheckOptions::default()
        };
        check::check(&self.tree, &options)
    }

    /// Checks that the sizes of the command line are among those that the model leaves open.
    pub(super) fn know_sizes(&self, sizes: &[(String, u64)]) -> Result<(), Failure> {
        let open = || self.signature.sizes.iter().map(|(name, _)| name.as_str());
        for (name, _) in sizes {
            if open().any(|n| n == name) {
                continue;
            }
            let names: Vec<&str> = open().collect();
            let failure = Failure::usage(format!("--size: the model has no size `{name}`")).note(match names
                .as_slice()
            {
                [] => "it leaves no size open".to_owned(),
                names => format!("the sizes it leaves open are {}", names.join(", ")),
            });
            return Err(match did_you_mean(name, names) {
                Some(near) => failure.help(format!("did you mean `{near}`?")),
                None => failure,
            });
        }
        Ok(())
    }

    /// The graph for some sizes, which must be all that are open. Warnings are said once.
    pub(super) fn graph(&self, sizes: &[(String, u64)], console: &Console) -> Result<Graph, Failure> {
        let checked = self.check(sizes);
        if checked.has_errors() {
            return Err(Failure::Model(Box::new(self.source.clone()), checked.diagnostics));
        }
        if !self.warned.replace(true) {
            console.diagnostics(&self.source, &checked.diagnostics);
        }
        match checked.graph {
            Some(graph) => Ok(graph),
            None => Err(Failure::usage(format!("the sizes {} are not known", checked.unbound.join(", ")))
                .help("--size H=480,W=640 gives them")),
        }
    }

    /// The axes of one sample of an input, by its number, for some sizes.
    pub(super) fn input_dims(
        &self,
        input: usize,
        sizes: &[(String, u64)],
        console: &Console,
    ) -> Result<Vec<u64>, Failure> {
        let graph = self.graph(sizes, console)?;
        let input =
            graph.inputs.get(input).ok_or_else(|| Failure::Bug(format!("the graph has no input {input}")))?;
        Ok(graph.ty(input.value).dims.clone())
    }

    /// As [`Self::graph`], the sizes that are not given taken from defaults, which is said.
    pub(super) fn graph_with_defaults(
        &self,
        given: &[(String, u64)],
        console: &Console,
    ) -> Result<Graph, Failure> {
        self.know_sizes(given)?;
        let mut bound = Bound::new(given);
        let mut notes = Vec::new();
        self.inputs.iter().for_each(|input| bind::bind_defaults(input, &mut bound, &mut notes));
        notes.iter().for_each(|n| console.note(n));
        self.graph(&bound.sizes(), console)
    }

    /// Compiles a graph.
    pub(super) fn compile(
        &self,
        graph: Graph,
        making: &Making<'_>,
        console: &Console,
    ) -> Result<Compiled, Failure> {
        Ok(Compiled { graph })
    }

    /// The names of classes, a line each, where the model names a file of them.
    pub(super) fn labels(&self, graph: &Graph) -> Result<Vec<String>, Failure> {
        let Some(file) = &graph.labels else { return Ok(Vec::new()) };
        let path = safe_file::beneath(&self.folder, &file.path, false).map_err(Failure::file)?;
        let bytes = safe_file::read(&path, LABEL_BYTES).map_err(Failure::file)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::data(format!("{}: the labels are not valid UTF-8", shown(&path))))?;
        Ok(text.lines().map(|l| l.trim().to_owned()).collect())
    }
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

/// What `check` found in a file.
pub(super) struct Finding {
    pub(super) source: Source,
    pub(super) models: Vec<String>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Sizes that are not bound.
    pub(super) unbound: Vec<String>,
}

/// Parses a file and checks all of its models, or the one asked for. What two models have in common,
/// a block's error for instance, is reported once.
pub(super) fn findings(
    path: &Path,
    model: Option<&str>,
    sizes: &[(String, u64)],
) -> Result<Finding, Failure> {
    let source = sources::read(path)?;
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
    let mut unbound = Vec::new();
    for name in names {
        let open = check::signature(&tree, name.as_deref()).sizes;
        let known = sizes.iter().filter(|(size, _)| open.iter().any(|(n, _)| n == size)).cloned().collect();
        let checked =
            check::check(&tree, &CheckOptions { model: name, sizes: known, ..CheckOptions::default() });
        for diagnostic in checked.diagnostics {
            if !diagnostics.contains(&diagnostic) {
                diagnostics.push(diagnostic);
            }
        }
        unbound.extend(checked.unbound.into_iter().filter(|n| !unbound.contains(n)).collect::<Vec<_>>());
    }
    diagnostics.sort_by_key(|d| d.primary.as_ref().map_or(0, |p| p.span.start));
    Ok(Finding { source, models: all.models, diagnostics, unbound })
}

/// What a program is made with.
pub(super) struct Making<'a> {
    /// The weight file of the command line.
    pub(super) weights: Option<&'a Path>,
    pub(super) strict_weights: bool,
    pub(super) seed: u64,
    pub(super) threads: Option<u32>,
    pub(super) backend: Option<BackendName>,
    pub(super) math: Math,
    /// The most bytes that program, weights and outputs may take.
    pub(super) memory: u64,
}

/// A program and the graph that it was compiled from.
pub(super) struct Compiled {
    graph: Graph,
}

impl Compiled {
    /// The graph as it was checked.
    pub(super) fn graph(&self) -> &Graph {
        &self.graph
    }
    /// .
    pub(super) fn memory(&self) -> u64 {
        0
    }
    /// .
    pub(super) fn times(&self) -> String {
        String::new()
    }
    /// .
    pub(super) fn run(&self, _: &[TensorView<'_>]) -> Result<Vec<Tensor>, Failure> {
        todo!()
    }
}
