//! What a model takes, before sizes are known: its inputs with their declared axes, and its files.

use crate::graph::FileRef;
use crate::source::Span;
use crate::syntax::ast::{self, Dim, ExprKind, InputDef, Item, ModelDef, StmtKind};

/// The outside of a file's model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signature {
    /// The models of the file, in order.
    pub models: Vec<String>,
    /// The one that is described here: the one asked for, or the only one.
    pub model: Option<String>,
    /// Its inputs, in order.
    pub inputs: Vec<InputSignature>,
    /// Its open sizes in the order of the text, with their defaults.
    pub sizes: Vec<(String, Option<u64>)>,
    /// The file that `weights` names.
    pub weights: Option<FileRef>,
    /// The file that `labels` names.
    pub labels: Option<FileRef>,
}

/// An input as it is declared.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSignature {
    /// Its name.
    pub name: String,
    /// Whether it has a batch axis, which is not among `dims`.
    pub batched: bool,
    /// Its axes.
    pub dims: Vec<DimSignature>,
    /// The file read where none is given.
    pub file: Option<FileRef>,
    /// Its name in the text.
    pub span: Span,
}

/// An axis of an input.
#[derive(Clone, Debug, PartialEq)]
pub enum DimSignature {
    /// A number.
    Fixed(u64),
    /// An open size.
    Open {
        /// Its name.
        name: String,
        /// The number that holds where nothing binds it.
        default: Option<u64>,
    },
    /// Arithmetic over sizes: known once they are.
    Derived,
}

/// Describes a model of a file: the one asked for, or the only one.
pub fn signature(file: &ast::File, model: Option<&str>) -> Signature {
    let models: Vec<&ModelDef> = models(file).collect();
    let mut out =
        Signature { models: models.iter().map(|m| m.name.text.clone()).collect(), ..Signature::default() };
    let chosen = match (model, models.as_slice()) {
        (Some(name), _) => models.iter().find(|m| m.name.text == name).copied(),
        (None, [only]) => Some(*only),
        (None, _) => None,
    };
    let Some(chosen) = chosen else { return out };
    out.model = Some(chosen.name.text.clone());
    for stmt in &chosen.body {
        match &stmt.kind {
            StmtKind::Input(def) => out.add_input(def),
            StmtKind::Weights(file) => out.weights = out.weights.take().or(Some(file_ref(file))),
            StmtKind::Labels(file) => out.labels = out.labels.take().or(Some(file_ref(file))),
            StmtKind::Param(_)
            | StmtKind::Output(_)
            | StmtKind::Repeat(_)
            | StmtKind::Apply(_)
            | StmtKind::Error => {}
        }
    }
    out
}

impl Signature {
    fn add_input(&mut self, def: &InputDef) {
        let mut dims = Vec::new();
        for dim in &def.dims {
            let dim = match dim {
                Dim::Size(expr) => literal(expr).map_or(DimSignature::Derived, DimSignature::Fixed),
                Dim::Symbol(name, default) => {
                    let default = default.as_ref().and_then(literal);
                    let name = name.text.clone();
                    match self.sizes.iter_mut().find(|(n, _)| *n == name) {
                        Some((_, known)) => *known = known.or(default),
                        None => self.sizes.push((name.clone(), default)),
                    }
                    DimSignature::Open { name, default }
                }
            };
            dims.push(dim);
        }
        self.inputs.push(InputSignature {
            name: def.name.text.clone(),
            batched: !def.tensor,
            dims,
            file: def.file.as_ref().map(file_ref),
            span: def.name.span,
        });
    }
}

/// The models of a file.
pub(super) fn models(file: &ast::File) -> impl Iterator<Item = &ModelDef> {
    file.items.iter().filter_map(|item| match item {
        Item::Model(model) => Some(model),
        Item::Kernel(_) | Item::Block(_) | Item::Error(_) => None,
    })
}

/// A file named in the text.
pub(super) fn file_ref(text: &ast::Str) -> FileRef {
    FileRef { path: text.value.clone(), span: text.span }
}

fn literal(expr: &ast::Expr) -> Option<u64> {
    match &expr.kind {
        ExprKind::Number(number) => number.int.and_then(|v| u64::try_from(v).ok()),
        _ => None,
    }
}
