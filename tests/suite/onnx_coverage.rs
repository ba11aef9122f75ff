//! `docs/onnx.md`: its tables are made from what runs.

use std::collections::{BTreeMap, BTreeSet};

use convc::onnx::lower::{operators, refused};
use convc::onnx::proto::ModelProto;
use prost::Message;

use crate::cases::Tolerance;
use crate::executors::Executor;
use crate::onnx::{LEFT_OUT, node_tests};

const PATH: &str = "docs/onnx.md";
const BEGIN: &str = "<!-- printed by a test from here -->\n";

/// For each operator its node tests, and how many of them give the numbers recorded.
fn counts() -> BTreeMap<String, (usize, usize)> {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for test in node_tests() {
        let model = ModelProto::decode(test.model.as_slice()).expect("it is a model");
        let nodes = model.graph.expect("it has a graph").node;
        let names: BTreeSet<String> = nodes.into_iter().filter_map(|n| n.op_type).collect();
        let passes = !LEFT_OUT.iter().any(|(name, _)| *name == test.name)
            && test
                .import()
                .is_ok_and(|case| case.check(Executor::Evaluator, Tolerance::Element(1e-5)).is_ok());
        for name in names {
            let (all, passed) = counts.entry(name).or_default();
            *all += 1;
            *passed += usize::from(passes);
        }
    }
    counts
}

/// The tables.
fn tables() -> String {
    let counts = counts();
    let mut out = String::from(
        "## Operators\n\n*Tests* are those of ONNX's own backend suite that give the numbers recorded, of those that the project \
         has.\n\n| operator | known for | tests |\n|---|---|---|\n",
    );
    for (name, live) in operators() {
        let what = if live { "values and constants" } else { "constants: it is computed at import" };
        let tests = counts.get(name).map_or("–".to_owned(), |(all, passed)| format!("{passed} of {all}"));
        out.push_str(&format!("| {name} | {what} | {tests} |\n"));
    }
    out.push_str("\n## Left out\n\n| operator | why |\n|---|---|\n");
    for (name, why) in refused() {
        out.push_str(&format!("| {name} | {why} |\n"));
    }
    out.push_str(
        "\nOf the backend suite's node tests these are left out:\n\n| test | why: it |\n|---|---|\n",
    );
    for (name, why) in LEFT_OUT {
        out.push_str(&format!("| `{name}` | {why} |\n"));
    }
    out
}

/// `CONVC_WRITE_DOCS=1 cargo test` writes the tables.
#[test]
fn the_tables_of_the_manual_say_what_runs() {
    let text = std::fs::read_to_string(PATH).expect("the manual is there");
    let (head, rest) = text.split_once(BEGIN).expect("it has the mark");
    let tables = tables();
    if std::env::var_os("CONVC_WRITE_DOCS").is_some() {
        std::fs::write(PATH, format!("{head}{BEGIN}\n{tables}")).expect("it can be written");
        return;
    }
    assert_eq!(rest.trim(), tables.trim(), "{PATH}: run this test with CONVC_WRITE_DOCS=1");
}

#[test]
fn every_operator_of_a_passing_test_is_in_the_table() {
    let known: BTreeSet<&str> = operators().into_iter().map(|(name, _)| name).collect();
    for (name, (_, passed)) in counts() {
        assert!(passed == 0 || known.contains(name.as_str()), "{name}");
    }
}
