//! Mutated files: fields of small networks changed one at a time or a few together, and their bytes.
//!
//! Every file must be refused or imported, within a bounded time, without a panic. `CONVC_MUTATIONS`
//! says how many are made; 1,500 where it is not set.

use std::time::{Duration, Instant};

use convc::onnx::proto::{AttributeProto, Dimension, ModelProto, NodeProto, TensorProto};
use convc::onnx::{Bindings, lower, read};
use prost::Message;

use super::models::{Net, float, floats, int, ints, list, text};
use crate::dims;

/// A generator of numbers with a seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }

    /// One of a list to change, if there is any.
    fn one<'t, T>(&mut self, of: &'t mut [T]) -> Option<&'t mut T> {
        let i = self.below(of.len());
        of.get_mut(i)
    }

    fn whole(&mut self) -> i64 {
        const ODD: [i64; 16] = [
            0,
            1,
            -1,
            2,
            3,
            4,
            7,
            -2,
            255,
            65_536,
            1 << 31,
            -(1 << 31),
            1 << 40,
            i64::MAX,
            i64::MIN,
            1 << 62,
        ];
        if self.below(4) == 0 { self.next() as i64 } else { *self.pick(&ODD) }
    }
}

/// Small networks that use every kind of operator.
fn seeds() -> Vec<ModelProto> {
    let classifier = Net::new(11)
        .input("x", dims!["N", 3, 8, 8])
        .weight("conv.weight", &[4, 3, 3, 3])
        .weight("conv.bias", &[4])
        .weight("s", &[4])
        .weight("b", &[4])
        .weight("m", &[4])
        .weight("v", &[4])
        .weight("fc.weight", &[5, 4])
        .weight("fc.bias", &[5])
        .node(
            "Conv",
            &["x", "conv.weight", "conv.bias"],
            &["c"],
            vec![list("pads", &[1, 1, 1, 1]), list("strides", &[2, 2]), list("kernel_shape", &[3, 3])],
        )
        .node("BatchNormalization", &["c", "s", "b", "m", "v"], &["n"], vec![float("epsilon", 1e-3)])
        .node("Clip", &["n"], &["r"], vec![])
        .node("MaxPool", &["r"], &["p"], vec![list("kernel_shape", &[2, 2]), int("ceil_mode", 1)])
        .node("GlobalAveragePool", &["p"], &["g"], vec![])
        .node("Flatten", &["g"], &["f"], vec![int("axis", 1)])
        .node("Gemm", &["f", "fc.weight", "fc.bias"], &["l"], vec![int("transB", 1), float("alpha", 0.5)])
        .only("Softmax", &["l"], vec![int("axis", 1)]);
    let shapes = Net::new(13)
        .input("x", dims![2, 4, 6, 5])
        .init(ints("i", &[], &[1]))
        .init(ints("zero", &[1], &[0]))
        .init(ints("minus", &[1], &[-1]))
        .init(ints("starts", &[2], &[1, 0]))
        .init(ints("ends", &[2], &[-1, 3]))
        .init(ints("axes", &[2], &[2, 3]))
        .node("Shape", &["x"], &["shape"], vec![])
        .node("Gather", &["shape", "i"], &["c"], vec![int("axis", 0)])
        .node("Unsqueeze", &["c", "zero"], &["c1"], vec![])
        .node("Concat", &["zero", "c1", "minus"], &["to"], vec![int("axis", 0)])
        .node("Slice", &["x", "starts", "ends", "axes"], &["cut"], vec![])
        .node("Transpose", &["cut"], &["t"], vec![list("perm", &[0, 1, 3, 2])])
        .node("Reshape", &["t", "to"], &["flat"], vec![])
        .node("Split", &["flat"], &["a", "b2"], vec![int("axis", 2)])
        .node("Add", &["a", "b2"], &["sum"], vec![])
        .node("ReduceMean", &["sum"], &["y"], vec![list("axes", &[2]), int("keepdims", 0)])
        .output("y");
    let upscaler = Net::new(13)
        .input("x", dims![1, 4, 5, 6])
        .weight("w", &[4, 2, 2, 2])
        .init(floats("scales", &[4], &[1.0, 1.0, 2.0, 2.0]))
        .init(ints("pads", &[8], &[0, 0, 1, 0, 0, 0, 0, 2]))
        .init(ints("repeats", &[4], &[1, 2, 1, 1]))
        .init(ints("big", &[4], &[1, 4, 11, 14]))
        .node(
            "ConvTranspose",
            &["x", "w"],
            &["u"],
            vec![list("strides", &[2, 2]), list("output_padding", &[1, 0]), int("group", 2)],
        )
        .node("Pad", &["u", "pads"], &["p"], vec![text("mode", "reflect")])
        .node("DepthToSpace", &["p"], &["d"], vec![int("blocksize", 2), text("mode", "CRD")])
        .node("Resize", &["d", "", "scales"], &["r"], vec![text("mode", "linear")])
        .node("Tile", &["r", "repeats"], &["t"], vec![])
        .node("Sigmoid", &["t"], &["y"], vec![])
        .output("y");
    let attention = Net::new(17)
        .input("x", dims!["N", 5, 8])
        .weight("q", &[8, 8])
        .weight("bias", &[8])
        .weight("ln.weight", &[8])
        .init(floats("root", &[], &[2.5]))
        .init(ints("fill", &[2], &[5, 5]))
        .node("LayerNormalization", &["x", "ln.weight"], &["n"], vec![int("axis", -1)])
        .node("MatMul", &["n", "q"], &["m"], vec![])
        .node("Add", &["m", "bias"], &["k"], vec![])
        .node("Transpose", &["k"], &["kt"], vec![list("perm", &[0, 2, 1])])
        .node("MatMul", &["n", "kt"], &["w"], vec![])
        .node("Div", &["w", "root"], &["scaled"], vec![])
        .node("ConstantOfShape", &["fill"], &["mask"], vec![])
        .node("Sub", &["scaled", "mask"], &["masked"], vec![])
        .node("Softmax", &["masked"], &["a"], vec![int("axis", -1)])
        .node("MatMul", &["a", "k"], &["y"], vec![])
        .output("y");
    [classifier, shapes, upscaler, attention].into_iter().map(|n| n.0).collect()
}

const OPERATORS: [&str; 24] = [
    "Conv",
    "ConvTranspose",
    "Relu",
    "Add",
    "Concat",
    "Reshape",
    "Slice",
    "Gather",
    "MatMul",
    "Gemm",
    "Pad",
    "Resize",
    "Tile",
    "Expand",
    "ReduceSum",
    "Softmax",
    "Squeeze",
    "Split",
    "PRelu",
    "Flatten",
    "Shape",
    "ConstantOfShape",
    "Unknown",
    "",
];

fn change_attribute(random: &mut Random, attribute: &mut AttributeProto) {
    match random.below(6) {
        0 => attribute.i = Some(random.whole()),
        1 => attribute.f = Some(*random.pick(&[0.0, -1.0, 1e30, f32::NAN, f32::INFINITY, 1e-40])),
        2 => {
            attribute.s =
                Some(random.pick(&[b"reflect".as_slice(), b"SAME_UPPER", b"cubic", b"\xff", b""]).to_vec())
        }
        3 => {
            let v = random.whole();
            match random.one(&mut attribute.ints) {
                Some(slot) if v & 1 == 0 => *slot = v,
                _ => attribute.ints.push(v),
            }
        }
        4 => attribute.r#type = Some(random.below(9) as i32),
        _ => {
            attribute.name =
                Some((*random.pick(&["axis", "pads", "strides", "axes", "group", "perm", ""])).to_owned())
        }
    }
}

fn change_node(random: &mut Random, node: &mut NodeProto, names: &[String]) {
    match random.below(7) {
        0 => node.op_type = Some((*random.pick(&OPERATORS)).to_owned()),
        1 => {
            let name = random.pick(names).clone();
            if let Some(slot) = random.one(&mut node.input) {
                *slot = name;
            }
        }
        2 => node.input.push(random.pick(names).clone()),
        3 => drop(node.input.pop()),
        4 => {
            let i = random.below(node.attribute.len());
            if i < node.attribute.len() {
                node.attribute.remove(i);
            }
        }
        _ => {
            if node.attribute.is_empty() {
                node.attribute.push(int("axis", random.whole()));
            }
            if let Some(attribute) = random.one(&mut node.attribute) {
                let attribute: &mut AttributeProto = attribute;
                change_attribute(random, attribute);
            }
        }
    }
}

fn change_tensor(random: &mut Random, tensor: &mut TensorProto) {
    let v = random.whole();
    match random.below(7) {
        0 => tensor.dims.push(v),
        1 => drop(tensor.dims.pop()),
        2 | 3 => {
            if let Some(slot) = random.one(&mut tensor.int64_data) {
                *slot = v;
            } else if let Some(slot) = random.one(&mut tensor.dims) {
                *slot = v;
            }
        }
        4 => tensor.data_type = Some(random.below(18) as i32),
        5 => {
            if let Some(raw) = &mut tensor.raw_data {
                let keep = random.below(raw.len() + 1);
                raw.truncate(keep);
            }
            tensor.int64_data.pop();
        }
        _ => {
            let i = random.next();
            if let Some(raw) = &mut tensor.raw_data {
                let mut bytes = raw.to_vec();
                if let Some(byte) = random.one(&mut bytes) {
                    *byte = i as u8;
                }
                *raw = bytes.into();
            }
        }
    }
}

fn change(random: &mut Random, model: &mut ModelProto) {
    let opset = *random.pick(&[1, 7, 9, 10, 11, 12, 13, 18, 21, 28]);
    let Some(graph) = &mut model.graph else { return };
    let mut names: Vec<String> = graph.node.iter().flat_map(|n| n.output.clone()).collect();
    names.extend(graph.initializer.iter().filter_map(|t| t.name.clone()));
    names.extend(["x".to_owned(), String::new(), "nothing".to_owned()]);
    match random.below(12) {
        0..=4 => {
            if let Some(node) = random.one(&mut graph.node) {
                let node: &mut NodeProto = node;
                change_node(random, node, &names);
            }
        }
        5 | 6 => {
            if let Some(tensor) = random.one(&mut graph.initializer) {
                let tensor: &mut TensorProto = tensor;
                change_tensor(random, tensor);
            }
        }
        7 => {
            let (dim_value, dim_param) = match random.below(3) {
                0 => (None, Some((*random.pick(&["N", "H", "?", ""])).to_owned())),
                _ => (Some(random.whole()), None),
            };
            let shape =
                graph.input.first_mut().and_then(|i| i.r#type.as_mut()).and_then(|t| t.tensor_type.as_mut());
            if let Some(shape) = shape.and_then(|t| t.shape.as_mut())
                && let Some(slot) = random.one(&mut shape.dim)
            {
                *slot = Dimension { dim_value, dim_param };
            }
        }
        8 => {
            let (a, b) = (random.below(graph.node.len()), random.below(graph.node.len()));
            match random.below(3) {
                0 if !graph.node.is_empty() => drop(graph.node.remove(a)),
                1 if !graph.node.is_empty() => graph.node.push(graph.node[a].clone()),
                _ if !graph.node.is_empty() => graph.node.swap(a, b),
                _ => {}
            }
        }
        9 => {
            let i = random.below(graph.initializer.len());
            match random.below(2) {
                0 if i < graph.initializer.len() => drop(graph.initializer.remove(i)),
                _ if i < graph.initializer.len() => graph.initializer.push(graph.initializer[i].clone()),
                _ => {}
            }
        }
        10 => {
            let name = random.pick(&names).clone();
            if let Some(output) = random.one(&mut graph.output) {
                output.name = Some(name);
            }
        }
        _ => model.opset_import.iter_mut().for_each(|set| set.version = Some(opset)),
    }
}

/// A mutated file; most by their fields, some by their bytes.
fn mutated(random: &mut Random, seeds: &[ModelProto]) -> Vec<u8> {
    let mut model = random.pick(seeds).clone();
    if random.below(8) == 0 {
        let mut bytes = model.encode_to_vec();
        match random.below(2) {
            0 => bytes.truncate(random.below(bytes.len())),
            _ => {
                for _ in 0..=random.below(3) {
                    let v = random.next() as u8;
                    if let Some(byte) = random.one(&mut bytes) {
                        *byte = v;
                    }
                }
            }
        }
        return bytes;
    }
    for _ in 0..=random.below(3) {
        change(random, &mut model);
    }
    model.encode_to_vec()
}

#[test]
fn mutated_files_are_refused_or_imported() {
    let count = std::env::var("CONVC_MUTATIONS").ok().and_then(|v| v.parse().ok()).unwrap_or(1500usize);
    let seeds = seeds();
    let mut bindings = Bindings::default();
    for symbol in ["H", "W", "C", "D1", "D2", "N"] {
        bindings.sizes.insert(symbol.to_owned(), 8);
    }
    for seed in &seeds {
        let network = read(seed.encode_to_vec(), None).expect("the seeds are sound");
        lower(&network, &bindings).expect("the seeds can be imported");
    }
    let mut random = Random(20_240_607);
    let (mut reached, mut imported, mut longest) = (0, 0, Duration::ZERO);
    for i in 0..count {
        let bytes = mutated(&mut random, &seeds);
        let start = Instant::now();
        if let Ok(network) = read(bytes, None) {
            reached += 1;
            match lower(&network, &bindings) {
                Ok(draft) => {
                    imported += 1;
                    sound(&draft, i);
                    if let Err(why) = super::models::check_text(&draft) {
                        panic!("file {i}: the language does not take the draft: {why}");
                    }
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
        longest = longest.max(start.elapsed());
    }
    println!("{count} files: {reached} were lowered, {imported} imported, the longest took {longest:?}");
    assert!(reached * 10 >= count * 3, "only {reached} of {count} reached the building of the graph");
    assert!(imported * 20 >= count, "only {imported} of {count} were imported");
    assert!(longest < Duration::from_secs(10), "one file took {longest:?}");
}

/// The invariants of drafts.
fn sound(draft: &convc::onnx::draft::Draft, file: usize) {
    use convc::onnx::draft::Ref;
    for (i, line) in draft.lines.iter().enumerate() {
        assert!(!line.dims.contains(&0), "file {file}, line {i}: {:?}", line.dims);
        for value in line.refs() {
            let before = match value {
                Ref::Line(j) => (j as usize) < i,
                Ref::Input(j) => (j as usize) < draft.inputs.len(),
            };
            assert!(before, "file {file}, line {i} refers to {value:?}");
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        assert!(line.name.chars().all(plain), "file {file}, line {i}: {:?}", line.name);
    }
    for (name, value) in &draft.outputs {
        assert!(draft.dims(*value).is_some(), "file {file}, output {name}");
    }
}
