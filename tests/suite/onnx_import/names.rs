//! What lines are called.

use super::models::{Net, list};
use crate::dims;

fn names(net: &Net) -> Vec<String> {
    net.lower().lines.into_iter().map(|l| l.name).collect()
}

#[test]
fn names_are_those_of_the_exporter_without_its_noise() {
    let net = Net::new(13)
        .input("input.1", dims![1, 3, 8, 8])
        .weight("layer1.0.conv1.weight", &[4, 3, 1, 1])
        .weight("onnx::Conv_123", &[4, 4, 1, 1])
        .weight("onnx::MatMul_9", &[4, 2])
        .weight("fc.bias", &[2])
        .weight("scale", &[4, 1, 1])
        .named("/layer1/layer1.0/conv1/Conv", "Conv", &["input.1", "layer1.0.conv1.weight"], &["a"], vec![])
        .named("/layer1/layer1.0/relu/Relu", "Relu", &["a"], &["b"], vec![])
        .named("/layer2/conv/Conv", "Conv", &["b", "onnx::Conv_123"], &["c"], vec![])
        .named("Mul_3", "Mul", &["c", "scale"], &["17"], vec![])
        .named("ReduceMean_4", "ReduceMean", &["17"], &["18"], vec![list("axes", &[2, 3])])
        .named("Flatten_5", "Flatten", &["18"], &["19"], vec![])
        .named("MatMul_6", "MatMul", &["19", "onnx::MatMul_9"], &["20"], vec![])
        .named("Add_7", "Add", &["20", "fc.bias"], &["logits"], vec![])
        .output("logits");
    assert_eq!(names(&net), ["layer1.0.conv1", "layer1.0.relu", "layer2.conv", "scale", "", "", "", "fc"]);
}
