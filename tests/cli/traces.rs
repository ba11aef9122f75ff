//! Trainings that PyTorch did, from the same weights with the same samples in the same order, by the command line.

use std::path::Path;

use serde_json::Value;

use crate::harness::Sandbox;
use crate::make::read_npy;

fn from(path: &str) -> Vec<u8> {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read(&whole).unwrap_or_else(|e| panic!("{}: {e}", whole.display()))
}

/// The tensors of a safetensors file of f32, by their keys.
fn tensors(bytes: &[u8]) -> Vec<(String, Vec<f32>)> {
    let (length, rest) = bytes.split_first_chunk::<8>().expect("a length");
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let header: Value = serde_json::from_slice(header).expect("JSON");
    let entries = header.as_object().expect("an object").iter().filter(|(key, _)| *key != "__metadata__");
    let tensor = |(key, info): (&String, &Value)| {
        assert_eq!(info["dtype"], "F32", "{key}");
        let at = |i: usize| info["data_offsets"][i].as_u64().expect("an offset") as usize;
        let numbers =
            data[at(0)..at(1)].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        (key.clone(), numbers.collect())
    };
    entries.map(tensor).collect()
}

fn near(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= 1e-5 * (1.0 + e.abs()), "{what}: {f}, not {e}");
    }
}

/// Trains as asked, and is held to a trace's losses and its parameters after some steps.
fn follow(sandbox: &Sandbox, trace: &str, steps: &[u64], asked: &[&str]) {
    let save_at = steps.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let base = [
        "--init",
        "init.safetensors",
        "--batch-order",
        "order.npy",
        "--losses",
        "losses.npy",
        "--math",
        "strict",
    ];
    let saving = ["--save-at", &save_at, "-o", "w.safetensors"];
    sandbox.expect(0, &[&["train", "m.conv"], asked, &base[..], &saving[..]].concat());
    let (_, losses) = read_npy(&sandbox.read("losses.npy"));
    near("losses", &losses, &read_npy(&from(&format!("tests/data/train/{trace}/losses.npy"))).1);
    for step in steps {
        let found = tensors(&sandbox.read(&format!("w.step{step}.safetensors")));
        for (key, expected) in tensors(&from(&format!("tests/data/train/{trace}/after_{step}.safetensors"))) {
            let (_, found) = found.iter().find(|(k, _)| *k == key).unwrap_or_else(|| panic!("no `{key}`"));
            near(&format!("{key} after {step} steps"), found, &expected);
        }
    }
}

#[test]
fn digits_by_adam() {
    let sandbox = Sandbox::with_model(std::str::from_utf8(&from("examples/digits.conv")).expect("text"));
    sandbox.write("digits.npz", from("examples/digits8x8.npz"));
    sandbox.write("init.safetensors", from("tests/data/train/digits8x8_cnn/init.safetensors"));
    let (shape, order) = read_numbers(&from("tests/data/train/digits8x8_cnn/batch_indices.npy"));
    let order: Vec<f32> = order[..40 * shape[1]].to_vec();
    sandbox.write("order.npy", crate::make::npy(&[40, shape[1]], &order));
    let asked = ["--data", "digits.npz", "--loss", "cross_entropy", "--optimizer", "adam", "--lr", "0.001"];
    follow(&sandbox, "digits_adam", &[1, 10, 40], &asked);
}

/// MNIST's files, and batchnorm, whose running statistics are among what is compared.
#[test]
fn mnists_files_with_batchnorm() {
    let folder = "tests/data/train/mnist_batchnorm";
    let sandbox =
        Sandbox::with_model(std::str::from_utf8(&from(&format!("{folder}/net.conv"))).expect("text"));
    sandbox.folder("mnist");
    for part in ["train", "t10k"] {
        for what in ["images-idx3", "labels-idx1"] {
            let name = format!("{part}-{what}-ubyte");
            sandbox.write(&format!("mnist/{name}"), from(&format!("{folder}/{name}")));
        }
    }
    sandbox.write("init.safetensors", from(&format!("{folder}/init.safetensors")));
    sandbox.write("order.npy", from(&format!("{folder}/batch_order.npy")));
    let asked = ["--data", "mnist", "--loss", "cross_entropy", "--optimizer", "adam", "--lr", "0.003"];
    follow(&sandbox, "mnist_batchnorm", &[1, 10, 20], &asked);
}

/// The shape and the elements of a little-endian npy file of i4.
fn read_numbers(bytes: &[u8]) -> (Vec<usize>, Vec<f32>) {
    let length = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    let header = std::str::from_utf8(&bytes[10..10 + length]).expect("text");
    assert!(header.contains("'<i4'") && header.contains("False"), "{header}");
    let shape = header.split_once('(').expect("a shape").1.split_once(')').expect("its end").0;
    let shape = shape.split(',').map(|d| d.trim().parse().expect("a number")).collect();
    let numbers =
        bytes[10 + length..].chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32);
    (shape, numbers.collect())
}
