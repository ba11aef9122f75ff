//! Blocks found again in random drafts: a text with blocks computes what the flat text computes, with the
//! same tensors in the same places.

use std::sync::Arc;

use convc::onnx::draft::{Axis, Draft, Input, Line, Operand, Ref, Setting, What};
use convc::onnx::import::Import;
use convc::onnx::write::{WriteOptions, write};
use convc::{Model, Options, Tensor};
use proptest::prelude::*;

/// Channels of every value: so any layer fits anywhere.
const CHANNELS: u64 = 4;
const DIMS: [u64; 3] = [CHANNELS, 6, 6];

#[derive(Default)]
struct Maker {
    lines: Vec<Line>,
    tensors: u32,
}

impl Maker {
    fn tensor(&mut self, shape: &[usize]) -> Arc<Tensor> {
        self.tensors += 1;
        let len = shape.iter().product();
        // Each tensor is unlike all others.
        let data = (0..len).map(|i| self.tensors as f32 + i as f32 / 4096.0).collect();
        Arc::new(Tensor::new(shape, data).expect("the lengths agree"))
    }

    fn push(&mut self, name: String, what: What, weights: Vec<(&'static str, Arc<Tensor>)>) -> Ref {
        self.lines.push(Line { name, what, dims: DIMS.to_vec(), weights });
        Ref::Line(self.lines.len() as u32 - 1)
    }

    fn layer(&mut self, x: Ref, layer: &'static str) -> Ref {
        self.push(String::new(), What::Layer { x, layer, settings: Vec::new() }, Vec::new())
    }

    fn conv(&mut self, x: Ref, name: String, k: i64, groups: i64) -> Ref {
        let mut settings = vec![("kernel", Setting::Whole(k)), ("out", Setting::Whole(CHANNELS as i64))];
        if k > 1 {
            settings.push(("pad", Setting::Whole(k / 2)));
        }
        if groups > 1 {
            settings.push(("groups", Setting::Whole(groups)));
        }
        let per_group = (CHANNELS as i64 / groups) as usize;
        let weight = self.tensor(&[CHANNELS as usize, per_group, k as usize, k as usize]);
        let bias = self.tensor(&[CHANNELS as usize]);
        let what = What::Layer { x, layer: "conv", settings };
        self.push(name, what, vec![("weight", weight), ("bias", bias)])
    }

    /// One step after `x` in a stretch that began with `input`; `seen` is a value in between.
    fn step(&mut self, code: u8, x: Ref, input: Ref, seen: Ref, module: &str, number: usize) -> Ref {
        let name = if module.is_empty() { String::new() } else { format!("{module}.c{number}") };
        let both = |a, b| (Operand::Value(a), Operand::Value(b));
        match code % 10 {
            0 | 1 => self.conv(x, name, 3, 1),
            2 => self.conv(x, name, 1, 1),
            3 => self.conv(x, name, 3, CHANNELS as i64),
            4 => self.layer(x, "relu"),
            5 => self.layer(x, "sigmoid"),
            6 => {
                let (a, b) = both(x, input);
                self.push(String::new(), What::Operator('+', a, b), Vec::new())
            }
            7 => {
                let (a, b) = both(seen, x);
                self.push(String::new(), What::Operator('*', a, b), Vec::new())
            }
            8 => {
                let half = Operand::Number(0.5);
                self.push(String::new(), What::Operator('-', Operand::Value(x), half), Vec::new())
            }
            _ => {
                let (a, b) = both(x, seen);
                let what = What::Function { function: "max", operands: vec![a, b], settings: Vec::new() };
                self.push(String::new(), what, Vec::new())
            }
        }
    }

    fn stretch(&mut self, codes: &[u8], input: Ref, module: &str) -> Ref {
        let (mut x, mut seen) = (input, input);
        for (number, code) in codes.iter().enumerate() {
            let next = self.step(*code, x, input, seen, module, number);
            (seen, x) = (x, next);
        }
        x
    }
}

/// Patterns, and which of them follow one another; `named`: with names as modules give them.
fn draft(patterns: &[Vec<u8>], order: &[usize], named: bool) -> Draft {
    let mut maker = Maker::default();
    let mut x = Ref::Input(0);
    for (i, &pattern) in order.iter().enumerate() {
        let module = if named { format!("layer{}.{i}", pattern % 3) } else { String::new() };
        x = maker.stretch(&patterns[pattern % patterns.len()], x, &module);
    }
    let axes = DIMS.map(Axis::Fixed).to_vec();
    Draft {
        name: "random".to_owned(),
        inputs: vec![Input { name: "x".to_owned(), batched: true, axes }],
        lines: maker.lines,
        outputs: vec![("y".to_owned(), x)],
    }
}

/// The graph without names, and the tensors in the order of its parameters; lines that nothing reads give warnings.
fn meaning(draft: &Draft, blocks: bool) -> (String, Vec<Tensor>, String) {
    let written = write(draft, &WriteOptions { blocks, ..WriteOptions::default() });
    let text = written.text.clone();
    let import = Import { text: written.text, weights: written.weights, inputs: Vec::new(), layers: 0 };
    let model = Model::from_import("random.conv", import).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let (mut graph, _) = model.graph(&Options::default()).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let weights = model.weights(&graph, &Options::default()).unwrap_or_else(|e| panic!("{e}\n{text}"));
    for (i, node) in graph.nodes.iter_mut().enumerate() {
        node.name = format!("n{i}");
    }
    for (i, param) in graph.params.iter_mut().enumerate() {
        param.key = format!("p{i}");
    }
    graph.outputs[0].name = "y".to_owned();
    (convc::graph::print::print(&graph), weights.params.tensors().to_vec(), text)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn texts_with_blocks_mean_what_flat_texts_mean(
        patterns in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..7), 1..4),
        order in prop::collection::vec(0usize..4, 1..9),
        named: bool,
    ) {
        let draft = draft(&patterns, &order, named);
        let (flat, flat_weights, _) = meaning(&draft, false);
        let (short, weights, text) = meaning(&draft, true);
        prop_assert_eq!(flat, short, "{}", text);
        prop_assert!(flat_weights == weights, "{}", text);
        if named {
            for line in draft.lines.iter().filter(|l| !l.weights.is_empty()) {
                let written = write(&draft, &WriteOptions { blocks: true, ..WriteOptions::default() });
                prop_assert!(written.weights.contains_key(&format!("{}.weight", line.name)), "{}\n{}", line.name, text);
            }
        }
    }
}

#[test]
fn a_stretch_that_repeats_becomes_a_block() {
    let draft = draft(&[vec![0, 4, 0, 6, 4]], &[0; 6], true);
    let (_, _, text) = meaning(&draft, true);
    assert!(text.contains("block ") && text.contains("repeat 6 as i"), "{text}");
}
