//! `import`, `export`, `compare`, and ONNX files as models.

use crate::harness::Sandbox;
use crate::make;

const NET: &str = "\
model net {
  input photo [1, H, W]
  weights \"net.safetensors\"
  c1 = conv(kernel=3, pad=1, out=4)
  relu
  c2 = conv(kernel=1, out=2)
}
";

/// A sandbox with `m.onnx`, which a model with seeded weights was exported to.
fn exported() -> Sandbox {
    let sandbox = Sandbox::with_model(&NET.replace("  weights \"net.safetensors\"\n", ""));
    let ran = sandbox.expect(0, &["export", "m.conv", "-o", "m.onnx", "--size", "H=6,W=5"]);
    assert!(ran.stdout.contains("m.onnx") && ran.stdout.contains("opset"), "{}", ran.stdout);
    sandbox.write("x.npy", make::npy(&[1, 6, 5], &(0..30).map(|i| i as f32 / 7.0).collect::<Vec<_>>()));
    sandbox
}

#[test]
fn a_model_goes_out_and_comes_back() {
    let sandbox = exported();
    let ran = sandbox.expect(0, &["import", "m.onnx", "-o", "back.conv"]);
    assert!(ran.stdout.contains("back.conv") && ran.stdout.contains("back.safetensors"), "{}", ran.stdout);
    let text = String::from_utf8(sandbox.read("back.conv")).unwrap();
    assert!(text.contains("weights \"back.safetensors\"") && text.contains("c1 = conv(kernel=3"), "{text}");
    sandbox.expect(0, &["check", "back.conv"]);
    // The text, the file itself and the model that it was made of give the same numbers.
    sandbox.expect(0, &["run", "back.conv", "x.npy", "-o", "text.npy"]);
    sandbox.expect(0, &["run", "m.onnx", "x.npy", "-o", "file.npy"]);
    sandbox.expect(0, &["run", "m.conv", "x.npy", "-o", "model.npy"]);
    assert_eq!(sandbox.read("text.npy"), sandbox.read("model.npy"));
    assert_eq!(sandbox.read("file.npy"), sandbox.read("model.npy"));
}

#[test]
fn every_command_takes_a_network() {
    let sandbox = exported();
    for command in [&["check", "m.onnx"][..], &["explain", "m.onnx"], &["emit", "--stage", "graph", "m.onnx"]]
    {
        let ran = sandbox.expect(0, command);
        assert!(!ran.stdout.is_empty(), "{command:?}");
    }
}

#[test]
fn an_import_does_not_write_over_files_unasked() {
    let sandbox = exported();
    let before = sandbox.read("m.conv");
    let ran = sandbox.expect(1, &["import", "m.onnx"]);
    assert!(ran.stderr.contains("--force"), "{}", ran.stderr);
    assert_eq!(sandbox.read("m.conv"), before);
    assert!(!sandbox.files().contains(&"m.safetensors".to_owned()));
    sandbox.expect(0, &["import", "m.onnx", "--force"]);
    assert_ne!(sandbox.read("m.conv"), before);
}

#[test]
fn a_comparison_agrees_and_names_the_layer_that_does_not() {
    let sandbox = exported();
    let ran = sandbox.expect(0, &["compare", "m.conv", "x.npy"]);
    assert!(ran.stdout.contains("agree"), "{}", ran.stdout);
    sandbox.expect(0, &["run", "m.conv", "x.npy", "-o", "y.npy"]);
    let ran = sandbox.expect(0, &["compare", "m.onnx", "x.npy", "--expect", "y.npy"]);
    assert_eq!(ran.stdout.matches("agree").count(), 2, "{}", ran.stdout);
    // One number of 60 is wrong.
    let mut wrong = sandbox.read("y.npy");
    let at = wrong.len() - 4 * 7;
    wrong[at..at + 4].copy_from_slice(&1e6f32.to_le_bytes());
    sandbox.write("wrong.npy", wrong);
    let ran = sandbox.expect(1, &["compare", "m.conv", "x.npy", "--expect", "c2=wrong.npy"]);
    assert!(
        ran.stdout.contains("differ first at `c2`") && ran.stdout.contains("[0, 1, 4, 3]"),
        "{}",
        ran.stdout
    );
    let ran = sandbox.expect(2, &["compare", "m.conv", "x.npy", "--expect", "c3=wrong.npy"]);
    assert!(ran.stderr.contains("did you mean"), "{}", ran.stderr);
    let json = sandbox.expect(0, &["compare", "m.conv", "x.npy", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["ok"], true);
    assert!(json["layers"].as_array().is_some_and(|l| l.len() >= 2), "{json}");
}

#[test]
fn what_is_no_network_is_refused() {
    let sandbox = exported();
    let sound = sandbox.read("m.onnx");
    sandbox.write("cut.onnx", &sound[..sound.len() / 2]);
    sandbox.write("text.onnx", "model m {\n}\n");
    sandbox.write("empty.onnx", "");
    for file in ["cut.onnx", "text.onnx", "empty.onnx", "missing.onnx"] {
        for command in [&["run", file][..], &["import", file, "-o", "new.conv"], &["check", file]] {
            let ran = sandbox.run(command);
            assert_eq!(ran.code, Some(1), "{command:?}: {}", ran.stderr);
            assert!(ran.stderr.contains(file) || ran.stdout.contains(file), "{command:?}: {}", ran.stderr);
        }
    }
    assert!(!sandbox.files().iter().any(|f| f.starts_with("new")), "{:?}", sandbox.files());
    sandbox.expect(2, &["import", "m.onnx", "-o", "new.txt"]);
}
