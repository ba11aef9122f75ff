//! The checker's state: names, the current value, and how much was spent.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::draft::{Draft, Drafts};
use super::report::Reports;
use super::thing::{Id, Shape, Taps, Thing};
use super::{CheckOptions, Unnamed};
use crate::diag::{Code, Diagnostic, did_you_mean};
use crate::graph::shape::ShapeError;
use crate::graph::{Op, print};
use crate::limits;
use crate::source::Span;
use crate::syntax::ast;

/// A name and what it stands for.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub thing: Thing,
    pub span: Span,
}

/// The current value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Current {
    /// `it`.
    Is(Id),
    /// There is none: several inputs, and no statement that starts with a name yet.
    None,
}

/// The names of a model or of one use of a block.
pub(super) struct Scope {
    /// What the names of weights start with: `layer1.0.`, or nothing.
    pub prefix: String,
    /// Whether the prefix was made up because a use of a block has no name; its span.
    pub unnamed: Option<Span>,
    pub names: BTreeMap<String, Binding>,
    pub it: Current,
    /// What a block was applied to, or a model's only input.
    pub input: Option<Id>,
    /// A statement did not parse, so that any name may have been meant to exist.
    pub broken: bool,
}

impl Scope {
    pub fn new(prefix: String) -> Scope {
        let (names, it) = (BTreeMap::new(), Current::None);
        Scope { prefix, unnamed: None, names, it, input: None, broken: false }
    }
}

/// A kernel of the file.
pub(super) struct KernelState<'a> {
    pub def: &'a ast::KernelDef,
    /// Its taps, once they are computed; `None` within if they failed.
    pub taps: Progress<Option<Rc<Taps>>>,
    pub used: bool,
}

/// Something that is computed when it is first asked for.
pub(super) enum Progress<T> {
    Open,
    Busy,
    Done(T),
}

/// A block of the file.
pub(super) struct BlockState<'a> {
    pub def: &'a ast::BlockDef,
    /// It uses itself: it is not inlined.
    pub recursive: bool,
    /// A layer with weights stands in it or in a block that it uses.
    pub weighted: bool,
    pub used: bool,
}

/// A use of a block that is being inlined, or a round of a `repeat`.
pub(super) enum Context {
    Block { name: String, span: Span },
    Round { var: String, value: i64 },
}

/// What has been spent of the limits.
#[derive(Default)]
pub(super) struct Budget {
    pub statements: usize,
    pub evaluations: usize,
    pub taps: usize,
    pub depth: usize,
    pub blocks: usize,
    /// A limit was passed: nothing more is expanded.
    pub stopped: bool,
}

/// The checker.
pub(super) struct Checker<'a> {
    pub options: &'a CheckOptions,
    pub kernels: BTreeMap<&'a str, KernelState<'a>>,
    pub blocks: BTreeMap<&'a str, BlockState<'a>>,
    /// A definition, or a statement that was reached, did not parse.
    pub broken: bool,
    pub drafts: Drafts,
    pub reports: Reports,
    pub scope: Scope,
    pub contexts: Vec<Context>,
    pub budget: Budget,
    /// Whether every layer with weights needs a name.
    pub names_needed: bool,
    /// Each input's axes as the text has them: `[3, H, W]`.
    pub declared: Vec<(Id, String)>,
    /// Weights that were reported for want of a name.
    pub unnamed: Vec<Unnamed>,
    /// Where the layer whose parameters come next was reported for want of a name.
    pub nameless: Option<Span>,
}

impl Checker<'_> {
    /// Reports a finding, with the uses of blocks that lead to it.
    pub fn report(&mut self, mut diagnostic: Diagnostic) {
        let mut shown = 0;
        for context in self.contexts.iter().rev() {
            match context {
                Context::Block { name, span } if shown < 2 => {
                    diagnostic = diagnostic.also(*span, format!("in this use of `{name}`"));
                    shown += 1;
                }
                Context::Round { var, value } if shown == 0 => {
                    diagnostic = diagnostic.note(format!("where `{var}` is {value}"));
                }
                _ => {}
            }
        }
        self.reports.add(diagnostic);
    }

    /// Reports an error at a place.
    pub fn error(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.report(Diagnostic::error(code, span, message));
    }

    /// Turns a broken shape rule into a finding.
    pub fn shape_error(&self, error: ShapeError, span: Span) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(error.code, span, error.message);
        diagnostic.notes = error.notes;
        diagnostic.help = error.help;
        diagnostic
    }

    /// Says where a value comes from and what it is.
    pub fn with_source(&self, diagnostic: Diagnostic, id: Id) -> Diagnostic {
        match self.drafts.nodes.get(id.index()) {
            Some(node) => match &node.shape {
                Some(shape) => {
                    let open = shape.dims.iter().any(Option::is_none);
                    let declared = self.declared.iter().find(|(input, _)| *input == id && open);
                    let shape = declared.map_or_else(|| shape.to_string(), |(_, text)| text.clone());
                    diagnostic.also(node.span, format!("{} is {shape}", describe(node)))
                }
                None => diagnostic,
            },
            None => diagnostic,
        }
    }

    /// Counts an evaluation; false when the budget is spent.
    pub fn tick(&mut self, span: Span) -> bool {
        self.budget.evaluations += 1;
        if self.budget.evaluations > limits::EVALUATIONS {
            self.too_much(span, format!("{} expressions", limits::EVALUATIONS));
        }
        !self.budget.stopped
    }

    /// Counts a statement; false when the budget is spent.
    pub fn step(&mut self, span: Span) -> bool {
        self.budget.statements += 1;
        if self.budget.statements > limits::STATEMENTS {
            self.too_much(span, format!("{} statements", limits::STATEMENTS));
        }
        !self.budget.stopped
    }

    /// Counts elements of taps; false when the budget is spent.
    pub fn spend_taps(&mut self, elements: usize, span: Span) -> bool {
        self.budget.taps = self.budget.taps.saturating_add(elements);
        if self.budget.taps > limits::TAPS_TOTAL {
            self.too_much(span, format!("{} elements of taps", limits::TAPS_TOTAL));
        }
        !self.budget.stopped
    }

    fn too_much(&mut self, span: Span, limit: String) {
        if !self.budget.stopped {
            self.budget.stopped = true;
            // Where a use of a block or a `repeat` is to blame, the outermost is what to change.
            let outer = self.contexts.iter().find_map(|c| match c {
                Context::Block { span, .. } => Some(*span),
                Context::Round { .. } => None,
            });
            let diagnostic = Diagnostic::error(
                Code::TooManyStatements,
                outer.unwrap_or(span),
                format!("the model expands to more than {limit}, the limit"),
            )
            .note("blocks are inlined and `repeat` is unrolled, each use by itself");
            self.reports.add(diagnostic);
        }
    }

    /// A value that is not known, made from `args`: it silences what follows.
    pub fn unknown(&mut self, args: Vec<Id>, span: Span) -> Id {
        self.drafts.push(Draft { op: None, args, shape: None, name: String::new(), span, result: false })
    }

    /// Adds a node. Its shape is held to the limits.
    pub fn emit(
        &mut self,
        op: Option<Op>,
        args: Vec<Id>,
        shape: Option<Shape>,
        stem: &str,
        span: Span,
    ) -> Id {
        let name = self.drafts.generated(stem);
        self.emit_as(op, args, shape, name, span)
    }

    /// The same under a name that the draft gave out.
    pub fn emit_as(
        &mut self,
        op: Option<Op>,
        args: Vec<Id>,
        shape: Option<Shape>,
        name: String,
        span: Span,
    ) -> Id {
        if self.drafts.nodes.len() >= limits::NODES {
            self.too_much(span, format!("{} operations", limits::NODES));
            return self.unknown(Vec::new(), span);
        }
        let shape = shape.filter(|shape| self.within_limits(shape, span));
        self.drafts.push(Draft { op, args, shape, name, span, result: false })
    }

    /// Whether a shape is within the limits; reports it if not.
    pub fn within_limits(&mut self, shape: &Shape, span: Span) -> bool {
        if shape.dims.len() > limits::RANK {
            let text =
                format!("{shape} has {} axes, more than the limit of {}", shape.dims.len(), limits::RANK);
            self.error(Code::TooManyAxes, span, text);
            return false;
        }
        if let Some(&dim) = shape.dims.iter().flatten().find(|&&d| d > limits::DIM) {
            let text = format!("an axis of {dim} elements is longer than the limit of {}", limits::DIM);
            self.report(
                Diagnostic::error(Code::DimTooLarge, span, text).note(format!("the shape would be {shape}")),
            );
            return false;
        }
        let elements = shape.dims.iter().flatten().try_fold(1u64, |n, &d| n.checked_mul(d));
        if elements.is_none_or(|n| n > limits::ELEMENTS) {
            let text = format!("{shape} has more elements than the limit of {}", limits::ELEMENTS);
            self.error(Code::TooManyElements, span, text);
            return false;
        }
        true
    }

    /// The shape of a value with all axes known or not, where there is one at all.
    pub fn shape(&self, id: Id) -> Option<Shape> {
        self.drafts.shape(id).cloned()
    }

    /// A number as a constant without axes; reports it if it does not fit f32.
    pub fn scalar(&mut self, value: f64, span: Span) -> Id {
        let narrow = value as f32;
        if !narrow.is_finite() {
            self.error(Code::Overflow, span, format!("{value} is too large for a 32-bit float"));
            return self.unknown(Vec::new(), span);
        }
        self.drafts.constant(Vec::new(), vec![narrow], span)
    }

    /// Adds "did you mean" to a finding, if something near is there.
    pub fn suggest<'n>(
        diagnostic: Diagnostic,
        name: &str,
        candidates: impl IntoIterator<Item = &'n str>,
    ) -> Diagnostic {
        match did_you_mean(name, candidates) {
            Some(near) if near != name => diagnostic.help(format!("did you mean `{near}`?")),
            _ => diagnostic,
        }
    }
}

/// `avgpool`, or `photo` for an input: what a value is the result of.
pub(super) fn describe(node: &Draft) -> String {
    match &node.op {
        Some(Op::Input(_)) => format!("input `{}`", node.name),
        Some(Op::Param(_)) => format!("parameter `{}`", node.name),
        Some(Op::Const(_)) => "this constant".to_owned(),
        Some(op) => format!("the result of `{}`", print::op_name(op)),
        None => "this".to_owned(),
    }
}
