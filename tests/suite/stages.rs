//! Snapshots of what each stage makes of tiny models, for a pinned target.

use std::fmt::Write as _;
use std::path::Path;

use convc::code::Backend;
use convc::code::clif_text;
use convc::code::disasm::disassemble_all;
use convc::graph::Graph;
use convc::kernels::step::Lowered;
use convc::plan::PlanOptions;
use convc::target::Target;
use convc::{Model, Options, pipeline};

fn graph_of(path: &Path) -> (String, Graph) {
    let text = std::fs::read_to_string(path).expect("the model can be read");
    let model = Model::from_str("model.conv", &text).expect("the text parses");
    let (graph, warnings) = model.graph(&Options::default()).expect("the model is right");
    assert!(warnings.is_empty(), "{warnings:?}");
    (text, graph)
}

fn lowered_of(graph: &Graph) -> (String, Lowered) {
    let optimised = pipeline::optimise(graph);
    convc::graph::verify::verify(&optimised).expect("passes keep the graph's invariants");
    let plan = pipeline::plan(&optimised, &PlanOptions::new(Target::X64_AVX2)).expect("there is a plan");
    assert_eq!(convc::plan::verify(&plan), Vec::<String>::new());
    (convc::plan::print(&plan), pipeline::lower(&plan).expect("the plan is lowered"))
}

/// Source, then one section for each stage.
fn sections(source: &str, parts: &[(&str, String)]) -> String {
    let mut text = format!("----- SOURCE\n{source}");
    for (title, part) in parts {
        let _ = write!(text, "----- {title}\n{}\n", part.trim_end());
    }
    text
}

#[test]
fn graph_and_plan() {
    insta::glob!("../data/stages", "*.conv", |path| {
        let (source, graph) = graph_of(path);
        let optimised = convc::graph::print::print(&pipeline::optimise(&graph));
        let (plan, _) = lowered_of(&graph);
        let graph = convc::graph::print::print(&graph);
        let mut parts = vec![("GRAPH", graph.clone())];
        if optimised != graph {
            parts.push(("OPTIMISED", optimised));
        }
        parts.push(("PLAN", plan));
        insta::assert_snapshot!(sections(&source, &parts));
    });
}

/// What `convc emit --grad --samples 2` prints.
#[test]
fn gradients() {
    insta::glob!("../data/stages", "{avgpool_pad,batchnorm_folded,linear_softmax,maxpool}.conv", |path| {
        let (source, graph) = graph_of(path);
        let whole = convc::graph::grad::with_gradients(&graph, 2).expect("it has gradients");
        insta::assert_snapshot!(sections(&source, &[("GRADIENTS", convc::graph::print::print(&whole))]));
    });
}

#[test]
fn vector_ir() {
    insta::glob!("../data/stages", "*.conv", |path| {
        let (source, graph) = graph_of(path);
        let (_, lowered) = lowered_of(&graph);
        insta::assert_snapshot!(sections(&source, &[("VECTOR IR", lowered.to_string())]));
    });
}

#[test]
fn machine_code() {
    insta::glob!("../data/stages", "*.conv", |path| {
        let (source, graph) = graph_of(path);
        let (_, lowered) = lowered_of(&graph);
        let assemble =
            || pipeline::assemble(&lowered, &Target::X64_AVX2, Backend::X64).expect("it is assembled");
        let code = assemble();
        assert!(code == assemble(), "the same program gives the same bytes");
        insta::assert_snapshot!(sections(&source, &[("X64", disassemble_all(&code))]));
    });
}

#[test]
fn cranelift_input() {
    insta::glob!("../data/stages", "{pointwise_conv,maxpool,elementwise,filter_reflect}.conv", |path| {
        let (source, graph) = graph_of(path);
        let (_, lowered) = lowered_of(&graph);
        let kernels = lowered.kernels.iter().map(|k| clif_text(k, &Target::X64_AVX2).expect("it has CLIF"));
        insta::assert_snapshot!(sections(&source, &[("CLIF", kernels.collect::<Vec<_>>().join("\n"))]));
    });
}
