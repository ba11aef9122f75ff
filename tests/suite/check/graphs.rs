//! Models that are right, and the graph made of them.

use convc::graph::check::{CheckOptions, check};
use convc::graph::{Graph, print, verify};
use convc::source::Source;
use convc::syntax::parse;

use super::{checked, rendered, snapshots};

/// The graph of a text that is right.
fn graph(text: &str) -> Graph {
    let source = Source::new("test.conv", text);
    let (checked, syntax) = checked(&source);
    assert!(syntax.is_empty(), "{}", rendered(&source, &syntax));
    assert!(!checked.has_errors(), "{}", rendered(&source, &checked.diagnostics));
    let graph = checked.graph.expect("every size is bound");
    assert_eq!(verify::verify(&graph), Ok(()));
    graph
}

/// The shape of the first output.
fn shape(body: &str) -> Vec<u64> {
    let graph = graph(&format!("model m {{\n{body}\n}}\n"));
    graph.ty(graph.outputs[0].value).dims.clone()
}

#[test]
fn models_that_are_right() {
    snapshots("ok", |source| {
        let (checked, syntax) = checked(source);
        let mut out = rendered(source, &syntax) + &rendered(source, &checked.diagnostics);
        match &checked.graph {
            Some(graph) => {
                assert_eq!(verify::verify(graph), Ok(()));
                out.push_str(&print::print(graph));
            }
            None => out.push_str(&format!("waits for {}\n", checked.unbound.join(", "))),
        }
        out
    });
}

/// d2l.ai, chapter 7: an 8×8 input under several windows.
#[test]
fn the_textbook_numbers() {
    let cases = [
        ("conv(kernel=3, pad=1, out=1)", [1, 8, 8]),
        ("conv(kernel=(5, 3), pad=(2, 1), out=1)", [1, 8, 8]),
        ("conv(kernel=(3, 5), pad=(0, 1), out=1)", [1, 6, 6]),
        ("conv(kernel=(3, 5), pad=(0, 1), stride=(3, 2), out=1)", [1, 2, 3]),
        ("conv(kernel=(3, 5), pad_total=(0, 2), stride=(3, 2), out=1)", [1, 2, 3]),
        ("conv(kernel=3, pad=1, stride=2, out=1)", [1, 4, 4]),
    ];
    for (layer, want) in cases {
        assert_eq!(shape(&format!("input x [1, 8, 8]\n{layer}")), want, "{layer}");
    }
}

#[test]
fn sides_of_the_padding_go_where_the_text_says() {
    let pads = |layer: &str| {
        let graph = graph(&format!("model m {{\ninput x [1, 9, 9]\n{layer}\n}}\n"));
        let text = print::print(&graph);
        let line = text.lines().find(|l| l.contains("pad ")).unwrap_or_default().to_owned();
        line.split(" pad ").nth(1).and_then(|t| t.split(' ').next()).unwrap_or_default().to_owned()
    };
    assert_eq!(pads("conv(kernel=5, out=1, pad=((1, 2), (3, 4)))"), "1+2x3+4");
    assert_eq!(pads("conv(kernel=5, out=1, pad=(1, 2))"), "1x2");
    assert_eq!(pads("conv(kernel=5, out=1, pad_total=(3, 1))"), "2+1x1+0");
    assert_eq!(pads("conv(kernel=4, out=1, pad=same_lower)"), "2+1x2+1");
    assert_eq!(pads("conv(kernel=4, out=1, pad=same_upper)"), "1+2x1+2");
    assert_eq!(pads("conv(kernel=(5, 3), out=1, pad=same)"), "2x1");
    assert_eq!(pads("conv(kernel=3, stride=2, out=1, pad=same_upper)"), "1");
    assert_eq!(pads("maxpool(4, stride=4, pad=same_upper)"), "1+2x1+2");
    assert_eq!(pads("maxpool(4, stride=4, pad=same_lower)"), "2+1x2+1");
}

#[test]
fn a_model_is_checked_with_its_sizes_open_and_waits_for_them() {
    let source = Source::new("m", "model m {\n  input x [3, H, W=64]\n  conv(kernel=3, out=8, pad=1)\n}\n");
    let (file, _) = parse(&source);
    let open = check(&file, &CheckOptions::default());
    assert_eq!((open.graph, open.diagnostics, open.unbound), (None, vec![], vec!["H".to_owned()]));
    let sizes = [("H".to_owned(), 48)].into();
    let bound = check(&file, &CheckOptions { sizes, ..CheckOptions::default() });
    let graph = bound.graph.expect("bound");
    assert_eq!(graph.ty(graph.outputs[0].value).dims, [8, 48, 64]);
    let inputs = [("x".to_owned(), vec![3, 20, 30])].into();
    let given = check(&file, &CheckOptions { inputs, ..CheckOptions::default() });
    let graph = given.graph.expect("bound");
    assert_eq!(graph.ty(graph.outputs[0].value).dims, [8, 20, 30]);
}

/// What is wrong whatever the size is said at once, and again at the same place with the size.
#[test]
fn errors_do_not_wait_for_sizes() {
    let text = "model m {\n  input x [3, H, W]\n  conv(kernel=3, out=8, in=4)\n  filter([[1, 2], [3]])\n  pixel_shuffle(2)\n}\n";
    let source = Source::new("m", text);
    let (file, _) = parse(&source);
    let open = check(&file, &CheckOptions::default()).diagnostics;
    let sizes = [("H".to_owned(), 48), ("W".to_owned(), 48)].into();
    let bound = check(&file, &CheckOptions { sizes, ..CheckOptions::default() }).diagnostics;
    let places = |d: &[convc::diag::Diagnostic]| -> Vec<_> {
        d.iter().map(|d| (d.code, d.primary.as_ref().map(|l| l.span))).collect()
    };
    assert_eq!(places(&open), places(&bound));
    assert_eq!(open.len(), 2, "{}", rendered(&source, &open));
}

#[test]
fn the_repository_s_models_are_right() {
    for folder in ["examples", "tests/data/nets"] {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for entry in entries {
            let path = entry.expect("the folder can be read").path();
            if path.extension().is_none_or(|e| e != "conv") {
                continue;
            }
            let source = Source::new(path.to_string_lossy(), std::fs::read_to_string(&path).expect("text"));
            let (file, syntax) = parse(&source);
            assert!(syntax.is_empty(), "{}", rendered(&source, &syntax));
            let signature = convc::graph::check::signature(&file, None);
            for model in signature.models {
                let signature = convc::graph::check::signature(&file, Some(&model));
                let sizes = signature.sizes.iter().map(|(name, _)| (name.clone(), 96)).collect();
                let options = CheckOptions { model: Some(model), sizes, ..CheckOptions::default() };
                let checked = check(&file, &options);
                assert!(checked.diagnostics.is_empty(), "{}", rendered(&source, &checked.diagnostics));
                let graph = checked.graph.expect("every size is bound");
                assert_eq!(verify::verify(&graph), Ok(()), "{}", path.display());
            }
        }
    }
}
