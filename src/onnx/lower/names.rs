//! Names for lines, from what the file calls its tensors and nodes.

use super::super::network::Node;

/// What a tensor is called after its layer.
const SUFFIXES: &[&str] = &[
    "weight",
    "weights",
    "bias",
    "biases",
    "running_mean",
    "running_var",
    "kernel",
    "gamma",
    "beta",
    "scale",
    "offset",
    "mean",
    "variance",
    "var",
    "moving_mean",
    "moving_variance",
    "moving_var",
    "slope",
    "alpha",
    "w",
    "b",
    "W",
    "B",
    "filter",
];

/// A name as pieces of letters, digits and `_` with dots between them; empty if it says nothing.
pub fn dotted(name: &str) -> String {
    let mut out = String::new();
    for piece in pieces(name) {
        if out.len() + piece.len() > 200 {
            break;
        }
        if !out.is_empty() {
            out.push('.');
        }
        out.push_str(&piece);
    }
    // A name must begin with a letter, and numbers alone say nothing.
    if out.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && says_something(&out) {
        out
    } else {
        String::new()
    }
}

fn pieces(name: &str) -> Vec<String> {
    name.split(['.', '/', ':'])
        .map(|piece| {
            let clean: String =
                piece.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            clean.trim_matches('_').to_owned()
        })
        .filter(|piece| !piece.is_empty())
        .collect()
}

fn says_something(name: &str) -> bool {
    name.chars().any(|c| c.is_ascii_alphabetic())
}

/// `n12`, `x1`, `tmp_3`: given by a program to whatever has no name.
fn is_counted(name: &str) -> bool {
    let letters = name.chars().filter(char::is_ascii_alphabetic).count();
    let digits = name.chars().any(|c| c.is_ascii_digit());
    letters <= 1 && digits || name.split(['.', '_']).any(|piece| piece == "tmp")
}

/// The layer that a tensor belongs to: `layer1.0.conv1.weight` is of `layer1.0.conv1`.
pub fn of_weight(name: &str) -> String {
    // PyTorch's exporter gives this prefix to tensors whose names it lost.
    if name.starts_with("onnx::") {
        return String::new();
    }
    let name = dotted(name);
    // Caffe2 and Paddle count the tensors of a layer: `conv1_w_0`, `fc_0.b_0`.
    let name = match name.strip_suffix("_0") {
        Some(stem) if stem.ends_with(['w', 'b']) => stem.to_owned(),
        _ => name,
    };
    if let Some((layer, last)) = name.rsplit_once('.')
        && SUFFIXES.contains(&last)
    {
        return layer.to_owned();
    }
    for suffix in SUFFIXES {
        if let Some(layer) = name.strip_suffix(suffix).and_then(|l| l.strip_suffix('_'))
            && says_something(layer)
        {
            return layer.to_owned();
        }
    }
    if SUFFIXES.contains(&name.as_str()) { String::new() } else { name }
}

/// What a node is called: `/layer1/layer1.0/conv1/Conv` is `layer1.0.conv1`.
pub fn of_node(node: &Node) -> String {
    let named = path(&node.name, &node.op);
    if !named.is_empty() {
        return named;
    }
    let output = node.outputs.first().map(String::as_str).unwrap_or_default();
    if output.starts_with("onnx::") {
        return String::new();
    }
    let stem = output.rsplit_once("_output_").map_or(output, |(stem, _)| stem);
    path(stem, &node.op)
}

/// A path in which each piece may repeat what is before it, and whose last piece may be the operator.
fn path(name: &str, op: &str) -> String {
    let mut found: Vec<&str> = Vec::new();
    for piece in name.split('/').filter(|p| !p.is_empty()) {
        if let Some(last) = found.last()
            && piece.strip_prefix(last).is_some_and(|rest| rest.starts_with('.'))
        {
            found.pop();
        }
        found.push(piece);
    }
    if found.last().is_some_and(|last| is_operator(last, op)) {
        found.pop();
    }
    let name = dotted(&found.join("."));
    if is_counted(&name) { String::new() } else { name }
}

/// `Conv`, `Conv_12`, `conv2d12`: nothing but the operator and a number.
fn is_operator(piece: &str, op: &str) -> bool {
    let letters: String = piece.chars().filter(char::is_ascii_alphabetic).collect();
    letters.eq_ignore_ascii_case(op)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, op: &str, output: &str) -> Node {
        Node {
            number: 0,
            name: name.to_owned(),
            op: op.to_owned(),
            domain: String::new(),
            inputs: Vec::new(),
            outputs: vec![output.to_owned()],
            attributes: Vec::new(),
        }
    }

    #[test]
    fn tensors_name_their_layer() {
        for (tensor, layer) in [
            ("layer1.0.conv1.weight", "layer1.0.conv1"),
            ("conv1_weights", "conv1"),
            ("onnx::Conv_123", ""),
            ("W", ""),
            ("123", ""),
            ("a/b:0", "a.b.0"),
            ("batch_norm_0.w_0", "batch_norm_0"),
            ("fire2/squeeze1x1_w_0", "fire2.squeeze1x1"),
            ("fc.bias", "fc"),
        ] {
            assert_eq!(of_weight(tensor), layer, "{tensor}");
        }
    }

    #[test]
    fn nodes_name_their_line() {
        for (name, op, output, line) in [
            ("/layer1/layer1.0/conv1/Conv", "Conv", "x", "layer1.0.conv1"),
            ("/layer1/layer1.0/conv1/Conv_1", "Conv", "x", "layer1.0.conv1"),
            ("Conv_12", "Conv", "88", ""),
            ("", "Relu", "/act/Relu_output_0", "act"),
            ("", "Relu", "features", "features"),
            ("", "Relu", "onnx::Add_33", ""),
            ("", "Relu", "n12", ""),
            ("", "Relu", "hardswish_0.tmp_0", ""),
        ] {
            assert_eq!(of_node(&node(name, op, output)), line, "{name}");
        }
    }
}
