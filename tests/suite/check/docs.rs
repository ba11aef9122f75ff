//! The pages of `docs/` that list errors and layers hold what the compiler does.

use std::collections::BTreeMap;

use convc::diag::Code;
use convc::graph::check::reference;
use convc::source::Source;

use super::{checked, codes, rendered};

/// Codes whose cause does not fit on the page; other tests hold them.
const WITHOUT_EXAMPLE: [&str; 9] =
    ["E0001", "E0002", "E0199", "E0501", "E0502", "E0503", "E0504", "E0505", "E0506"];

/// The sections of a page by their heading, each with its fenced examples.
pub fn sections(page: &str) -> BTreeMap<String, Vec<String>> {
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut heading, mut fence): (String, Option<String>) = (String::new(), None);
    for line in page.lines() {
        match (&mut fence, line) {
            (None, "```conv") => fence = Some(String::new()),
            (Some(_), "```") => out.entry(heading.clone()).or_default().extend(fence.take()),
            (Some(text), line) => *text += &format!("{line}\n"),
            (None, line) => {
                if let Some(title) = line.strip_prefix("### ") {
                    heading = title.to_owned();
                    out.entry(heading.clone()).or_default();
                }
            }
        }
    }
    out
}

#[test]
fn every_code_has_an_example_that_gets_it() {
    let page = std::fs::read_to_string("docs/errors.md").expect("the page is there");
    let sections = sections(&page);
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let heading = format!("{}: {}", code.number(), code.title());
        let Some(examples) = sections.get(&heading) else {
            wrong.push(format!("no section `{heading}`"));
            continue;
        };
        assert_eq!(examples.is_empty(), WITHOUT_EXAMPLE.contains(&code.number()), "{code}");
        for example in examples {
            let found = codes(example);
            if found.iter().copied().collect::<Vec<_>>() != [code.number()] {
                wrong.push(format!("{code}: {found:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(sections.len(), Code::ALL.len(), "a section is about no code");
}

#[test]
fn what_is_said_about_each_example() {
    let page = std::fs::read_to_string("docs/errors.md").expect("the page is there");
    let mut said = String::new();
    for (heading, examples) in sections(&page) {
        for example in examples {
            let source = Source::new("example.conv", example);
            let (checked, syntax) = checked(&source);
            let all: Vec<_> = syntax.into_iter().chain(checked.diagnostics).collect();
            said += &format!("―― {heading}\n{}", rendered(&source, &all));
        }
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path("../../data/check/errors/snapshots");
    settings.bind(|| insta::assert_snapshot!("docs", said));
}

#[test]
fn the_layer_reference_is_printed_from_the_table() {
    let path = "docs/layers.md";
    if std::env::var_os("CONVC_WRITE_DOCS").is_some() {
        std::fs::write(path, reference()).expect("the page can be written");
    }
    let page = std::fs::read_to_string(path).expect("the page is there");
    assert!(page == reference(), "{path} is out of date: run this test with CONVC_WRITE_DOCS=1");
}

#[test]
fn every_layer_s_example_compiles() {
    for (heading, examples) in sections(&reference()) {
        assert_eq!(examples.len(), 1, "{heading}");
        let source = Source::new("example.conv", examples[0].clone());
        let (checked, syntax) = checked(&source);
        assert!(syntax.is_empty(), "{heading}: {}", rendered(&source, &syntax));
        assert!(checked.diagnostics.is_empty(), "{heading}: {}", rendered(&source, &checked.diagnostics));
        assert!(checked.graph.is_some(), "{heading}");
    }
}
