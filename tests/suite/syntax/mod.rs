//! Parsing, formatting and rendering, by the files of `tests/data/syntax`.

use std::fs;

use convc::diag::{RenderOptions, render};
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
