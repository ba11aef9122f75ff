//! `convc bench`.

use serde_json::Value;

use crate::harness::Sandbox;
use crate::make;

const NET: &str = "\
model net {
  input x [3, 20, 24]
  c1 = conv(kernel=3, pad=1, out=16)
  relu
  maxpool(kernel=2, stride=2)
  c2 = conv(kernel=1, out=8)
}
";

/// Multiply-adds of the two convolutions, twice.
const FLOPS: u64 = 2 * (16 * 480 * 9 * 3 + 8 * 120 * 16);

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_model(NET);
    let numbers: Vec<f32> = (0..2 * 3 * 480).map(|i| (i % 89) as f32 / 89.0 - 0.5).collect();
    sandbox.write("x.npy", make::npy(&[3, 20, 24], &numbers[..3 * 480]));
    sandbox.write("two.npy", make::npy(&[2, 3, 20, 24], &numbers));
    sandbox
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn number(object: &Value, key: &str) -> f64 {
    object[key].as_f64().unwrap_or_else(|| panic!("{key} is no number: {object}"))
}

/// What is called by those who compare runtimes.
#[test]
fn one_object_has_the_times_and_the_array_is_that_of_a_run() {
    let sandbox = sandbox();
    sandbox.expect(0, &["export", "m.conv", "-o", "m.onnx"]);
    for model in ["m.conv", "m.onnx"] {
        for input in ["x.npy", "two.npy"] {
            let asked =
                ["bench", model, input, "-o", "y.npy", "--threads", "1", "--repeat", "7", "--format", "json"];
            let times = json(&sandbox.expect(0, &asked).stdout);
            let [min, p10, median, p90] =
                ["min_ms", "p10_ms", "median_ms", "p90_ms"].map(|k| number(&times, k));
            assert!(0.0 < min && min <= p10 && p10 <= median && median <= p90, "{times}");
            assert!(
                ["load_ms", "compile_ms", "first_run_ms"].iter().all(|k| number(&times, k) > 0.0),
                "{times}"
            );
            assert_eq!((&times["ok"], &times["runs"]), (&true.into(), &7.into()));
            assert_eq!(times["version"], env!("CARGO_PKG_VERSION"));
            let samples = if input == "x.npy" { 1 } else { 2 };
            assert_eq!(times["flops"], samples * FLOPS);
            sandbox.expect(0, &["run", model, input, "-o", "ran.npy"]);
            assert_eq!(sandbox.read("y.npy"), sandbox.read("ran.npy"), "{model} {input}");
        }
    }
}

#[test]
fn layers_have_their_times_beside_the_machine() {
    let sandbox = sandbox();
    let asked =
        ["bench", "m.conv", "--layers", "--cold", "--repeat", "5", "--memory", "64M", "--format", "json"];
    let ran = sandbox.expect(0, &asked);
    assert!(
        ran.stderr.contains("no input is given") && ran.stderr.contains("random numbers"),
        "{}",
        ran.stderr
    );
    let document = json(&ran.stdout);
    let layers = document["layers"].as_array().unwrap();
    assert_eq!(layers.iter().map(|l| l["flops"].as_u64().unwrap()).sum::<u64>(), FLOPS);
    assert_eq!(layers.iter().map(|l| &l["bytes"]).filter(|b| b.as_u64() > Some(0)).count(), layers.len());
    let share: f64 = layers.iter().map(|l| number(l, "time_share")).sum();
    assert!((share - 1.0).abs() < 1e-6, "{share}");
    for layer in layers {
        let [min, p10, median, p90] = ["min_us", "p10_us", "median_us", "p90_us"].map(|k| number(layer, k));
        assert!(min <= p10 && p10 <= median && median <= p90, "{layer}");
        assert!(layer["reason"].as_str().is_some_and(|r| !r.is_empty()), "{layer}");
        assert!(number(layer, "copy_share") >= 0.0 && number(layer, "peak_share") >= 0.0, "{layer}");
    }
    let pool = layers.iter().find(|l| l["algorithm"] == "pool").expect("there is a pool");
    assert_eq!(pool["flops"], 0);
    assert!(number(&document["machine"], "fma_gflops") > 0.1, "{document}");
    assert!(document["machine"]["copies"].as_array().is_some_and(|c| c.len() >= 2), "{document}");
    assert!(number(&document["cold"], "median_ms") > 0.0, "{document}");
}

#[test]
fn the_table_says_the_same_in_lines_of_100() {
    let sandbox = sandbox();
    let text = sandbox.expect(0, &["bench", "m.conv", "x.npy", "--repeat", "5", "--memory", "64M"]).stdout;
    assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
    for fact in [
        "GFLOP/s",
        "3 input channels are read from planes",
        "whole: ",
        "of the FMA peak",
        "start: ",
        "copies on one thread, read and written: L1",
    ] {
        assert!(text.contains(fact), "no {fact} in\n{text}");
    }
    assert!(!text.contains("cold"), "{text}");
}

#[test]
fn what_cannot_be_measured_is_an_error() {
    let sandbox = sandbox();
    sandbox.write("bad.npy", make::npy(&[3, 20, 25], &[0.0; 1500]));
    sandbox.refuse(&["bench", "m.conv", "bad.npy"], &["[3, 20, 25]"]);
    sandbox.refuse(&["bench", "missing.onnx"], &["missing.onnx"]);
    sandbox.refuse(&["bench", "m.conv", "x.npy", "-o", "x.npy"], &["x.npy"]);
    sandbox.refuse(&["bench", "m.conv", "--memory", "4K"], &["--memory"]);
    for wrong in [&["--repeat", "0"][..], &["--repeat", "many"], &["--threads", "0"], &["-o", "y.txt"]] {
        sandbox.refuse_with(2, &[&["bench", "m.conv", "x.npy"][..], wrong].concat(), &[]);
    }
    let ran = sandbox.expect(1, &["bench", "missing.conv", "--format", "json"]);
    assert_eq!(json(&ran.stdout)["ok"], false);
}
