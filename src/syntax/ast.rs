//! The syntax tree, one page.
//!
//! Invariants, which [`crate::syntax::parse`] establishes:
//! - every node carries the span of the text it was read from, and children lie within parents;
//! - a statement or item that did not parse is an `Error` node, and a diagnostic says why;
//! - comments are kept in `File::comments`, in the order of the text, and belong to no node;
//! - names are not resolved: a [`Call`] may turn out to be a layer, a block, a function or taps.

use crate::source::Span;

/// A whole file.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// Kernels, blocks and models in the order of the text.
    pub items: Vec<Item>,
    /// All comments, in the order of the text.
    pub comments: Vec<Comment>,
}

/// `# …` up to the end of the line.
#[derive(Clone, Debug, PartialEq)]
pub struct Comment {
    /// The text with its `#`, without the newline and blanks before it.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// A plain identifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Ident {
    /// The identifier.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// A string literal.
#[derive(Clone, Debug, PartialEq)]
pub struct Str {
    /// Its value, escapes resolved.
    pub value: String,
    /// Where, with the quotes.
    pub span: Span,
}

/// A definition at the top of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// `kernel name = taps`
    Kernel(KernelDef),
    /// `block name(params) { … }`
    Block(BlockDef),
    /// `model name { … }`
    Model(ModelDef),
    /// What did not parse.
    Error(Span),
}

/// `kernel name = taps`
#[derive(Clone, Debug, PartialEq)]
pub struct KernelDef {
    /// The kernel's name.
    pub name: Ident,
    /// A literal, a built-in, or a function of taps.
    pub value: Expr,
    /// The whole definition.
    pub span: Span,
}

/// `block name(params) { body }`
#[derive(Clone, Debug, PartialEq)]
pub struct BlockDef {
    /// The block's name.
    pub name: Ident,
    /// Its parameters.
    pub params: Vec<ParamDef>,
    /// Its statements.
    pub body: Vec<Stmt>,
    /// The whole definition.
    pub span: Span,
}

/// A block's parameter, `out` or `stride=1`.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamDef {
    /// Its name.
    pub name: Ident,
    /// Its value where a call gives none.
    pub default: Option<Expr>,
}

/// `model name { body }`
#[derive(Clone, Debug, PartialEq)]
pub struct ModelDef {
    /// The model's name.
    pub name: Ident,
    /// Its statements.
    pub body: Vec<Stmt>,
    /// The whole definition.
    pub span: Span,
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Stmt {
    /// What it says.
    pub kind: StmtKind,
    /// The whole statement, without its newline.
    pub span: Span,
}

/// The kinds of statement.
#[derive(Clone, Debug, PartialEq)]
pub enum StmtKind {
    /// `input x [3, H, W=640] = "file"` and `tensor x [3, 4]`
    Input(InputDef),
    /// `param table.{i} [16, 3 * n]`
    Param(WeightDef),
    /// `weights "file"`
    Weights(Str),
    /// `labels "file"`
    Labels(Str),
    /// `output a, b`
    Output(Vec<Name>),
    /// `repeat n as i { … }`
    Repeat(Repeat),
    /// `name = value -> [shape]`; the name and the note are optional.
    Apply(Apply),
    /// What did not parse.
    Error,
}

/// `input x [3, H, W=640] = "file"`
#[derive(Clone, Debug, PartialEq)]
pub struct InputDef {
    /// Whether it was declared by `tensor`: without a batch axis.
    pub tensor: bool,
    /// Its name.
    pub name: Ident,
    /// Its axes.
    pub dims: Vec<Dim>,
    /// The brackets of the axes.
    pub dims_span: Span,
    /// The file read where no input is given.
    pub file: Option<Str>,
}

/// `param table.{i} [16, 3 * n]`
#[derive(Clone, Debug, PartialEq)]
pub struct WeightDef {
    /// Its name, which is its key in a weight file too.
    pub name: Name,
    /// Its axes: exact integer arithmetic.
    pub dims: Vec<Expr>,
    /// The brackets of the axes.
    pub dims_span: Span,
}

/// One axis of an input.
#[derive(Clone, Debug, PartialEq)]
pub enum Dim {
    /// Exact arithmetic over numbers and block parameters.
    Size(Expr),
    /// `H` or `H=480`: bound by the input, or the default.
    Symbol(Ident, Option<Expr>),
}

/// `repeat count as var { body }`
#[derive(Clone, Debug, PartialEq)]
pub struct Repeat {
    /// How often: exact integer arithmetic.
    pub count: Expr,
    /// The counter, from 0; `repeat 3 { … }` has none.
    pub var: Option<Ident>,
    /// What is repeated.
    pub body: Vec<Stmt>,
}

/// `name = value -> [shape]`
#[derive(Clone, Debug, PartialEq)]
pub struct Apply {
    /// The name of the result and of the layer's weights.
    pub name: Option<Name>,
    /// A layer applied to `it`, a pipe, or an expression.
    pub value: Expr,
    /// The shape the author claims; checked.
    pub note: Option<ShapeNote>,
}

/// `-> [64, 112, 112]`; `_` leaves an axis open.
#[derive(Clone, Debug, PartialEq)]
pub struct ShapeNote {
    /// The axes; `None` for `_`.
    pub dims: Vec<Option<Expr>>,
    /// The arrow and the brackets.
    pub span: Span,
}

/// A dotted name with interpolations: `layer1.{i}`, `layer{i+1}.conv`, `x`.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    /// Its pieces, in order; dots are part of the text pieces.
    pub parts: Vec<NamePart>,
    /// Where.
    pub span: Span,
}

/// A piece of a [`Name`].
#[derive(Clone, Debug, PartialEq)]
pub enum NamePart {
    /// Plain text, dots included.
    Text(String),
    /// `{expr}`: an integer.
    Index(Expr),
}

impl Name {
    /// The name where it has no interpolation.
    pub fn as_plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [NamePart::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// An expression, a layer, or a setting's value.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where.
    pub span: Span,
}

/// The kinds of expression.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A number and how it was written (`1e-5`, `3`): integers stay exact.
    Number(Number),
    /// A string.
    Str(String),
    /// A name: a value, a word such as `same`, or a layer without settings.
    Name(Name),
    /// `[a, b]`: taps, or a list of numbers.
    List(Vec<Expr>),
    /// `(a, b)`: a pair of settings. `(a)` is not a tuple but `a`.
    Tuple(Vec<Expr>),
    /// `(a)`: kept so that the formatter can print it back.
    Paren(Box<Expr>),
    /// `callee(args)`.
    Call(Call),
    /// `-a`.
    Neg(Box<Expr>),
    /// `a + b` and the like.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `a |> layer |> layer`. Where a statement begins with `|>`, the first is `it` with an empty span.
    Pipe(Box<Expr>, Vec<Expr>),
}

/// A number as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    /// Its value.
    pub value: f64,
    /// Its exact value where it was written as an integer.
    pub int: Option<i64>,
    /// Its spelling.
    pub text: String,
}

/// `callee(args)`
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What is called.
    pub callee: Ident,
    /// Its arguments in order.
    pub args: Vec<Arg>,
    /// The parentheses with all between them.
    pub args_span: Span,
}

/// `value` or `name=value`
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// The setting's name.
    pub name: Option<Ident>,
    /// Its value.
    pub value: Expr,
    /// Both.
    pub span: Span,
}

/// Infix operators, loosest first: `+ -` bind looser than `* / %`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`: exact in integer arithmetic, or an error.
    Div,
    /// `%`: integers only.
    Rem,
}

impl BinaryOp {
    /// Its spelling.
    pub const fn symbol(self) -> &'static str {
        match self {
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Rem => "%",
        }
    }
}
