//! What an expression can be while a model is checked.

use std::rc::Rc;

use crate::graph::Type;
use crate::source::Span;

/// The number of a value in the draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(pub u32);

impl Id {
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The length of an axis; `None` while the size that it depends on is not bound.
pub(super) type Dim = Option<u64>;

/// The axes of a value, some of which may not be known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub batched: bool,
    pub dims: Vec<Dim>,
}

impl Shape {
    /// A shape without a batch axis, wholly known.
    pub fn plain(dims: &[u64]) -> Shape {
        Shape { batched: false, dims: dims.iter().copied().map(Some).collect() }
    }

    /// The type, once every axis is known.
    pub fn concrete(&self) -> Option<Type> {
        let dims = self.dims.iter().copied().collect::<Option<Vec<u64>>>()?;
        Some(Type { batched: self.batched, dims })
    }

    /// The last three axes, where there are three.
    pub fn chw(&self) -> Option<[Dim; 3]> {
        match self.dims.as_slice() {
            [.., c, h, w] => Some([*c, *h, *w]),
            _ => None,
        }
    }

    /// The same with other last three axes.
    pub fn with_chw(&self, chw: [Dim; 3]) -> Shape {
        let lead = self.dims.len().saturating_sub(3);
        let dims = self.dims.iter().take(lead).copied().chain(chw).collect();
        Shape { batched: self.batched, dims }
    }
}

/// `[64, H, W]`-like: `?` stands for what is not known yet.
impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[")?;
        for (i, d) in self.dims.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { ", " })?;
            match d {
                Some(d) => write!(f, "{d}")?,
                None => f.write_str("?")?,
            }
        }
        f.write_str("]")
    }
}

/// Taps in the text: 2-D `[kh, kw]` or 4-D `[out, in/groups, kh, kw]`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Taps {
    pub dims: Vec<u64>,
    pub data: Vec<f64>,
}

/// What an expression evaluates to.
#[derive(Clone, Debug)]
pub(super) enum Thing {
    /// Something that failed and was reported, or that depends on a size not bound yet. Whatever
    /// it meets is Unknown too, and says nothing.
    Unknown,
    /// A whole number.
    Int(i64),
    /// Any other number.
    Num(f64),
    /// A word, such as `same` or `true`.
    Word(String),
    /// A string.
    Str(String),
    /// `[a, b]`
    List(Rc<[Item]>),
    /// `(a, b)`
    Tuple(Rc<[Item]>),
    /// Taps.
    Taps(Rc<Taps>),
    /// A value of the graph.
    Value(Id),
}

/// An element of a list or tuple.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub thing: Thing,
    pub span: Span,
}

impl Thing {
    /// What it is, with its article, for messages.
    pub fn describe(&self) -> String {
        match self {
            Thing::Unknown => "something unknown".to_owned(),
            Thing::Int(v) => format!("the number {v}"),
            Thing::Num(v) => format!("the number {v}"),
            Thing::Word(w) => format!("the word `{w}`"),
            Thing::Str(_) => "a string".to_owned(),
            Thing::List(_) => "a list".to_owned(),
            Thing::Tuple(_) => "a tuple".to_owned(),
            Thing::Taps(_) => "a kernel".to_owned(),
            Thing::Value(_) => "a value".to_owned(),
        }
    }

    /// As a number, where it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Thing::Int(v) => Some(*v as f64),
            Thing::Num(v) => Some(*v),
            _ => None,
        }
    }
}
