use std::collections::HashMap;

use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView};

use super::*;
use crate::diag::{Code, Diagnostic};
use crate::graph::{FileRef, Param, ParamRole};
use crate::source::Span;

fn param(key: &str, dims: &[u64], role: ParamRole) -> Param {
    let span = Span::new(10, 20);
    Param { key: key.into(), aliases: Vec::new(), dims: dims.to_vec(), role, span }
}

fn graph(params: Vec<Param>) -> Graph {
    Graph {
        name: "test".into(),
        nodes: Vec::new(),
        inputs: Vec::new(),
        consts: Vec::new(),
        params,
        outputs: Vec::new(),
        weights: Some(FileRef { path: "w.safetensors".into(), span: Span::new(1, 2) }),
        labels: None,
    }
}

/// A graph with a weight `c.weight` `[2, 2]` and a slope `a.weight` `[3]`, alias `a.slope`.
fn two() -> Graph {
    let mut slope = param("a.weight", &[3], ParamRole::Slope);
    slope.aliases = vec!["a.slope".into()];
    graph(vec![param("c.weight", &[2, 2], ParamRole::Weight { fan_in: 2 }), slope])
}

fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn file(tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) -> Vec<u8> {
    let views: HashMap<String, TensorView<'_>> = tensors
        .iter()
        .map(|(k, t, s, d)| ((*k).to_owned(), TensorView::new(*t, s.to_vec(), d).unwrap()))
        .collect();
    safetensors::serialize(&views, None).unwrap()
}

/// A file with any header in front of any data.
fn raw(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn good() -> Vec<u8> {
    file(&[
        ("c.weight", Dtype::F32, &[2, 2], f32_bytes(&[1.0, 2.0, 3.0, 4.0])),
        ("a.weight", Dtype::F32, &[3], f32_bytes(&[0.1, 0.2, 0.3])),
    ])
}

fn errors(bytes: &[u8]) -> Vec<Diagnostic> {
    Params::from_safetensors(bytes.to_vec(), &two(), false).unwrap_err()
}

#[test]
fn tensors_come_in_the_order_of_the_graph() {
    let (params, warnings) = Params::from_safetensors(good(), &two(), true).unwrap();
    assert_eq!(params.tensors()[0], Tensor::new(&[2, 2], vec![1.0, 2.0, 3.0, 4.0]).unwrap());
    assert_eq!(params.tensors()[1], Tensor::new(&[3], vec![0.1, 0.2, 0.3]).unwrap());
    assert_eq!(warnings, []);
    assert_eq!(Params::size_bytes(&two()), 28);
}

#[test]
fn half_precision_is_widened_exactly() {
    // 1.5, −2, 2⁻²⁴ (subnormal), ∞ in f16; 1.5, −2, 2⁻¹⁰⁰, NaN in bf16
    let halves = [0x3e00u16, 0xc000, 0x0001, 0x7c00].iter().flat_map(|b| b.to_le_bytes()).collect();
    let brains = [0x3fc0u16, 0xc000, 0x0d80].iter().flat_map(|b| b.to_le_bytes()).collect();
    let bytes = file(&[("c.weight", Dtype::F16, &[2, 2], halves), ("a.weight", Dtype::BF16, &[3], brains)]);
    let (params, _) = Params::from_safetensors(bytes, &two(), true).unwrap();
    assert_eq!(params.tensors()[0].data(), [1.5, -2.0, 2f32.powi(-24), f32::INFINITY]);
    assert_eq!(params.tensors()[1].data(), [1.5, -2.0, 2f32.powi(-100)]);
}

#[test]
fn an_alias_and_a_single_slope_are_taken() {
    let bytes = file(&[
        ("c.weight", Dtype::F32, &[2, 2], f32_bytes(&[0.0; 4])),
        ("a.slope", Dtype::F32, &[1], f32_bytes(&[0.5])),
    ]);
    let (params, warnings) = Params::from_safetensors(bytes, &two(), true).unwrap();
    assert_eq!(params.tensors()[1].data(), [0.5; 3]);
    assert_eq!(warnings, []);
}

#[test]
fn all_that_is_wrong_is_reported_at_its_layer() {
    let bytes = file(&[
        ("c.weight", Dtype::F32, &[2, 3], f32_bytes(&[0.0; 6])),
        ("b.weight", Dtype::F32, &[3], f32_bytes(&[0.0; 3])),
        ("a.bias", Dtype::F32, &[4], f32_bytes(&[0.0; 4])),
    ]);
    let found = errors(&bytes);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert_eq!(found[0].code, Code::TensorShape);
    assert_eq!(found[0].message, "`c.weight` has the shape [2, 3], but its layer wants [2, 2]");
    assert_eq!(found[0].primary.as_ref().unwrap().span, Span::new(10, 20));
    assert_eq!(found[1].code, Code::MissingTensor);
    assert_eq!(found[1].message, "the weight file has no tensor `a.weight`");
    assert_eq!(found[1].notes, ["unused tensors of shape [3]: `b.weight`"]);
    assert_eq!(found[1].help, ["did you mean `b.weight`?"]);
    assert_eq!(found[2].code, Code::ExtraTensor);
    assert!(!found[2].is_error());
}

#[test]
fn a_transposed_tensor_is_recognised() {
    let graph = graph(vec![param("w", &[2, 3], ParamRole::Weight { fan_in: 3 })]);
    let bytes = file(&[("w", Dtype::F32, &[3, 2], f32_bytes(&[0.0; 6]))]);
    let found = Params::from_safetensors(bytes, &graph, false).unwrap_err();
    assert_eq!(found[0].help, ["its axes stand in the reverse order; store it transposed"]);
}

#[test]
fn other_numbers_are_refused() {
    let bytes =
        file(&[("c.weight", Dtype::F64, &[2, 2], vec![0; 32]), ("a.weight", Dtype::F32, &[3], vec![0; 12])]);
    let found = errors(&bytes);
    assert_eq!(found[0].code, Code::TensorType);
    assert_eq!(found[0].message, "`c.weight` holds numbers of type F64; f32, f16 and bf16 can be read");
}

#[test]
fn extra_tensors_are_a_warning_or_an_error() {
    let mut tensors = vec![
        ("c.weight", Dtype::F32, &[2, 2][..], vec![0; 16]),
        ("a.weight", Dtype::F32, &[3][..], vec![0; 12]),
        ("bn.num_batches_tracked", Dtype::I64, &[][..], vec![0; 8]),
    ];
    let (_, warnings) = Params::from_safetensors(file(&tensors), &two(), true).unwrap();
    assert_eq!(warnings, []);
    tensors.push(("x\n", Dtype::I64, &[1][..], vec![0; 8]));
    let (_, warnings) = Params::from_safetensors(file(&tensors), &two(), false).unwrap();
    assert_eq!(warnings[0].message, "the weight file has a tensor that the model does not use: `x\\n`");
    let found = Params::from_safetensors(file(&tensors), &two(), true).unwrap_err();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].primary.as_ref().unwrap().span, Span::new(1, 2));
}

#[test]
fn damaged_files_say_what_is_wrong() {
    let note = |bytes: &[u8]| {
        let found = errors(bytes);
        assert_eq!((found.len(), found[0].code), (1, Code::WeightFile));
        found[0].notes[0].clone()
    };
    let entry = |shape: &str, from: usize, to: usize| {
        format!(r#""dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]"#)
    };
    assert_eq!(note(b"abc"), "it has 3 bytes, a safetensors file at least 8");
    assert_eq!(note(&raw(&"x".repeat(9), b"")[..12]), "its header claims 9 bytes, but only 4 follow");
    assert!(note(&raw("{]", b"")).starts_with("its header is not a directory of tensors"));
    assert_eq!(note(&raw("\u{e9}", b"")[..9]), "its header claims 2 bytes, but only 1 follow");
    let good = good();
    assert!(note(&good[..good.len() - 1]).contains("do not end where the file ends"));
    assert!(note(&[&good[..], b"x"].concat()).contains("do not end where the file ends"));
    let overlap = format!("{{\"a\":{{{}}},\"b\":{{{}}}}}", entry("[2]", 0, 8), entry("[2]", 4, 12));
    assert!(note(&raw(&overlap, &[0; 12])).contains("overlap"), "{}", note(&raw(&overlap, &[0; 12])));
    let gap = format!("{{\"a\":{{{}}}}}", entry("[2]", 4, 12));
    assert!(note(&raw(&gap, &[0; 12])).contains("a gap"));
    let lie = format!("{{\"a\":{{{}}}}}", entry("[3]", 0, 8));
    assert_eq!(note(&raw(&lie, &[0; 8])), "a tensor's shape does not fit its number of bytes");
    let huge = format!("{{\"a\":{{{}}}}}", entry("[4294967296,4294967296,4]", 0, 8));
    assert_eq!(note(&raw(&huge, &[0; 8])), "a tensor's size overflows");
    let nested = format!("{{\"a\":{}", "[".repeat(100_000));
    assert!(note(&raw(&nested, &[])).starts_with("its header is not a directory"));
}

#[test]
fn a_header_beyond_the_limit_is_not_parsed() {
    let length = limits_header() + 1;
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.resize(8 + length as usize, b' ');
    assert!(errors(&bytes)[0].notes[0].contains("more than the limit"));
}

fn limits_header() -> u64 {
    crate::limits::WEIGHT_HEADER_BYTES
}

#[test]
fn seeded_values_are_as_pytorch_draws_them() {
    let graph = graph(vec![
        param("w", &[100, 64], ParamRole::Weight { fan_in: 64 }),
        param("b", &[100], ParamRole::Bias { fan_in: 64 }),
        param("bn.weight", &[2], ParamRole::Scale),
        param("bn.bias", &[2], ParamRole::Shift),
        param("bn.running_mean", &[2], ParamRole::Mean),
        param("bn.running_var", &[2], ParamRole::Variance),
        param("a", &[2], ParamRole::Slope),
    ]);
    let params = Params::seeded(&graph, 7).unwrap();
    let data = |i: usize| params.tensors()[i].data();
    let bound = 0.125;
    assert!(data(0).iter().chain(data(1)).all(|v| v.abs() <= bound));
    let mean = data(0).iter().sum::<f32>() / 6400.0;
    let variance = data(0).iter().map(|v| v * v).sum::<f32>() / 6400.0;
    assert!(mean.abs() < 0.005, "{mean}");
    assert!((variance - bound * bound / 3.0).abs() < 2e-4, "{variance}");
    assert_ne!(data(0)[..100], *data(1));
    let constants: Vec<f32> = (2..7).map(|i| data(i)[1]).collect();
    assert_eq!(constants, [1.0, 0.0, 0.0, 1.0, 0.25]);
    assert_eq!(Params::seeded(&graph, 7).unwrap(), params);
    assert_ne!(Params::seeded(&graph, 8).unwrap(), params);
}

#[test]
fn seeded_values_do_not_change_between_versions() {
    let graph = graph(vec![param("conv1.weight", &[3], ParamRole::Weight { fan_in: 9 })]);
    let params = Params::seeded(&graph, 0).unwrap();
    let bits: Vec<u32> = params.tensors()[0].data().iter().map(|v| v.to_bits()).collect();
    // By a transcription of the generator in Python.
    assert_eq!(bits, [1_041_826_982, 3_178_404_043, 3_177_667_190]);
}

proptest! {
    #[test]
    fn changed_bytes_never_panic(at in 0usize..300, byte: u8, cut in 0usize..300) {
        let mut bytes = good();
        let len = bytes.len();
        bytes[at % len] = byte;
        let _ = Params::from_safetensors(bytes.clone(), &two(), false);
        let _ = Params::from_safetensors(bytes[..cut % len].to_vec(), &two(), false);
    }

    #[test]
    fn any_header_never_panics(header in "[\\[\\]{}:,\"0-9a-zA-Z_]{0,80}", data: Vec<u8>) {
        let _ = Params::from_safetensors(raw(&header, &data), &two(), true);
    }
}
