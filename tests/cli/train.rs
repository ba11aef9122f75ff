//! `convc train`.

use serde_json::Value;

use crate::harness::Sandbox;
use crate::make;

/// Two classes told apart by one linear layer.
const NET: &str = "model net {\n  input x [1, 2, 2]\n  flatten\n  f = linear(out=2)\n}\n";
/// The same without weights.
const BARE: &str = "model net {\n  input x [1, 2, 2]\n  relu\n}\n";

pub fn archive(arrays: &[(&str, &[usize], &[f32])]) -> Vec<u8> {
    let files: Vec<(String, Vec<u8>)> =
        arrays.iter().map(|(name, shape, data)| (format!("{name}.npy"), make::npy(shape, data))).collect();
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    make::zip(&files)
}

/// Eight samples whose class is whether their first pixel is bright.
pub fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_model(NET);
    let y: Vec<f32> = (0..8).map(|i| (i % 2) as f32).collect();
    let x: Vec<f32> = (0..32).map(|i| if i % 4 == 0 { ((i / 4) % 2) as f32 } else { 0.5 }).collect();
    sandbox.write("d.npz", archive(&[("x", &[8, 1, 2, 2], &x), ("y", &[8], &y)]));
    sandbox
}

pub const BASE: [&str; 6] = ["train", "m.conv", "--data", "d.npz", "--loss", "cross_entropy"];

pub fn train(more: &[&'static str]) -> Vec<&'static str> {
    BASE.iter().chain(more).copied().collect()
}

#[test]
fn a_model_learns_and_its_weights_are_used() {
    let sandbox = sandbox();
    let asked = train(&[
        "--lr",
        "1",
        "--epochs",
        "40",
        "--batch",
        "3",
        "--plot",
        "l.svg",
        "--losses",
        "l.npy",
        "--save-at",
        "1,2",
        "--val",
        "d.npz",
        "--format",
        "json",
    ]);
    let ran = sandbox.expect(0, &asked);
    let result: Value = serde_json::from_str(&ran.stdout).expect("it is JSON");
    assert_eq!(result["steps"], 120);
    assert_eq!(result["finished"], true);
    assert!(result["validation_loss"].as_f64().expect("a number") < 0.2, "{result}");
    assert!(ran.stderr.contains("accuracy 100.00 %"), "{}", ran.stderr);
    let files = sandbox.files();
    for file in [
        "weights.safetensors",
        "weights.checkpoint.safetensors",
        "weights.step1.safetensors",
        "weights.step2.safetensors",
    ] {
        assert!(files.contains(&file.to_owned()), "{files:?}");
    }
    assert!(String::from_utf8(sandbox.read("l.svg")).expect("text").contains("training loss"));
    sandbox.write("bright.npy", make::npy(&[1, 2, 2], &[1.0, 0.5, 0.5, 0.5]));
    sandbox.expect(0, &["run", "m.conv", "bright.npy", "--weights", "weights.safetensors", "-o", "y.npy"]);
    let y = make::read_npy(&sandbox.read("y.npy")).1;
    assert!(y[1] > y[0], "{y:?}");
}

#[test]
fn a_training_that_is_resumed_ends_with_the_same_bytes() {
    let sandbox = sandbox();
    let adam = ["--optimizer", "adam", "--batch", "3"];
    let run = |more: &[&'static str]| sandbox.expect(0, &train(&[&adam[..], more].concat()));
    let cosine = ["--schedule", "cosine", "--warmup", "2", "--epochs", "6"];
    run(&[&cosine[..], &["-o", "whole.safetensors", "--threads", "1"]].concat());
    run(&[&cosine[..], &["-o", "other.safetensors", "--threads", "2"]].concat());
    assert_eq!(sandbox.read("whole.safetensors"), sandbox.read("other.safetensors"));
    run(&["--epochs", "2", "-o", "half.safetensors"]);
    run(&["--epochs", "4", "-o", "long.safetensors"]);
    run(&["--epochs", "4", "--resume", "half.checkpoint.safetensors", "-o", "rest.safetensors"]);
    assert_eq!(sandbox.read("long.safetensors"), sandbox.read("rest.safetensors"));
    // It is a weight file, too, and nothing in it surprises.
    sandbox.write("one.npy", make::npy(&[1, 2, 2], &[1.0; 4]));
    let ran = sandbox.expect(0, &["run", "m.conv", "one.npy", "--weights", "half.checkpoint.safetensors"]);
    assert!(!ran.stderr.contains("E0505"), "{}", ran.stderr);
    let done = ["--epochs", "2", "--resume", "half.checkpoint.safetensors"];
    sandbox.refuse_with(2, &train(&[&adam[..], &done].concat()), &["6 steps already"]);
    // Nor does it need what the model began with.
    sandbox.write("m.conv", NET.replacen('{', "{\n  weights \"gone.safetensors\"", 1));
    run(&["--epochs", "4", "--resume", "half.checkpoint.safetensors", "-o", "again.safetensors"]);
    assert_eq!(sandbox.read("long.safetensors"), sandbox.read("again.safetensors"));
}

#[test]
fn pictures_by_class_and_mnists_files_are_data() {
    let sandbox = Sandbox::with_model(NET);
    for (class, bright) in [("dark", 0u8), ("light", 255)] {
        sandbox.folder(&format!("p{class}"));
        for i in 0..3u8 {
            sandbox.write(&format!("p{class}/{i}.png"), make::grey_png(&[bright, 100, 100 + i, 100], 2));
        }
    }
    sandbox.folder("p");
    std::fs::rename(sandbox.path("pdark"), sandbox.path("p/dark")).expect("it moves");
    std::fs::rename(sandbox.path("plight"), sandbox.path("p/light")).expect("it moves");
    let asked = [
        "train",
        "m.conv",
        "--data",
        "p",
        "--loss",
        "cross_entropy",
        "--lr",
        "1",
        "--epochs",
        "30",
        "--val",
        "0.34",
    ];
    let ran = sandbox.expect(0, &asked);
    assert!(ran.stderr.contains("the classes are dark, light"), "{}", ran.stderr);
    sandbox.folder("mnist");
    let images: Vec<u8> =
        [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2][..], &[0, 9, 9, 9, 255, 9, 9, 9]].concat();
    let labels = [0, 0, 8, 1, 0, 0, 0, 2, 0, 1];
    sandbox.write("mnist/train-images-idx3-ubyte", &images);
    sandbox.refuse(
        &["train", "m.conv", "--data", "mnist", "--loss", "cross_entropy"],
        &["train-labels-idx1-ubyte is missing"],
    );
    sandbox.write("mnist/train-labels-idx1-ubyte", labels);
    sandbox.expect(0, &["train", "m.conv", "--data", "mnist", "--loss", "cross_entropy", "--epochs", "2"]);
    sandbox.write("mnist/train-images-idx3-ubyte", &images[..20]);
    sandbox.refuse(
        &["train", "m.conv", "--data", "mnist", "--loss", "cross_entropy"],
        &["elements", "bytes follow"],
    );
}

#[test]
fn bad_data_is_refused_before_the_first_step() {
    let sandbox = sandbox();
    let asked = ["train", "m.conv", "--data", "bad.npz", "--loss", "cross_entropy"];
    let (x, y) = (vec![0.5f32; 8], vec![0.0f32, 1.0]);
    let refused = |arrays: &[(&str, &[usize], &[f32])], says: &[&str]| {
        sandbox.write("bad.npz", archive(arrays));
        sandbox.refuse(&asked, says);
    };
    refused(
        &[("x", &[2, 1, 2, 2], &x), ("y", &[2], &[0.0, 2.0])],
        &["target of sample 1 is class 2", "0 to 1"],
    );
    refused(&[("x", &[2, 1, 2, 2], &x), ("y", &[2], &[0.0, 0.5])], &["target of sample 1 is class 0.5"]);
    refused(&[("x", &[2, 4], &x), ("y", &[2], &y)], &["input `x` has the shape [2, 4]", "[2, 1, 2, 2]"]);
    refused(&[("x", &[2, 1, 2, 2], &x), ("y", &[1], &y[..1])], &["there are 2 samples, but targets for 1"]);
    refused(&[("x", &[0, 1, 2, 2], &[]), ("y", &[0], &[])], &["empty"]);
    refused(&[("a", &[2, 1, 2, 2], &x), ("b", &[2], &y)], &["no arrays `x` and `y`", "`a`, `b`"]);
    let mut bad = x.clone();
    bad[5] = f32::NAN;
    refused(&[("x", &[2, 1, 2, 2], &bad), ("y", &[2], &y)], &["element 5 of input `x` is NaN"]);
    let whole = archive(&[("x", &[2, 1, 2, 2], &x), ("y", &[2], &y)]);
    sandbox.write("bad.npz", &whole[..whole.len() / 2]);
    sandbox.refuse(&asked, &["bad.npz"]);
    sandbox.refuse(&["train", "m.conv", "--data", "none.npz", "--loss", "mse"], &["none.npz"]);
}

#[test]
fn a_training_that_goes_wrong_keeps_the_last_checkpoint() {
    let sandbox = sandbox();
    sandbox.expect(0, &train(&["--epochs", "1"]));
    let kept = sandbox.read("weights.checkpoint.safetensors");
    let x: Vec<f32> = (0..32).map(|i| i as f32 * 1e18).collect();
    let y: Vec<f32> = x.chunks(4).flat_map(|c| [c[0], -c[1]]).collect();
    sandbox.write("huge.npz", archive(&[("x", &[8, 1, 2, 2], &x), ("y", &[8, 2], &y)]));
    let asked = [
        "train", "m.conv", "--data", "huge.npz", "--loss", "mse", "--lr", "1e6", "--epochs", "9", "--batch",
        "8",
    ];
    sandbox.refuse(&asked, &["the loss is", "smaller --lr"]);
    assert_eq!(sandbox.read("weights.checkpoint.safetensors"), kept);
}

#[test]
fn gradients_are_printed_as_a_graph() {
    let sandbox = Sandbox::with_model(NET);
    let one = sandbox.expect(0, &["emit", "--grad", "m.conv"]).stdout;
    insta::assert_snapshot!(one, @r"
    graph net
    %0 = input x : [1, 1, 2, 2]
    %1 = reshape (%0) : [1, 4]  # flatten_1
    %4 = linear (%1, f.weight, f.bias) : [1, 2]  # f
    %5 = input d.f : [1, 2]
    %6 = matmul (%5, f.weight) : [1, 4]  # f/matmul_d2
    %7 = permute [1, 0] (%5) : [2, 1]  # f/permute_d3
    %8 = matmul (%7, %1) : [2, 4]  # f/matmul_d4
    %9 = reshape (%5) : [2]  # f/reshape_d5
    %10 = reshape (%6) : [1, 1, 2, 2]  # flatten_1/reshape_d6
    output f = %4
    output d.x = %10
    output d.f.weight = %8
    output d.f.bias = %9
    param f.weight [2, 4]
    param f.bias [2]
    ");
    let five = sandbox.expect(0, &["emit", "m.conv", "--grad", "--samples", "5"]).stdout;
    assert!(five.contains("input x : [5, 1, 2, 2]"), "{five}");
    sandbox.expect(0, &["emit", "--grad", "m.conv", "--stage", "plan"]);
}

#[test]
fn what_does_not_fit_together_is_said() {
    let sandbox = sandbox();
    sandbox.refuse_with(2, &train(&["--batch", "0"]), &["at least one sample"]);
    sandbox.refuse_with(2, &train(&["--lr=-1"]), &["no learning rate"]);
    sandbox.refuse_with(2, &train(&["--nesterov"]), &["--momentum"]);
    sandbox.refuse_with(2, &train(&["--scheme", "he"]), &["pytorch, kaiming, xavier"]);
    sandbox.write("m.conv", BARE);
    sandbox.refuse(&["train", "m.conv", "--data", "d.npz", "--loss", "mse"], &["error"]);
}

/// What ends a process that nobody asks twice: a signal, while it trains.
#[cfg(unix)]
#[test]
fn ctrl_c_ends_after_a_step_and_leaves_a_checkpoint() {
    use std::process::Command;
    use std::time::{Duration, Instant};

    let sandbox = sandbox();
    let child =
        sandbox.command(&train(&["--epochs", "100000000", "--threads", "1"])).spawn().expect("it starts");
    let checkpoint = sandbox.path("weights.checkpoint.safetensors");
    let start = Instant::now();
    while !checkpoint.exists() && start.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let signal =
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("there is kill");
    assert!(signal.success());
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("stopped after step") && said.contains("--resume"), "{said}");
    // As many steps as were done, and no more: the checkpoint counts them.
    let resumed = ["--resume", "weights.checkpoint.safetensors", "--epochs", "1"];
    sandbox.refuse_with(2, &train(&resumed), &["already"]);
}

/// A disk that takes no more: the shell limits the size of files.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_last_checkpoint() {
    let sandbox = sandbox();
    sandbox.expect(0, &train(&["--epochs", "1"]));
    let kept = sandbox.read("weights.checkpoint.safetensors");
    let before = sandbox.files();
    let line = format!(
        "trap '' XFSZ; ulimit -f 0; exec '{}' {}",
        env!("CARGO_BIN_EXE_convc"),
        train(&["--epochs", "2"]).join(" ")
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &line])
        .current_dir(sandbox.path(""))
        .output()
        .expect("there is a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("weights.checkpoint.safetensors"), "{said}");
    assert_eq!(sandbox.read("weights.checkpoint.safetensors"), kept);
    assert_eq!(sandbox.files(), before);
}
