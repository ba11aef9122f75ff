//! The syntax tree as an outline: one statement a line, expressions in prefix form.
//!
//! Two trees that differ in more than spans and comments have different outlines.

use crate::syntax::ast::{
    Apply, Arg, BinaryOp, Dim, Expr, ExprKind, File, InputDef, Item, Name, NamePart, Repeat, Stmt, StmtKind,
};

/// Columns after which an expression goes over several lines.
const WIDTH: usize = 96;

/// The outline of a tree.
///
/// `gx = blur |> filter(sobel, pad=1)` is `gx = (|> blur (filter sobel pad=1))`; `()` with `paren`
/// and `tuple` in front are the author's parentheses.
pub fn dump(file: &File) -> String {
    let mut out = Outline { text: String::new() };
    for item in &file.items {
        match item {
            Item::Kernel(def) => out.value(0, &format!("kernel {} = ", def.name.text), &def.value, ""),
            Item::Block(def) => {
                let mut head = format!("block {}", def.name.text);
                for param in &def.params {
                    head.push_str(&format!(" {}", param.name.text));
                    if let Some(default) = &param.default {
                        head.push_str(&format!("={}", flat(default)));
                    }
                }
                out.line(0, &head);
                out.body(1, &def.body);
            }
            Item::Model(def) => {
                out.line(0, &format!("model {}", def.name.text));
                out.body(1, &def.body);
            }
            Item::Error(_) => out.line(0, "error"),
        }
    }
    out.text
}

struct Outline {
    text: String,
}

impl Outline {
    fn line(&mut self, depth: usize, text: &str) {
        self.text.extend(std::iter::repeat_n("  ", depth));
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn body(&mut self, depth: usize, body: &[Stmt]) {
        for statement in body {
            match &statement.kind {
                StmtKind::Input(def) => self.line(depth, &input(def)),
                StmtKind::Param(def) => {
                    let dims: Vec<String> = def.dims.iter().map(flat).collect();
                    self.line(depth, &format!("param {} [{}]", name(&def.name), dims.join(", ")));
                }
                StmtKind::Weights(file) => self.line(depth, &format!("weights {:?}", file.value)),
                StmtKind::Labels(file) => self.line(depth, &format!("labels {:?}", file.value)),
                StmtKind::Output(names) => {
                    let names: Vec<String> = names.iter().map(name).collect();
                    self.line(depth, &format!("output {}", names.join(" ")));
                }
                StmtKind::Repeat(Repeat { count, var, body }) => {
                    let var = var.as_ref().map(|var| format!(" as {}", var.text)).unwrap_or_default();
                    self.line(depth, &format!("repeat {}{var}", flat(count)));
                    self.body(depth + 1, body);
                }
                StmtKind::Apply(Apply { name: target, value, note }) => {
                    let head = target.as_ref().map(|n| format!("{} = ", name(n))).unwrap_or_default();
                    let note = note.as_ref().map(|note| {
                        let dims = note.dims.iter().map(|dim| dim.as_ref().map_or("_".to_owned(), flat));
                        format!(" -> [{}]", dims.collect::<Vec<_>>().join(", "))
                    });
                    self.value(depth, &head, value, &note.unwrap_or_default());
                }
                StmtKind::Error => self.line(depth, "error"),
            }
        }
    }

    /// An expression between a head and a tail, on one line where it fits.
    fn value(&mut self, depth: usize, head: &str, value: &Expr, tail: &str) {
        let text = flat(value);
        let parts = parts(value);
        if parts.is_empty() || 2 * depth + head.len() + text.len() + tail.len() <= WIDTH {
            self.line(depth, &format!("{head}{text}{tail}"));
            return;
        }
        let (open, close) = brackets(value);
        self.line(depth, &format!("{head}{open}"));
        for (head, part) in &parts {
            self.value(depth + 1, head, part, "");
        }
        self.line(depth, &format!("{close}{tail}"));
    }
}

fn input(def: &InputDef) -> String {
    let dims: Vec<String> = def
        .dims
        .iter()
        .map(|dim| match dim {
            Dim::Size(size) => flat(size),
            Dim::Symbol(symbol, None) => symbol.text.clone(),
            Dim::Symbol(symbol, Some(default)) => format!("{}={}", symbol.text, flat(default)),
        })
        .collect();
    let keyword = if def.tensor { "tensor" } else { "input" };
    let file = def.file.as_ref().map(|file| format!(" = {:?}", file.value)).unwrap_or_default();
    // A size that is a single name would look like a symbol; the grammar makes none.
    format!("{keyword} {} [{}]{file}", def.name.text, dims.join(", "))
}

fn name(name: &Name) -> String {
    let part = |part: &NamePart| match part {
        NamePart::Text(text) => text.clone(),
        NamePart::Index(index) => format!("{{{}}}", flat(index)),
    };
    name.parts.iter().map(part).collect()
}

/// An expression on one line.
fn flat(expr: &Expr) -> String {
    let parts = parts(expr);
    let (open, close) = brackets(expr);
    let mut text = open;
    for (i, (head, part)) in parts.iter().enumerate() {
        if i > 0 || text.len() > 1 {
            text.push(' ');
        }
        text.push_str(head);
        text.push_str(&flat(part));
    }
    text + close
}

/// What stands before and after the parts of an expression; all of one without parts.
fn brackets(expr: &Expr) -> (String, &'static str) {
    match &expr.kind {
        ExprKind::Number(number) => (number.text.clone(), ""),
        ExprKind::Str(value) => (format!("{value:?}"), ""),
        ExprKind::Name(value) => (name(value), ""),
        ExprKind::List(_) => ("[".to_owned(), "]"),
        ExprKind::Tuple(_) => ("(tuple".to_owned(), ")"),
        ExprKind::Paren(_) => ("(paren".to_owned(), ")"),
        ExprKind::Call(call) => (format!("({}", call.callee.text), ")"),
        ExprKind::Neg(_) => ("(neg".to_owned(), ")"),
        ExprKind::Binary(op, ..) => (format!("({}", BinaryOp::symbol(*op)), ")"),
        ExprKind::Pipe(..) => ("(|>".to_owned(), ")"),
    }
}

/// The parts of an expression, each with what stands before it.
fn parts(expr: &Expr) -> Vec<(String, &Expr)> {
    let plain = |expr| (String::new(), expr);
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::Str(_) | ExprKind::Name(_) => Vec::new(),
        ExprKind::List(items) | ExprKind::Tuple(items) => items.iter().map(plain).collect(),
        ExprKind::Paren(inner) | ExprKind::Neg(inner) => vec![plain(inner)],
        ExprKind::Call(call) => call.args.iter().map(argument).collect(),
        ExprKind::Binary(_, left, right) => vec![plain(left), plain(right)],
        ExprKind::Pipe(first, stages) => std::iter::once(&**first).chain(stages).map(plain).collect(),
    }
}

fn argument(arg: &Arg) -> (String, &Expr) {
    let head = arg.name.as_ref().map(|name| format!("{}=", name.text)).unwrap_or_default();
    (head, &arg.value)
}
