//! A model as a whole: its inputs and sizes, its statements, its outputs.

use std::collections::BTreeMap;

use super::draft::{Draft, Drafts};
use super::report::Reports;
use super::scope::{Binding, Budget, Checker, Current, KernelState, Progress, Scope};
use super::signature::{self, DimSignature, Signature};
use super::thing::{Dim, Id, Shape, Thing};
use super::{CheckOptions, Checked, block, unused};
use crate::diag::{Code, Diagnostic};
use crate::graph::{Input, Op, Value};
use crate::limits;
use crate::source::Span;
use crate::syntax::ast::{self, InputDef, Item, ModelDef, StmtKind};

/// Checks the model that the options choose.
pub(super) fn check_model(file: &ast::File, options: &CheckOptions) -> Checked {
    let mut checker = Checker {
        options,
        kernels: BTreeMap::new(),
        blocks: BTreeMap::new(),
        broken: file.items.iter().any(|item| matches!(item, Item::Error(_))),
        drafts: Drafts::default(),
        reports: Reports::default(),
        scope: Scope::new(String::new()),
        contexts: Vec::new(),
        budget: Budget::default(),
        names_needed: options.weights_given,
        declared: Vec::new(),
        unnamed: Vec::new(),
        nameless: None,
    };
    checker.collect(file);
    let Some(model) = checker.choose(file) else {
        return Checked {
            graph: None,
            diagnostics: checker.reports.finish(),
            unbound: Vec::new(),
            unnamed: Vec::new(),
        };
    };
    let signature = signature::signature(file, Some(&model.name.text));
    checker.names_needed |= signature.weights.is_some();
    let unbound = checker.bind_sizes(model, &signature);
    checker.inputs(model);
    checker.once(&model.body);
    for stmt in &model.body {
        checker.statement(stmt, true);
    }
    let outputs = checker.outputs(model);
    checker.compute_kernels();
    unused::warn(&mut checker, file, &outputs);
    let failed = checker.reports.has_errors() || checker.scope.broken || checker.broken;
    let graph = if failed { None } else { checker.drafts.finish(&model.name.text, outputs) };
    let graph = graph.map(|graph| crate::graph::Graph {
        weights: signature.weights,
        labels: signature.labels,
        ..graph
    });
    Checked { graph, diagnostics: checker.reports.finish(), unbound, unnamed: checker.unnamed }
}

impl<'a> Checker<'a> {
    /// Gathers kernels and blocks; names of a kind are unique in the file.
    fn collect(&mut self, file: &'a ast::File) {
        let mut models: BTreeMap<&str, Span> = BTreeMap::new();
        for item in &file.items {
            match item {
                Item::Kernel(def) => {
                    let name = def.name.text.as_str();
                    match self.kernels.get(name).map(|k| k.def.name.span) {
                        Some(first) => self.twice("kernel", &def.name, first),
                        None => {
                            self.kernels.insert(name, KernelState { def, taps: Progress::Open, used: false });
                        }
                    }
                }
                Item::Block(def) => {
                    let name = def.name.text.as_str();
                    if super::table::layer(name).is_some() || super::table::function(name).is_some() {
                        let text = format!("`{name}` is a layer or function of the language");
                        let diagnostic = Diagnostic::error(Code::ReservedName, def.name.span, text);
                        self.report(
                            diagnostic.help(format!("call the block something else, `{name}_block`")),
                        );
                        continue;
                    }
                    match self.blocks.get(name).map(|b| b.def.name.span) {
                        Some(first) => self.twice("block", &def.name, first),
                        None => {
                            self.blocks.insert(name, block::state(def));
                        }
                    }
                }
                Item::Model(def) => {
                    let name = def.name.text.as_str();
                    match models.get(name) {
                        Some(&first) => self.twice("model", &def.name, first),
                        None => {
                            models.insert(name, def.name.span);
                        }
                    }
                }
                Item::Error(_) => {}
            }
        }
        self.resolve_blocks();
    }

    pub(super) fn twice(&mut self, what: &str, name: &ast::Ident, first: Span) {
        let diagnostic = Diagnostic::error(
            Code::DuplicateName,
            name.span,
            format!("there are two {what}s `{}`", name.text),
        );
        self.report(diagnostic.also(first, "the first is here"));
    }

    fn choose(&mut self, file: &'a ast::File) -> Option<&'a ModelDef> {
        let models: Vec<&ModelDef> = signature::models(file).collect();
        let names = models.iter().map(|m| format!("`{}`", m.name.text)).collect::<Vec<_>>().join(", ");
        match (&self.options.model, models.as_slice()) {
            (Some(wanted), models) => {
                let found = models.iter().find(|m| m.name.text == *wanted).copied();
                if found.is_none() && !(models.is_empty() && self.broken) {
                    let diagnostic =
                        Diagnostic::file_error(Code::NoModel, format!("the file has no model `{wanted}`"));
                    let diagnostic = if names.is_empty() {
                        diagnostic
                    } else {
                        diagnostic.note(format!("it has {names}"))
                    };
                    let names = models.iter().map(|m| m.name.text.as_str());
                    self.report(Self::suggest(diagnostic, wanted, names));
                }
                found
            }
            (None, []) => {
                if !self.broken {
                    let diagnostic = Diagnostic::file_error(Code::NoModel, "the file has no model");
                    self.report(diagnostic.help("write `model name { input x [3, H, W] … }`"));
                }
                None
            }
            (None, [only]) => Some(only),
            (None, [_, second, ..]) => {
                let text = format!("the file has {} models and none was chosen", models.len());
                let diagnostic = Diagnostic::error(Code::SeveralModels, second.name.span, text);
                self.report(
                    diagnostic.note(format!("they are {names}")).help("choose one with `--model NAME`"),
                );
                None
            }
        }
    }

    /// Binds the open sizes by what the options say, then by their defaults. Returns those left open.
    fn bind_sizes(&mut self, model: &'a ModelDef, signature: &Signature) -> Vec<String> {
        let mut bound: BTreeMap<&str, (u64, String)> = BTreeMap::new();
        for (name, &value) in &self.options.sizes {
            match signature.sizes.iter().find(|(n, _)| n == name) {
                Some((n, _)) => {
                    bound.insert(n, (value, "`--size`".to_owned()));
                }
                None => {
                    let text = format!("the model has no size `{name}`");
                    let diagnostic = Diagnostic::file_error(Code::UnknownSize, text);
                    self.report(Self::suggest(
                        diagnostic,
                        name,
                        signature.sizes.iter().map(|(n, _)| n.as_str()),
                    ));
                }
            }
        }
        for name in self.options.inputs.keys() {
            if !signature.inputs.iter().any(|i| i.name == *name) {
                let text = format!("the model has no input `{name}`");
                let diagnostic = Diagnostic::file_error(Code::UnknownName, text);
                self.report(Self::suggest(
                    diagnostic,
                    name,
                    signature.inputs.iter().map(|i| i.name.as_str()),
                ));
            }
        }
        for input in &signature.inputs {
            let Some(given) = self.options.inputs.get(&input.name) else { continue };
            for (dim, &n) in input.dims.iter().zip(given) {
                let DimSignature::Open { name, .. } = dim else { continue };
                let source = format!("input `{}`", input.name);
                match bound.get(name.as_str()) {
                    Some((known, by)) if *known != n => {
                        let text = format!("`{name}` is {known} by {by}, but {n} by {source}");
                        self.error(Code::SizeConflict, input.span, text);
                    }
                    _ => {
                        bound.insert(name, (n, source));
                    }
                }
            }
        }
        self.defaults(model, &mut bound.iter().map(|(&n, (v, _))| (n.to_owned(), *v)).collect(), signature)
    }

    /// Puts the sizes into scope: bound, or their default, or Unknown.
    fn defaults(
        &mut self,
        model: &'a ModelDef,
        bound: &mut BTreeMap<String, u64>,
        signature: &Signature,
    ) -> Vec<String> {
        let mut first: BTreeMap<&str, (u64, Span)> = BTreeMap::new();
        for def in input_defs(model) {
            for dim in &def.dims {
                let ast::Dim::Symbol(name, default) = dim else { continue };
                if !self.scope.names.contains_key(&name.text) {
                    let binding = Binding { thing: Thing::Unknown, span: name.span };
                    self.scope.names.insert(name.text.clone(), binding);
                }
                let Some(expr) = default else { continue };
                let Some(value) = self.whole(expr, 1, "a size") else { continue };
                match first.get(name.text.as_str()) {
                    Some(&(known, span)) if known != value => {
                        let text = format!("`{}` has two defaults, {known} and {value}", name.text);
                        let diagnostic = Diagnostic::error(Code::SizeConflict, expr.span, text);
                        self.report(diagnostic.also(span, "the first is here"));
                    }
                    _ => {
                        first.insert(&name.text, (value, expr.span));
                        bound.entry(name.text.clone()).or_insert(value);
                    }
                }
            }
        }
        for (name, &value) in bound.iter() {
            let Some(binding) = self.scope.names.get_mut(name) else { continue };
            match i64::try_from(value) {
                Ok(v) if (1..=limits::DIM).contains(&value) => binding.thing = Thing::Int(v),
                _ => {
                    let span = binding.span;
                    let text = format!("`{name}` is {value}, not between 1 and {}", limits::DIM);
                    self.error(Code::DimTooLarge, span, text);
                }
            }
        }
        let open = |name: &String| !bound.contains_key(name);
        signature.sizes.iter().map(|(name, _)| name.clone()).filter(open).collect()
    }

    fn inputs(&mut self, model: &'a ModelDef) {
        let mut ids = Vec::new();
        for def in input_defs(model) {
            if let Some(id) = self.input(def) {
                ids.push(id);
            }
        }
        match ids.as_slice() {
            [] => {
                let failed =
                    model.body.iter().any(|s| matches!(s.kind, StmtKind::Error | StmtKind::Input(_)));
                if failed {
                    self.scope.broken = true;
                } else {
                    let text = format!("the model `{}` has no input", model.name.text);
                    let diagnostic = Diagnostic::error(Code::NoInput, model.name.span, text);
                    self.report(diagnostic.help("its first statement may be `input x [3, H, W]`"));
                    self.scope.it = Current::Is(self.unknown(Vec::new(), model.name.span));
                }
            }
            [only] => {
                self.scope.it = Current::Is(*only);
                self.scope.input = Some(*only);
            }
            _ => {}
        }
    }

    fn input(&mut self, def: &'a InputDef) -> Option<Id> {
        let name = &def.name.text;
        if let Some(binding) = self.scope.names.get(name) {
            let first = binding.span;
            self.twice("input", &def.name, first);
            return None;
        }
        if super::keys::reserved(name) {
            self.reserved(&def.name.text, def.name.span);
        }
        let mut dims: Vec<Dim> = Vec::new();
        let mut failed = false;
        for dim in &def.dims {
            dims.push(match dim {
                ast::Dim::Symbol(symbol, _) => match self.scope.names.get(&symbol.text).map(|b| &b.thing) {
                    Some(Thing::Int(v)) => u64::try_from(*v).ok(),
                    _ => None,
                },
                ast::Dim::Size(expr) => {
                    let before = self.reports.count();
                    let size = self.whole(expr, 1, "an axis");
                    failed |= self.reports.count() > before;
                    size
                }
            });
        }
        let mut shape = Shape { batched: !def.tensor, dims };
        let span = def.name.span.to(def.dims_span);
        failed |= !self.within_limits(&shape, def.dims_span);
        if let Some(given) = self.options.inputs.get(name) {
            failed |= !self.given_shape(def, &mut shape, given);
        }
        let text = declared(def, &shape.dims);
        let index = self.drafts.inputs.len() as u32;
        let file = def.file.as_ref().map(signature::file_ref);
        self.drafts.inputs.push(Input { name: name.clone(), value: Value(0), file });
        let id = self.drafts.push(Draft {
            op: Some(Op::Input(index)),
            args: Vec::new(),
            shape: if failed { None } else { Some(shape) },
            name: String::new(),
            span,
            result: false,
        });
        let unique = self.drafts.named(name);
        if let Some(node) = self.drafts.nodes.get_mut(id.index()) {
            node.name = unique;
        }
        self.declared.push((id, text));
        self.scope.names.insert(name.clone(), Binding { thing: Thing::Value(id), span: def.name.span });
        Some(id)
    }

    /// Holds an input that is there against its declaration.
    fn given_shape(&mut self, def: &InputDef, shape: &mut Shape, given: &[u64]) -> bool {
        // A size that is bound to another number is reported as that.
        let is_size = |dim: &ast::Dim| matches!(dim, ast::Dim::Symbol(..));
        let fits = given.len() == shape.dims.len()
            && given
                .iter()
                .zip(&shape.dims)
                .zip(&def.dims)
                .all(|((&n, dim), declared)| is_size(declared) || dim.is_none_or(|d| d == n))
            && given.iter().all(|&n| (1..=limits::DIM).contains(&n));
        if fits {
            let bound = |dim: &Dim, n: u64| dim.is_none_or(|d| d == n);
            if !shape.dims.iter().zip(given).all(|(dim, &n)| bound(dim, n)) {
                return false;
            }
            shape.dims = given.iter().copied().map(Some).collect();
            return true;
        }
        let text = format!(
            "the input `{}` is {}, the model declares {}",
            def.name.text,
            Shape::plain(given),
            declared(def, &shape.dims)
        );
        self.error(Code::InputShape, def.dims_span, text);
        false
    }

    fn outputs(&mut self, model: &'a ModelDef) -> Vec<(String, Id)> {
        let mut outputs: Vec<(String, Id)> = Vec::new();
        let mut seen: Option<Span> = None;
        for stmt in &model.body {
            let StmtKind::Output(names) = &stmt.kind else { continue };
            if let Some(first) = seen {
                let diagnostic =
                    Diagnostic::error(Code::Misplaced, stmt.span, "a model has one `output` statement");
                self.report(diagnostic.also(first, "the first is here").help("`output a, b` names several"));
                continue;
            }
            seen = Some(stmt.span);
            for name in names {
                self.output(name, &mut outputs);
            }
        }
        if seen.is_some() {
            return outputs;
        }
        let computes = model.body.iter().any(|s| matches!(s.kind, StmtKind::Apply(_) | StmtKind::Repeat(_)));
        match self.scope.it {
            Current::Is(id) if computes => {
                let name = match self.last_name(id) {
                    Some(name) => name,
                    None => "output".to_owned(),
                };
                vec![(name, id)]
            }
            _ => {
                if !self.scope.broken && !self.reports.has_errors() {
                    let text = format!("the model `{}` computes nothing", model.name.text);
                    self.error(Code::NoResult, model.name.span, text);
                }
                Vec::new()
            }
        }
    }

    fn output(&mut self, name: &'a ast::Name, outputs: &mut Vec<(String, Id)>) {
        let Some(text) = self.name_text(name) else { return };
        let id = match self.scope.names.get(&text).map(|b| b.thing.clone()) {
            Some(Thing::Value(id)) => id,
            Some(Thing::Unknown) => return,
            Some(other) => {
                let text = format!("`{text}` is {}, not a value", other.describe());
                return self.error(Code::WrongKind, name.span, text);
            }
            None if self.scope.broken => return,
            None => return self.undefined(&text, name.span),
        };
        if outputs.iter().any(|(n, _)| *n == text) {
            let diagnostic =
                Diagnostic::error(Code::DuplicateName, name.span, format!("`{text}` is an output already"));
            return self.report(diagnostic);
        }
        outputs.push((text, id));
    }

    /// The name that the last value was given, if it was given one.
    fn last_name(&self, id: Id) -> Option<String> {
        let is_it = |binding: &Binding| matches!(binding.thing, Thing::Value(v) if v == id);
        self.scope.names.iter().find(|(_, b)| is_it(b)).map(|(name, _)| name.clone())
    }
}

/// An input's axes as the text has them, sizes by their names.
fn declared(def: &InputDef, dims: &[Dim]) -> String {
    let one = |(dim, known): (&ast::Dim, &Dim)| match (dim, known) {
        (ast::Dim::Symbol(name, _), _) => name.text.clone(),
        (_, Some(n)) => n.to_string(),
        (_, None) => "?".to_owned(),
    };
    let dims: Vec<String> = def.dims.iter().zip(dims).map(one).collect();
    format!("[{}]", dims.join(", "))
}

fn input_defs(model: &ModelDef) -> impl Iterator<Item = &InputDef> {
    model.body.iter().filter_map(|stmt| match &stmt.kind {
        StmtKind::Input(def) => Some(def),
        _ => None,
    })
}
