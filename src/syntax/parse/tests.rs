use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::parse;
use crate::diag::{Code, Diagnostic, RenderOptions, render};
use crate::limits;
use crate::source::{Source, Span};
use crate::syntax::ast::{Dim, Expr, ExprKind, File, Item, Name, NamePart, Stmt, StmtKind};
use crate::syntax::testing::texts;
use crate::syntax::{dump, format};

fn errors(text: &str) -> Vec<Diagnostic> {
    parse(&Source::new("m.conv", text)).1
}

/// The code of the only error.
#[track_caller]
fn only_error(text: &str) -> Code {
    let errors = errors(text);
    let codes: Vec<Code> = errors.iter().map(|error| error.code).collect();
    assert_eq!(codes.len(), 1, "{codes:?}");
    codes[0]
}

/// Runs all that is made of a text: nothing may panic.
fn everything(text: &str) {
    let source = Source::new("m.conv", text);
    let (file, diagnostics) = parse(&source);
    dump(&file);
    check_spans(&source, &file);
    for diagnostic in &diagnostics {
        render(&source, diagnostic, RenderOptions::default());
        diagnostic.position(&source);
    }
    assert!(diagnostics.len() <= limits::ERRORS + 1);
    assert_eq!(format(&source).is_err(), !diagnostics.is_empty());
}

fn in_model(value: &str) -> String {
    format!("model m {{\n  input x [1, 8, 8]\n  y = {value}\n}}\n")
}

#[test]
fn ten_thousand_brackets_are_refused() {
    for open in ["(", "[", "{", "f(", "a.{", "[(", "f(a=", "-(", "repeat 2 {\n", "model m {\n", "{ { {"] {
        for close in ["", ")", "]", "}"] {
            let text = in_model(&(open.repeat(10_000) + &close.repeat(10_000)));
            assert_eq!(only_error(&text), Code::TooNested, "{open}{close}");
        }
    }
    assert_eq!(only_error(&"{".repeat(1_000_000)), Code::TooNested);
    // Brackets that do not match, each of which the parser takes for the beginning of a body.
    for line in ["( {)\n", "a [ {]\n", "x( {)[ {]\n", "repeat ( {)\n", "model ( {)\n"] {
        assert_eq!(only_error(&line.repeat(10_000)), Code::TooNested, "{line}");
        assert_eq!(only_error(&in_model(&line.repeat(10_000))), Code::TooNested, "{line}");
    }
}

#[test]
fn brackets_up_to_the_limit_parse_on_a_small_stack() {
    // Two brackets are the model's and a call's.
    let deep = |open: &str, close: &str, inner: &str, n: usize| {
        in_model(&format!("{}{inner}{}", open.repeat(n), close.repeat(n)))
    };
    let within = limits::NESTING - 1;
    let texts = [
        deep("(", ")", "1", within),
        deep("[", "]", "1", within),
        deep("f(", ")", "1", within),
        deep("f(a=-2 * ", " + 1 |> relu)", "1", within),
        deep("a.{", "}", "1", within),
        format!("model m {{{}relu{}", " repeat 2 {".repeat(within), " }".repeat(within + 1)),
        // Wrong at the innermost place, so that everything is tried again.
        deep("f(a=-2 * ", " + 1 |> relu)", "1 1", within),
        deep("[", "]", "==", within),
        format!("model m {{{}1 1{}", " repeat 2 {".repeat(within), " } x".repeat(within + 1)),
    ];
    std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(move || {
            for (i, text) in texts.iter().enumerate() {
                everything(text);
                let errors = errors(text);
                assert!(errors.iter().all(|error| error.code != Code::TooNested), "{text}");
                assert_eq!(errors.is_empty(), i < 6, "{text}");
            }
            let over = "(".repeat(limits::NESTING) + "1" + &")".repeat(limits::NESTING);
            assert_eq!(only_error(&in_model(&over)), Code::TooNested);
        })
        .expect("a thread")
        .join()
        .expect("the stack suffices");
}

#[test]
fn long_chains_do_not_recurse() {
    for text in [
        in_model(&("-".repeat(100_000) + "x")),
        in_model(&("x".to_owned() + &" + x".repeat(100_000))),
        in_model(&("x".to_owned() + &" * x - x".repeat(50_000))),
        in_model(&("x".to_owned() + &" +\n x".repeat(100_000))),
        in_model(&format!("f({})", "-".repeat(100_000) + "x")),
        in_model(&format!("x |> f({})", "x + ".repeat(100_000) + "x")),
    ] {
        assert_eq!(only_error(&text), Code::TooNested);
        everything(&text);
    }
    for text in [
        in_model(&("x".to_owned() + &" |> relu".repeat(100_000))),
        in_model(&("concat(x".to_owned() + &", x".repeat(100_000) + ")")),
        in_model(&("x".to_owned() + &" + x".repeat(limits::EXPR_DEPTH - 1))),
        in_model(&("-".repeat(limits::EXPR_DEPTH - 1) + "x")),
        in_model(&("x".to_owned() + &".x".repeat(100_000))),
    ] {
        assert_eq!(errors(&text), []);
    }
    assert_eq!(
        only_error(&in_model(&("x".to_owned() + &" + x".repeat(limits::EXPR_DEPTH)))),
        Code::TooNested
    );
    assert_eq!(only_error(&in_model(&("-".repeat(limits::EXPR_DEPTH) + "x"))), Code::TooNested);
}

#[test]
fn texts_at_the_limit_of_their_length_are_handled() {
    let fill = |unit: &str, bytes: usize| unit.repeat(bytes / unit.len());
    for unit in [
        "a\n",
        "\n",
        "-",
        "(",
        ")",
        "}",
        "\"",
        "#\n",
        "漢",
        "\u{1b}",
        "a.",
        "{}",
        "(]",
        "( )\n",
        "x = (\n",
        "\\",
        "kernel k = [1]\n",
        "model m { relu }\n",
        "model m {\n",
        ";\n",
        "1,",
        "()",
        "f(a,\n",
        "repeat 2 {",
        "{ }",
    ] {
        everything(&fill(unit, 1 << 15));
        everything(&in_model(&fill(unit, 1 << 15)));
    }
    for unit in ["a\n", "-", ";\n"] {
        assert!(!errors(&fill(unit, limits::TEXT_BYTES)).is_empty());
    }
    let rows = format!("kernel k = [{}1]", "-1,".repeat(limits::TEXT_BYTES / 3 - 8));
    assert_eq!(errors(&rows), []);
    let text = " ".repeat(limits::TEXT_BYTES + 1);
    assert_eq!(only_error(&text), Code::TextTooLong);
}

#[test]
fn errors_past_the_limit_are_counted() {
    let text = format!("model m {{\n{}}}\n", "  conv(kernel==3)\n".repeat(limits::ERRORS + 7));
    let errors = errors(&text);
    assert_eq!(errors.len(), limits::ERRORS + 1);
    let last = errors.last().expect("errors");
    assert_eq!((last.code, last.message.as_str()), (Code::TooManyErrors, "7 more errors are not shown"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn random_characters_do_no_harm(text in "\\PC{0,60}|[ -~\n\t\r\\x00-\\x1f]{0,200}") {
        everything(&text);
    }

    #[test]
    fn random_tokens_do_no_harm(tokens in vec(proptest::sample::select(vec![
        "model", "m", "{", "}", "(", ")", "[", "]", "kernel", "block", "=", "==", ",", "\n", "\n", " ", "repeat", "as", "input",
        "|>", "->", "-", "+", "1", "1e999", ".", "a.{", "\"", "\"s\"", "#", "_", "\r\n", "漢", "weights", "output", "\u{1}", "model m {\n", "}\n",
    ]), 0..80)) {
        everything(&tokens.concat());
        everything(&tokens.join(" "));
    }

    #[test]
    fn mutated_texts_do_no_harm(
        text in texts(),
        edits in vec((any::<prop::sample::Index>(), 0usize..4, proptest::sample::select(vec!["", "(", ")", "{", "}", "[", "]", "\"", "\n", "=", "#", "漢", " 1 ", "\\"])), 1..4),
    ) {
        let mut chars: Vec<char> = text.chars().collect();
        for (place, removed, inserted) in edits {
            let at = place.index(chars.len() + 1);
            let end = (at + removed).min(chars.len());
            chars.splice(at..end, inserted.chars());
        }
        everything(&chars.into_iter().collect::<String>());
    }

    #[test]
    fn texts_of_the_language_parse(text in texts()) {
        prop_assert_eq!(errors(&text), [], "{}", text);
        everything(&text);
    }

    /// Statements with and without a mistake, in a random order: exactly the lines with one are reported.
    #[test]
    fn every_statement_with_a_mistake_is_reported(
        picks in vec((any::<bool>(), any::<prop::sample::Index>()), 1..30),
        nested in any::<bool>(),
    ) {
        let good = ["relu", "x = conv(kernel=3, out=4)", "a.{1} = x |> relu -> [1, _]", "repeat 2 { relu }", "", "# ((", "output a, b", "y = f(1,\n 2)"];
        let bad = [
            "conv(kernel==3)", "x = = 3", "a b", "relu;", "conv(kernel=3 pad=1)", "input x", "weights w", "1.2.3",
            "'s'", "x = \"open", "repeat { relu }", "repeat 2 as { relu }", "f(", "x = [1, 2", "f(a]", "größe", "output ,", "-> [1]", "x = f(1,\n 2 3)",
        ];
        let mut text = String::from(if nested { "model m {\nrepeat 2 {\n" } else { "model m {\n" });
        let mut expected = BTreeSet::new();
        for (is_good, pick) in picks {
            let statement = if is_good { good[pick.index(good.len())] } else { bad[pick.index(bad.len())] };
            if !is_good {
                expected.insert(text.matches('\n').count() + 1);
            }
            text.push_str(statement);
            text.push('\n');
        }
        text.push_str(if nested { "}\n}\n" } else { "}\n" });
        let source = Source::new("m.conv", text.as_str());
        let found: BTreeSet<usize> = errors(&text)
            .iter()
            .filter_map(|error| error.position(&source))
            .map(|(line, _)| line)
            // A mistake in the second line of a statement is found there.
            .map(|line| if text.lines().nth(line - 1) == Some(" 2 3)") { line - 1 } else { line })
            .collect();
        prop_assert_eq!(found, expected, "{}", text);
    }
}

/// Checks the invariant that children lie within their parents, and that names' spans hold the names.
fn check_spans(source: &Source, file: &File) {
    let end = source.text().len() as u32;
    let all = Span::new(0, end);
    let mut last = 0;
    for comment in &file.comments {
        assert!(comment.span.start >= last, "comments are in order");
        assert_eq!(source.slice(comment.span), comment.text);
        last = comment.span.end;
    }
    for item in &file.items {
        match item {
            Item::Kernel(def) => {
                within(all, def.span);
                assert_eq!(source.slice(def.name.span), def.name.text);
                expr(source, def.span, &def.value);
            }
            Item::Block(def) => {
                within(all, def.span);
                assert_eq!(source.slice(def.name.span), def.name.text);
                for param in &def.params {
                    within(def.span, param.name.span);
                    param.default.iter().for_each(|value| expr(source, def.span, value));
                }
                body(source, def.span, &def.body);
            }
            Item::Model(def) => {
                within(all, def.span);
                assert_eq!(source.slice(def.name.span), def.name.text);
                body(source, def.span, &def.body);
            }
            Item::Error(span) => within(all, *span),
        }
    }
}

#[track_caller]
fn within(parent: Span, child: Span) {
    assert!(
        parent.start <= child.start && child.start <= child.end && child.end <= parent.end,
        "{child:?} in {parent:?}"
    );
}

fn body(source: &Source, parent: Span, statements: &[Stmt]) {
    let mut last = parent.start;
    for statement in statements {
        let span = statement.span;
        within(parent, span);
        assert!(span.start >= last, "statements are in order");
        last = span.end;
        match &statement.kind {
            StmtKind::Input(def) => {
                assert_eq!(source.slice(def.name.span), def.name.text);
                within(span, def.dims_span);
                for dim in &def.dims {
                    match dim {
                        Dim::Size(size) => expr(source, def.dims_span, size),
                        Dim::Symbol(symbol, default) => {
                            assert_eq!(source.slice(symbol.span), symbol.text);
                            default.iter().for_each(|value| expr(source, def.dims_span, value));
                        }
                    }
                }
                def.file.iter().for_each(|file| within(span, file.span));
            }
            StmtKind::Param(def) => {
                name(source, span, &def.name);
                within(span, def.dims_span);
                def.dims.iter().for_each(|dim| expr(source, def.dims_span, dim));
            }
            StmtKind::Weights(file) | StmtKind::Labels(file) => within(span, file.span),
            StmtKind::Output(names) => names.iter().for_each(|n| name(source, span, n)),
            StmtKind::Repeat(repeat) => {
                expr(source, span, &repeat.count);
                body(source, span, &repeat.body);
            }
            StmtKind::Apply(apply) => {
                apply.name.iter().for_each(|n| name(source, span, n));
                expr(source, span, &apply.value);
                if let Some(note) = &apply.note {
                    within(span, note.span);
                    note.dims.iter().flatten().for_each(|dim| expr(source, note.span, dim));
                }
            }
            StmtKind::Error => {}
        }
    }
}

fn name(source: &Source, parent: Span, name: &Name) {
    within(parent, name.span);
    if let Some(plain) = name.as_plain() {
        // A statement that begins with `|>` goes on from an `it` that is not written.
        assert!(source.slice(name.span) == plain || (plain == "it" && name.span.start == name.span.end));
    }
    for part in &name.parts {
        if let NamePart::Index(index) = part {
            expr(source, name.span, index);
        }
    }
}

fn expr(source: &Source, parent: Span, e: &Expr) {
    within(parent, e.span);
    match &e.kind {
        ExprKind::Number(number) => assert_eq!(source.slice(e.span), number.text),
        ExprKind::Str(_) => {
            assert!(source.slice(e.span).starts_with('"') && source.slice(e.span).ends_with('"'))
        }
        ExprKind::Name(n) => name(source, e.span, n),
        ExprKind::List(items) | ExprKind::Tuple(items) => {
            items.iter().for_each(|item| expr(source, e.span, item))
        }
        ExprKind::Paren(inner) | ExprKind::Neg(inner) => expr(source, e.span, inner),
        ExprKind::Call(call) => {
            assert_eq!(source.slice(call.callee.span), call.callee.text);
            within(e.span, call.args_span);
            for arg in &call.args {
                within(call.args_span, arg.span);
                expr(source, arg.span, &arg.value);
            }
        }
        ExprKind::Binary(_, left, right) => {
            expr(source, e.span, left);
            expr(source, e.span, right);
        }
        ExprKind::Pipe(first, stages) => {
            expr(source, e.span, first);
            stages.iter().for_each(|stage| expr(source, e.span, stage));
        }
    }
}
