//! Checking, by the files of `tests/data/check`: each is a model and a snapshot of what is made of it
//! or said about it. A first line `# with: H=8 W=8 model=a x=[3,8,8]` gives what a caller would.

mod bounds;
pub mod docs;
mod errors;
mod graphs;

use std::collections::BTreeSet;

use convc::diag::{Diagnostic, RenderOptions, render};
use convc::graph::check::{CheckOptions, Checked, check};
use convc::source::Source;
use convc::syntax::parse;

/// Parses and checks a text, with what its first line gives.
pub fn checked(source: &Source) -> (Checked, Vec<Diagnostic>) {
    let (file, syntax) = parse(source);
    (check(&file, &options(source)), syntax)
}

fn options(source: &Source) -> CheckOptions {
    let mut options = CheckOptions::default();
    let first = source.text().lines().next().unwrap_or("");
    let Some(given) = first.strip_prefix("# with:") else { return options };
    for pair in given.split_whitespace() {
        let (name, value) = pair.split_once('=').expect("name=value");
        match value.strip_prefix('[').and_then(|v| v.strip_suffix(']')) {
            Some(dims) => {
                let dims = dims.split(',').map(|d| d.parse().expect("a number")).collect();
                options.inputs.insert(name.to_owned(), dims);
            }
            None if name == "model" => options.model = Some(value.to_owned()),
            None if name == "weights" => options.weights_given = value == "given",
            None => {
                options.sizes.insert(name.to_owned(), value.parse().expect("a number"));
            }
        }
    }
    options
}

/// All diagnostics as they are printed.
pub fn rendered(source: &Source, diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|d| render(source, d, RenderOptions::default()) + "\n\n").collect()
}

/// The codes that a text gets, with or without the sizes of its first line.
pub fn codes(text: &str) -> BTreeSet<&'static str> {
    let source = Source::new("test.conv", text);
    let (checked, syntax) = checked(&source);
    syntax.iter().chain(&checked.diagnostics).map(|d| d.code.number()).collect()
}

/// Runs a test over the files of a folder and compares with a snapshot that shows the text first.
pub fn snapshots(folder: &str, show: impl Fn(&Source) -> String) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path(format!("../../data/check/{folder}/snapshots"));
    settings.bind(|| {
        insta::glob!("../../data/check", &format!("{folder}/*.conv"), |path| {
            let text = std::fs::read_to_string(path).expect("a test's file can be read");
            let name = path.file_name().expect("it has a name").to_string_lossy();
            let source = Source::new(name, text);
            insta::assert_snapshot!(folder, format!("{}\n――――――――――\n{}", source.text(), show(&source)));
        });
    });
}
