//! There and back: a model as ONNX file as text gives the same numbers, and the text is a graph like the flat one.

use convc::graph::print::print;
use convc::onnx::export::export;
use convc::onnx::import::{Settings, import};
use convc::onnx::{Bindings, Import, read};
use convc::{Model, Options, Tensor};

use crate::fenced::{self, ENDS};

/// The models that go there and back, with their open sizes.
const MODELS: &[(&str, &[(&str, u64)])] = &[
    ("examples/lenet.conv", &[]),
    ("examples/resnet18.conv", &[]),
    ("examples/mobilenet_v1.conv", &[]),
    ("examples/squeezenet.conv", &[]),
    ("examples/unet.conv", &[("H", 32), ("W", 48)]),
    ("examples/find_faces.conv", &[("H", 40), ("W", 50)]),
    ("tests/onnxruntime/layers.conv", &[("H", 12), ("W", 14)]),
    ("tests/data/nets/text_direction.conv", &[]),
];

fn options(sizes: &[(&str, u64)]) -> Options {
    sizes.iter().fold(Options::default(), |options, (name, n)| options.size(*name, *n))
}

fn exported(path: &str, sizes: &[(&str, u64)]) -> (convc::Program, Vec<u8>) {
    let model = Model::from_path(path).unwrap_or_else(|e| panic!("{e}"));
    let program = model.compile(&options(sizes).placement(ENDS[0])).unwrap_or_else(|e| panic!("{path}: {e}"));
    let bytes = export(program.graph(), program.params().tensors()).unwrap_or_else(|e| panic!("{path}: {e}"));
    (program, bytes)
}

fn imported(path: &str, bytes: &[u8], flat: bool) -> Import {
    let network = read(bytes.to_vec(), None).unwrap_or_else(|e| panic!("{path}: {e}"));
    let settings = Settings { flat, ..Settings::default() };
    import(&network, &Bindings::default(), &settings).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The graph of a text without the names of its values and weights.
fn nameless(path: &str, import: Import) -> String {
    let model = Model::from_import(path, import).unwrap_or_else(|e| panic!("{path}: {e}"));
    let (graph, warnings) = model.graph(&Options::default()).unwrap_or_else(|e| panic!("{path}: {e}"));
    assert_eq!(warnings, [], "{path}");
    let mut graph = graph;
    for (i, node) in graph.nodes.iter_mut().enumerate() {
        node.name = format!("n{i}");
    }
    for (i, param) in graph.params.iter_mut().enumerate() {
        param.key = format!("p{i}");
    }
    print(&graph)
}

#[test]
fn a_model_there_and_back_gives_the_same_numbers() {
    for (path, sizes) in MODELS {
        let (program, bytes) = exported(path, sizes);
        let back = imported(path, &bytes, false);
        let model =
            Model::from_import(path, back.clone()).unwrap_or_else(|e| panic!("{path}: {e}\n{}", back.text));
        let again = model
            .compile(&Options::default().placement(ENDS[1]))
            .unwrap_or_else(|e| panic!("{path}: {e}\n{}", back.text));
        assert_eq!(again.warnings(), [], "{path}\n{}", back.text);
        let inputs: Vec<Tensor> = program
            .inputs()
            .iter()
            .map(|port| {
                let len: usize = port.dims.iter().product();
                let numbers = (0..len).map(|i| ((i * 7919 + 13) % 1009) as f32 / 1009.0).collect();
                Tensor::new(&port.dims, numbers).expect("the lengths agree")
            })
            .collect();
        let views: Vec<_> = inputs.iter().map(Tensor::view).collect();
        let (before, after) = (fenced::run(&program, ENDS[0], &views), fenced::run(&again, ENDS[1], &views));
        assert_eq!(before.len(), after.len(), "{path}");
        for ((x, y), port) in before.iter().zip(&after).zip(program.outputs()) {
            assert_eq!(x.shape(), y.shape(), "{path}: {}", port.name);
            let difference = convc::model::Difference::of(y.view(), x.view()).expect("the shapes agree");
            assert!(difference.within(1e-5), "{path}: `{}`: {difference:?}", port.name);
        }
    }
}

#[test]
fn blocks_and_repeats_leave_the_graph_as_it_is() {
    for (path, sizes) in MODELS {
        let (_, bytes) = exported(path, sizes);
        let flat = nameless(path, imported(path, &bytes, true));
        let short = nameless(path, imported(path, &bytes, false));
        assert_eq!(flat, short, "{path}");
    }
}

#[test]
fn the_text_is_formatted_and_short() {
    for (path, lines, layers) in [("examples/resnet18.conv", 60, 60), ("examples/mobilenet_v1.conv", 40, 80)]
    {
        let (_, bytes) = exported(path, &[]);
        let import = imported(path, &bytes, false);
        let formatted = convc::syntax::format(&convc::source::Source::new("m.conv", import.text.as_str()));
        assert_eq!(formatted.expect("it parses"), import.text, "{path}");
        assert!(import.text.lines().count() <= lines && import.layers >= layers, "{path}:\n{}", import.text);
    }
}

#[test]
fn modules_keep_the_names_of_their_weights() {
    let (program, bytes) = exported("examples/resnet18.conv", &[]);
    let import = imported("resnet18", &bytes, false);
    for param in &program.graph().params {
        assert!(import.weights.contains_key(&param.key), "{}:\n{}", param.key, import.text);
    }
}

#[test]
fn a_second_name_of_a_value_holds_at_every_size() {
    use convc::onnx::draft::{Axis, Draft, Input, Line, Ref, What};
    use convc::onnx::write::{WriteOptions, write};

    let axes = vec![Axis::Fixed(3), Axis::Open("H".to_owned(), 8), Axis::Open("W".to_owned(), 8)];
    let relu = What::Layer { x: Ref::Input(0), layer: "relu", settings: Vec::new() };
    let draft = Draft {
        name: "names".to_owned(),
        inputs: vec![Input { name: "x".to_owned(), batched: true, axes }],
        lines: vec![Line { name: String::new(), what: relu, dims: vec![3, 8, 8], weights: Vec::new() }],
        outputs: ["y", "z"]
            .map(|name| (name.to_owned(), Ref::Line(0)))
            .into_iter()
            .chain([("same".to_owned(), Ref::Input(0))])
            .collect(),
    };
    let text = write(&draft, &WriteOptions { blocks: true, ..WriteOptions::default() }).text;
    let model = Model::from_str("names.conv", &text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    for (h, w) in [(8, 8), (5, 7)] {
        let x = Tensor::new(&[3, h, w], (0..3 * h * w).map(|i| i as f32 - 40.0).collect()).expect("it fits");
        let (_, found) = fenced::run_model(&model, &Options::default().input([3, h, w]), &[x.view()]);
        let relu: Vec<f32> = x.data().iter().map(|v| v.max(0.0)).collect();
        assert_eq!(
            [found[0].data(), found[1].data(), found[2].data()],
            [&relu[..], &relu, x.data()],
            "{text}"
        );
    }
}

#[test]
fn modules_called_like_layers_keep_their_names() {
    let text = "model m {\n  input x [3, 8, 8]\n  a.conv = conv(kernel=1, out=4)\n  conv = conv(kernel=3, out=4)\n  \
                b.conv = conv(kernel=1, out=4)\n  relu\n  flatten\n  linear = linear(out=3)\n}\n";
    let model = Model::from_str("m.conv", text).unwrap_or_else(|e| panic!("{e}"));
    let program = model.compile(&Options::default()).unwrap_or_else(|e| panic!("{e}"));
    let bytes = export(program.graph(), program.params().tensors()).unwrap_or_else(|e| panic!("{e}"));
    let import = imported("m", &bytes, false);
    let keys: Vec<&String> = import.weights.keys().collect();
    let mut expected: Vec<&String> = program.graph().params.iter().map(|p| &p.key).collect();
    expected.sort();
    assert_eq!(keys, expected, "{}", import.text);
    Model::from_import("m", import).unwrap_or_else(|e| panic!("{e}"));
}
