//! Weights that programs read where they lie in a file's bytes, wherever these begin.

use std::collections::BTreeSet;

use convc::code::Backend;
use convc::runtime::params::to_safetensors;
use convc::tensor::Raw;
use convc::{Math, Model, Options, Program, Tensor};

/// Layers of every way to pack weights: by taps and by Winograd's filtering, depthwise, pointwise, a first layer, a slope
/// for each channel, statistics, a linear layer.
const TEXT: &str = "model m {\n  input x [3, 20, 20]\n  a = conv(kernel=5, out=24, stride=2)\n  p = prelu(per_channel=true)\n  \
    b = conv(kernel=3, out=64)\n  n = batchnorm\n  relu\n  e = conv(kernel=3, out=64, groups=64)\n  c = conv(kernel=1, out=32)\n  \
    d = conv(kernel=3, out=64, stride=2)\n  flatten\n  f = linear(out=70)\n}\n";

fn photo() -> Tensor {
    let data = (0..3 * 20 * 20).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
    Tensor::new(&[3, 20, 20], data).expect("the lengths agree")
}

fn bits(program: &Program) -> Vec<u32> {
    let outputs = program.run(&[photo().view()]).expect("it runs");
    outputs[0].data().iter().map(|v| v.to_bits()).collect()
}

/// How many of a program's weights lie in a file, and how far beside whole words they begin.
fn in_file(program: &Program) -> (usize, BTreeSet<usize>) {
    let raw = program.params().tensors().iter().map(Tensor::raw);
    let starts: Vec<usize> = raw
        .filter_map(|raw| match raw {
            Raw::Bytes(bytes) => Some(bytes.as_ptr() as usize % 4),
            Raw::Numbers(_) => None,
        })
        .collect();
    (starts.len(), starts.into_iter().collect())
}

#[test]
fn results_do_not_depend_on_where_weights_lie() {
    let seeded = Model::from_str("m.conv", TEXT).expect("it parses");
    let program = seeded.compile(&Options::default()).expect("it compiles");
    let (graph, tensors) = (program.graph(), program.params().tensors());
    let network = convc::onnx::export::export(graph, tensors).expect("it has the operators");
    for backend in [Backend::X64, Backend::Cranelift] {
        for math in [Math::Default, Math::Strict] {
            let options = Options::default().backend(backend).math(math);
            let expected = bits(&seeded.compile(&options).expect("it compiles"));
            let mut starts = BTreeSet::new();
            for longer in 0..4 {
                // The field of the producer's name, which comes again later and counts for nothing here.
                let name = vec![b'x'; longer];
                let file = [&[0x12, longer as u8], name.as_slice(), &network].concat();
                let model = Model::from_onnx_bytes("m.onnx", file, None, &Default::default());
                let program = model.and_then(|m| m.compile(&options)).expect("it compiles");
                let (tensors, at) = in_file(&program);
                assert!(tensors >= 5, "{tensors} tensors lie in the file");
                starts.extend(at);
                assert!(bits(&program) == expected, "{backend:?}, {math:?}, {longer} bytes further");
            }
            assert_eq!(starts.len(), 4, "bytes that weights begin at, beside whole words");
        }
    }
}

#[test]
fn a_file_stays_only_where_it_is_weights() {
    let seeded = Model::from_str("m.conv", TEXT).expect("it parses");
    let program = seeded.compile(&Options::default()).expect("it compiles");
    let expected = bits(&program);
    let (graph, tensors) = (program.graph(), program.params().tensors());
    let mut table: convc::runtime::params::Table =
        graph.params.iter().zip(tensors).map(|(p, t)| (p.key.clone(), t.clone().into())).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("w.safetensors");
    let compiled = |table: &convc::runtime::params::Table| {
        std::fs::write(&path, to_safetensors(table).expect("it can be written")).expect("it is written");
        let options = Options::default().weights_file(path.clone());
        let program = seeded.compile(&options).expect("it compiles");
        assert!(bits(&program) == expected);
        in_file(&program).0
    };
    assert_eq!(compiled(&table), tensors.len());
    // A checkpoint may hold several times what the program needs.
    let elements: usize = tensors.iter().map(Tensor::len).sum();
    table.insert("moments".to_owned(), Tensor::zeros(&[elements]).expect("there is memory").into());
    assert_eq!(compiled(&table), 0);
}
