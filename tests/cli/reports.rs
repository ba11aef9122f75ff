//! `check`, `explain` and `emit`.

use serde_json::Value;

use crate::SAME;
use crate::harness::Sandbox;

const LENET: &str = "\
model lenet {
  input digit [1, 28, 28]
  conv1 = conv(kernel=5, pad=2, out=6)
  sigmoid
  avgpool(kernel=2, stride=2)
  conv2 = conv(kernel=5, out=16)
  sigmoid
  avgpool(kernel=2, stride=2)
  flatten
  fc1 = linear(out=120)
  sigmoid
  fc2 = linear(out=84)
  sigmoid
  fc3 = linear(out=10)
  softmax
}
";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn check_reports_every_error_and_warning() {
    let sandbox = Sandbox::with_model(
        "model m {\n  input x [1, 8, 8]\n  wobble\n  conv(kernel=3, out=0)\n  unused = x * 2\n  wibble(x)\n}\n",
    );
    let ran = sandbox.expect(1, &["check", "m.conv"]);
    assert!(["wobble", "out", "wibble"].iter().all(|t| ran.stdout.contains(t)), "{}", ran.stdout);
    let ran = sandbox.expect(1, &["check", "m.conv", "--format", "json"]);
    let document = json(&ran.stdout);
    assert_eq!(document["ok"], false);
    let found = document["files"][0]["diagnostics"].as_array().unwrap();
    let errors: Vec<_> = found.iter().filter(|d| d["severity"] == "error").collect();
    assert_eq!(errors.len(), 3, "{}", ran.stdout);
    assert_eq!((&errors[0]["line"], &errors[0]["column"]), (&3.into(), &3.into()));
    assert!(errors[0]["code"].as_str().unwrap().starts_with('E'));
    for key in ["message", "notes", "help", "related", "end_line", "end_column", "label"] {
        assert!(errors[0].get(key).is_some(), "{key}: {}", ran.stdout);
    }
}

#[test]
fn check_takes_many_files_and_needs_no_sizes() {
    let sandbox = Sandbox::with_model(SAME);
    sandbox.write("bad.conv", "model m { input x [1, 2, 2]\n wobble }\n");
    let ran = sandbox.expect(0, &["check", "m.conv"]);
    assert!(ran.stdout.contains("m.conv"), "{ran:#?}");
    let ran = sandbox.expect(1, &["check", "m.conv", "bad.conv", "missing.conv"]);
    let all = format!("{}{}", ran.stdout, ran.stderr);
    assert!(all.contains("wobble") && all.contains("missing.conv"), "{ran:#?}");
    // What depends on the size shows once it is given.
    sandbox.write("small.conv", "model m {\n  input x [1, H, W]\n  conv(kernel=7, out=1)\n}\n");
    sandbox.expect(0, &["check", "small.conv"]);
    sandbox.expect(0, &["check", "small.conv", "--size", "H=7,W=9"]);
    sandbox.expect(1, &["check", "small.conv", "--size", "H=6,W=9"]);
}

#[test]
fn explain_shows_shapes_formulas_costs_and_fields() {
    let sandbox = Sandbox::with_model(LENET);
    let ran = sandbox.expect(0, &["explain", "m.conv"]);
    let text = &ran.stdout;
    // 5·5·1·6 + 6 and 28·28·6·25; the second convolution sees 5 + 1 + 4·2 = 14.
    for fact in [
        "[6, 28, 28]",
        "156",
        "118 k",
        "floor((28 + 4 − 5)/1) + 1 = 28",
        "[16, 10, 10]",
        "2,416",
        "14×14",
        "[10]",
        "61,706",
    ] {
        assert!(text.contains(fact), "no {fact} in\n{text}");
    }
    // 784 · 4704 weights in place of the first convolution's 156.
    assert!(text.contains("3,687,936 weights, 23,641 times as many"), "{text}");
    // 784 · 10 weights of a fully connected layer.
    assert!(text.contains("7,840"), "{text}");
    assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
}

#[test]
fn explain_as_json_has_the_same_numbers() {
    let sandbox = Sandbox::with_model(LENET);
    let document = json(&sandbox.expect(0, &["explain", "m.conv", "--format", "json"]).stdout);
    let layers = document["layers"].as_array().unwrap();
    let layer = |name: &str| layers.iter().find(|l| l["name"] == name).unwrap();
    assert_eq!(layer("conv1")["shape"], serde_json::json!([6, 28, 28]));
    assert_eq!(layer("conv1")["parameters"], 156);
    assert_eq!(layer("conv1")["multiply_adds"], 28 * 28 * 6 * 25);
    assert_eq!(layer("conv2")["field"]["size"], serde_json::json!([14, 14]));
    assert_eq!(layer("conv2")["field"]["stride"], serde_json::json!([2, 2]));
    assert_eq!(layer("conv2")["field"]["start"], serde_json::json!([-2, -2]));
    assert_eq!(document["total"]["parameters"], 61_706);
    assert_eq!(document["fully_connected"]["weights"], 7840);
}

#[test]
fn explain_states_the_memory_that_a_run_takes() {
    let sandbox = Sandbox::with_model(LENET);
    let stated =
        json(&sandbox.expect(0, &["explain", "m.conv", "--format", "json"]).stdout)["memory"].clone();
    // 61,706 parameters; a digit and ten classes.
    assert_eq!(stated["weight_bytes"], 4 * 61_706);
    assert_eq!((&stated["input_bytes"], &stated["output_bytes"]), (&(4 * 784).into(), &40.into()));
    let parts = ["weight", "packed", "constant", "scratch", "input", "output"];
    let sum: u64 = parts.iter().map(|p| stated[format!("{p}_bytes")].as_u64().unwrap()).sum();
    assert_eq!(stated["total_bytes"], sum);
    let ran = json(&sandbox.expect(0, &["run", "m.conv", "--format", "json"]).stdout);
    assert_eq!(ran["memory_bytes"], sum);
    let text = sandbox.expect(0, &["explain", "m.conv"]).stdout;
    assert!(text.contains("memory of a run: ") && text.contains("packed weights"), "{text}");
}

#[test]
fn explain_counts_taps_and_only_trained_weights() {
    let sandbox = Sandbox::with_model(
        "model m {\n  input x [4, 8, 8]\n  filter(box(3))\n  c = conv(kernel=1, out=2, bias=false)\n  b = batchnorm\n}\n",
    );
    let document = json(&sandbox.expect(0, &["explain", "m.conv", "--format", "json"]).stdout);
    assert_eq!(document["layers"][0]["taps"], 9);
    assert_eq!(document["layers"][0]["multiply_adds"], 4 * 36 * 9);
    // 4·2 of the convolution, scale and shift of the batchnorm; its mean and variance are measured.
    assert_eq!(document["total"]["parameters"], 8 + 4);
}

#[test]
fn explain_notes_what_a_stride_skips_and_floor_drops() {
    let sandbox = Sandbox::with_model(
        "model m {\n  input x [1, 8, 8]\n  conv(kernel=1, stride=2, out=1)\n  conv(kernel=3, stride=2, out=1)\n}\n",
    );
    let ran = sandbox.expect(0, &["explain", "m.conv"]);
    assert!(ran.stdout.contains("skips") && ran.stdout.contains("drop"), "{}", ran.stdout);
}

#[test]
fn explain_asks_for_open_sizes_or_takes_defaults() {
    let sandbox = Sandbox::with_model(SAME);
    let ran = sandbox.run(&["explain", "m.conv"]);
    assert!(ran.code == Some(0) && ran.stderr.contains("--size"), "{ran:#?}");
    let ran = sandbox.expect(0, &["explain", "m.conv", "--size", "H=5,W=7"]);
    assert!(ran.stdout.contains("[1, 5, 7]"), "{}", ran.stdout);
}

#[test]
fn every_stage_is_printed() {
    let sandbox = Sandbox::with_model(
        "model m {\n  input x [2, 9, 9]\n  c = conv(kernel=3, pad=1, out=8)\n  relu\n}\n",
    );
    for stage in ["ast", "graph", "plan", "kernels", "clif", "asm"] {
        let one = sandbox.expect(0, &["emit", "--stage", stage, "m.conv", "--target", "x86_64-avx2"]);
        assert!(one.stdout.lines().count() > 3, "{stage}: {}", one.stdout);
        let again = sandbox.expect(0, &["emit", "--stage", stage, "m.conv", "--target", "x86_64-avx2"]);
        assert_eq!(one.stdout, again.stdout, "{stage}");
    }
    let asm = sandbox.expect(0, &["emit", "--stage", "asm", "m.conv", "--target", "x86_64-avx2"]).stdout;
    assert!(asm.contains("vfmadd231ps"), "{asm}");
}

/// Taps that a model's weights give are known in what runs, and in what is printed where that is asked for.
#[test]
fn emit_shows_what_runs_with_the_weights() {
    let sandbox =
        Sandbox::with_model("model m {\n  input x [1, 9, 9]\n  c = conv(kernel=3, pad=1, out=1)\n}\n");
    let plan =
        |more: &[&str]| sandbox.expect(0, &[&["emit", "m.conv", "--stage", "plan"], more].concat()).stdout;
    assert!(plan(&[]).contains("constants 0 bytes"), "{}", plan(&[]));
    let known = plan(&["--with-weights"]);
    assert!(!known.contains("constants 0 bytes"), "{known}");
}
