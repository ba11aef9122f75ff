//! Definitions and statements.

use super::expression::{Brackets, Row};
use super::{Gap, INDENT, Printer};
use crate::source::Span;
use crate::syntax::ast::{
    Apply, BlockDef, Dim, InputDef, Item, Name, Repeat, ShapeNote, Stmt, StmtKind, Str, WeightDef,
};

impl Printer<'_> {
    pub(super) fn item(&mut self, item: &Item) {
        let span = match item {
            Item::Kernel(def) => def.span,
            Item::Block(def) => def.span,
            Item::Model(def) => def.span,
            Item::Error(span) => *span,
        };
        self.start(span);
        match item {
            Item::Kernel(def) => {
                self.push("kernel ");
                self.push(&def.name.text);
                self.done(def.name.span.end);
                self.push(" =");
                self.gap(def.value.span.start, Gap::Blank, self.hang);
                self.expr(&def.value);
            }
            Item::Block(def) => self.block(def),
            Item::Model(def) => {
                self.push("model ");
                self.push(&def.name.text);
                self.done(def.name.span.end);
                self.body(&def.body, span);
            }
            Item::Error(_) => {}
        }
        self.finish(span);
    }

    /// Comments and empty lines before a definition or a statement, and its indentation.
    fn start(&mut self, span: Span) {
        self.own_line_comments(span.start);
        let empty = self.breaks(self.at, span.start) > 1;
        self.begin_line(empty);
        self.done(span.start);
    }

    fn finish(&mut self, span: Span) {
        self.done(span.end);
        self.trailing_comment();
    }

    fn block(&mut self, def: &BlockDef) {
        self.push("block ");
        self.push(&def.name.text);
        self.done(def.name.span.end);
        if let (open, Some('(')) = self.seek(&['(', '{']) {
            self.params(def, open);
        }
        self.body(&def.body, def.span);
    }

    /// A block's parameters; empty parentheses go.
    fn params(&mut self, def: &BlockDef, open: u32) {
        self.done(open + 1);
        let (close, _) = self.seek(&[')']);
        if def.params.is_empty() && !self.has_comment(open, close) {
            self.done(close + 1);
            return;
        }
        let rows: Vec<Row<'_>> =
            def.params.iter().map(|param| Row::Setting(&param.name, param.default.as_ref())).collect();
        let brackets = Brackets { open: "(", close: ")", from: open + 1, to: None, trailing_comma: true };
        self.rows(&rows, brackets);
    }

    /// ` { … }`; on one line if the author wrote it so.
    fn body(&mut self, body: &[Stmt], owner: Span) {
        let (open, _) = self.seek(&['{']);
        let close = owner.end.saturating_sub(1);
        self.push(" {");
        self.done(open + 1);
        let holds_comment = self.has_comment(open, close);
        if body.is_empty() && !holds_comment {
            self.push("}");
            self.done(owner.end);
            return;
        }
        if self.breaks(open, close) == 0 {
            for statement in body {
                self.push(" ");
                self.done(statement.span.start);
                self.statement(statement);
            }
            self.push(" }");
            self.done(owner.end);
            return;
        }
        let (indent, hang) = (self.indent, self.hang);
        self.indent = indent + INDENT;
        self.hang = self.indent + INDENT;
        self.trailing_comment();
        for statement in body {
            self.start(statement.span);
            self.statement(statement);
            self.finish(statement.span);
        }
        self.own_line_comments(close);
        (self.indent, self.hang) = (indent, hang);
        self.new_line(indent, false);
        self.push("}");
        self.done(owner.end);
    }

    fn statement(&mut self, statement: &Stmt) {
        match &statement.kind {
            StmtKind::Input(def) => self.input(def),
            StmtKind::Param(def) => self.weight(def),
            StmtKind::Weights(file) => self.file("weights ", file),
            StmtKind::Labels(file) => self.file("labels ", file),
            StmtKind::Output(names) => self.output(names),
            StmtKind::Repeat(repeat) => self.repeat(repeat, statement.span),
            StmtKind::Apply(apply) => self.apply(apply),
            StmtKind::Error => {}
        }
    }

    fn file(&mut self, keyword: &str, file: &Str) {
        self.push(keyword);
        self.string(&file.value);
        self.done(file.span.end);
    }

    fn output(&mut self, names: &[Name]) {
        self.push("output");
        for (i, name) in names.iter().enumerate() {
            if i == 0 {
                self.push(" ");
            } else {
                self.push(",");
                self.gap(name.span.start, Gap::Break, self.hang);
            }
            self.name(name);
        }
    }

    fn repeat(&mut self, repeat: &Repeat, span: Span) {
        self.push("repeat ");
        self.done(repeat.count.span.start);
        self.expr(&repeat.count);
        if let Some(var) = &repeat.var {
            self.push(" as ");
            self.push(&var.text);
            self.done(var.span.end);
        }
        self.body(&repeat.body, span);
    }

    fn input(&mut self, def: &InputDef) {
        self.push(if def.tensor { "tensor " } else { "input " });
        self.push(&def.name.text);
        self.push(" ");
        let rows: Vec<Row<'_>> = def
            .dims
            .iter()
            .map(|dim| match dim {
                Dim::Size(size) => Row::Value(size),
                Dim::Symbol(name, default) => Row::Setting(name, default.as_ref()),
            })
            .collect();
        self.rows(&rows, Brackets::of("[", "]", def.dims_span));
        if let Some(file) = &def.file {
            self.push(" =");
            self.gap(file.span.start, Gap::Blank, self.hang);
            self.string(&file.value);
            self.done(file.span.end);
        }
    }

    fn weight(&mut self, def: &WeightDef) {
        self.push("param ");
        self.name(&def.name);
        self.push(" ");
        let rows: Vec<Row<'_>> = def.dims.iter().map(Row::Value).collect();
        self.rows(&rows, Brackets::of("[", "]", def.dims_span));
    }

    fn apply(&mut self, apply: &Apply) {
        if let Some(name) = &apply.name {
            self.name(name);
            self.push(" =");
            self.gap(apply.value.span.start, Gap::Blank, self.hang);
        }
        self.expr(&apply.value);
        if let Some(note) = &apply.note {
            self.note(note);
        }
    }

    fn note(&mut self, note: &ShapeNote) {
        self.push(" -> ");
        self.done(note.span.start);
        let (open, _) = self.seek(&['[']);
        let rows: Vec<Row<'_>> =
            note.dims.iter().map(|dim| dim.as_ref().map_or(Row::Open, Row::Value)).collect();
        self.rows(&rows, Brackets::of("[", "]", Span::new(open, note.span.end)));
    }
}
