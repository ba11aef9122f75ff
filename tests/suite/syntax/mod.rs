//! Parsing, formatting and rendering, by the files of `tests/data/syntax`.

use std::fs;
use std::path::Path;

use convc::diag::{Diagnostic, RenderOptions, render};
use convc::limits;
use convc::model::{Model, Options};
use convc::source::Source;
use convc::syntax::{dump, format, parse};

/// Runs a test over the files of a folder and compares what it says with a snapshot that shows the
/// text first. A carriage return or another control character is shown as an escape.
fn snapshots(folder: &str, show: impl Fn(&Source) -> String) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path(format!("../../data/syntax/{folder}/snapshots"));
    settings.bind(|| {
        insta::glob!("../../data/syntax", &format!("{folder}/*.conv"), |path| {
            let bytes = fs::read(path).expect("a test's file can be read");
            let name = path.file_name().expect("it has a name").to_string_lossy();
            let text = String::from_utf8(bytes).expect("these files are UTF-8");
            let source = Source::new(name, text);
            let shown: String =
                source
                    .text()
                    .chars()
                    .map(|c| {
                        if c.is_control() && c != '\n' {
                            c.escape_default().to_string()
                        } else {
                            c.to_string()
                        }
                    })
                    .collect();
            insta::assert_snapshot!(folder, format!("{shown}\n――――――――――\n{}", show(&source)));
        });
    });
}

#[test]
fn files_that_parse() {
    snapshots("ok", |source| {
        let (file, diagnostics) = parse(source);
        assert_eq!(diagnostics, [], "{}", source.name());
        let formatted = format(source).expect("it parses");
        let formatted = if formatted == source.text() { "as it stands\n".to_owned() } else { formatted };
        format!("{}――――――――――\n{formatted}", dump(&file))
    });
}

#[test]
fn files_that_do_not_parse() {
    snapshots("errors", |source| {
        let (_, diagnostics) = parse(source);
        assert!(!diagnostics.is_empty(), "{} parses", source.name());
        let rendered: Vec<String> =
            diagnostics.iter().map(|d| render(source, d, RenderOptions::default())).collect();
        rendered.join("\n\n") + "\n"
    });
}

/// The errors that checking finds in a text that parses, rendered.
fn check_errors(name: &str, text: &str) -> Vec<String> {
    let model = match Model::from_str(name, text) {
        Ok(model) => model,
        Err(error) => return vec![error.to_string()],
    };
    let checked = model.check(&Options::default());
    let errors = checked.diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    errors.map(|error: &Diagnostic| render(model.source(), error, RenderOptions::default())).collect()
}

#[test]
fn the_examples_of_the_manual_are_right_and_formatted() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/language.md");
    let manual = fs::read_to_string(path).expect("the manual can be read");
    let examples: Vec<&str> =
        manual.split("```conv\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 6, "{} examples", examples.len());
    for (i, example) in examples.into_iter().enumerate() {
        let source = Source::new(format!("example {i}"), example);
        let formatted = format(&source).expect("it parses");
        let squeeze =
            |text: &str| text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        assert_eq!(squeeze(&formatted), squeeze(example), "blanks before comments are all that may differ");
        if example.contains("model ") {
            assert_eq!(check_errors(source.name(), example), [""; 0], "{example}");
        }
    }
}

/// Whatever the parser lets through must not exhaust the stack of the stages after it.
#[test]
fn the_deepest_expressions_go_through_the_checker() {
    let n = limits::EXPR_DEPTH - 1;
    let brackets = limits::NESTING - 1;
    let values = [
        format!("x{}", " + x".repeat(n)),
        format!("{}x", "-".repeat(n)),
        format!("{}x{}", "abs(".repeat(brackets), ")".repeat(brackets)),
        format!("{}x{}", "-(-x * ".repeat(brackets), ")".repeat(brackets)),
        format!("crop({}{}1{})", "1 - ".repeat(8), "(".repeat(brackets - 1), ")".repeat(brackets - 1)),
        format!("{}1{}", "[".repeat(brackets), "]".repeat(brackets)),
    ];
    let run = move || {
        for value in &values {
            let text = format!("model m {{\n  input x [1, 8, 8]\n  y = {value}\n}}\n");
            let model = Model::from_str("deep.conv", &text).expect("it parses");
            model.check(&Options::default());
        }
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run).expect("a thread");
    thread.join().expect("the stack of an ordinary thread suffices");
}
