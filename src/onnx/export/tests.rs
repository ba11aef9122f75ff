use std::collections::BTreeMap;

use prost::Message;

use super::*;
use crate::graph::check::{CheckOptions, check};
use crate::onnx::proto::ModelProto;
use crate::runtime::params::Params;
use crate::source::Source;
use crate::syntax::parse;

fn exported(body: &str) -> ModelProto {
    let text = format!("model m {{\n{body}\n}}");
    let source = Source::new("m.conv", &text);
    let (file, diagnostics) = parse(&source);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let checked = check(&file, &CheckOptions::default());
    let graph = checked.graph.unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    let params = Params::seeded(&graph, 0).expect("they fit");
    let bytes = export(&graph, params.tensors()).expect("it can be written");
    ModelProto::decode(bytes.as_slice()).expect("it can be read")
}

fn operators(model: &ModelProto) -> Vec<&str> {
    let graph = model.graph.as_ref().expect("a graph");
    graph.node.iter().filter_map(|n| n.op_type.as_deref()).collect()
}

#[test]
fn every_name_that_a_node_reads_is_made_before_it() {
    let model = exported(
        "input x [3, 8, 8]\nc1 = conv(kernel=3, pad=1, out=8, border=reflect)\nb1 = batchnorm\nsilu\n\
         y = maxpool(kernel=3, stride=2, ceil_mode=true)\ny |> flatten |> softmax",
    );
    let graph = model.graph.as_ref().expect("a graph");
    let mut known: Vec<&String> = graph.initializer.iter().filter_map(|t| t.name.as_ref()).collect();
    known.extend(graph.input.iter().filter_map(|i| i.name.as_ref()));
    for node in &graph.node {
        for input in node.input.iter().filter(|i| !i.is_empty()) {
            assert!(known.contains(&input), "{input} of {node:?}");
        }
        known.extend(&node.output);
    }
    for output in &graph.output {
        assert!(known.contains(&output.name.as_ref().expect("a name")));
    }
    let mut unique: BTreeMap<&String, usize> = BTreeMap::new();
    known.iter().for_each(|name| *unique.entry(name).or_default() += 1);
    assert!(unique.values().all(|n| *n == 1), "{unique:?}");
}

#[test]
fn weights_have_their_keys_and_the_batch_is_free() {
    let model = exported("input x [3, 8, 8]\nc1 = conv(kernel=3, out=8)");
    let graph = model.graph.as_ref().expect("a graph");
    let keys: Vec<_> = graph.initializer.iter().filter_map(|t| t.name.as_deref()).collect();
    assert_eq!(keys, ["c1.weight", "c1.bias"]);
    let dims = &graph.input[0].r#type.as_ref().and_then(|t| t.tensor_type.as_ref()?.shape.as_ref());
    let dims = &dims.expect("a shape").dim;
    assert_eq!(dims[0].dim_param.as_deref(), Some("N"));
    assert_eq!(dims[1..].iter().map(|d| d.dim_value).collect::<Vec<_>>(), [Some(3), Some(8), Some(8)]);
}

#[test]
fn a_size_that_was_rounded_up_is_padding_at_the_end() {
    let model = exported("input x [3, 8, 8]\nmaxpool(kernel=3, stride=2, ceil_mode=true)");
    let node = &model.graph.as_ref().expect("a graph").node[0];
    let pads = node.attribute.iter().find(|a| a.name.as_deref() == Some("pads")).expect("pads");
    assert_eq!(pads.ints, [0, 0, 1, 1]);
    assert_eq!(operators(&model), ["MaxPool"]);
}

#[test]
fn a_value_without_batch_gets_the_four_axes_of_spatial_operators() {
    let model = exported("tensor x [3, 8, 8]\nmaxpool(2)");
    assert_eq!(operators(&model), ["Reshape", "MaxPool", "Reshape"]);
}
