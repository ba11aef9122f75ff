//! Weight files that lie, and paths that lead elsewhere.

use crate::harness::Sandbox;
use crate::make;

const MODEL: &str = "\
model m {
  input x [1, 4, 4]
  weights \"w.safetensors\"
  c = conv(kernel=1, out=1)
}
";

fn refused(file: &[u8], says: &[&str]) {
    let sandbox = Sandbox::with_model(MODEL);
    sandbox.write("w.safetensors", file);
    sandbox.refuse(&["run", "m.conv", "-o", "y.npy"], says);
}

/// A header of two tensors of one element each, `c.weight` and `c.bias`.
fn header(weight: &str, bias: &str) -> String {
    format!(
        "{{\"c.weight\":{{\"dtype\":\"F32\",\"shape\":[1,1,1,1],\"data_offsets\":{weight}}},\
         \"c.bias\":{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":{bias}}}}}"
    )
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn a_good_file_is_read() {
    let sandbox = Sandbox::with_model(MODEL);
    sandbox.write("w.safetensors", make::safetensors(&header("[0,4]", "[4,8]"), &floats(&[2.0, 0.5])));
    sandbox.write("x.npy", make::npy(&[1, 4, 4], &[3.0; 16]));
    sandbox.expect(0, &["run", "m.conv", "x.npy", "-o", "y.npy"]);
    assert_eq!(make::read_npy(&sandbox.read("y.npy")).1, [6.5; 16]);
    // The same from elsewhere, named on the command line.
    std::fs::rename(sandbox.path("w.safetensors"), sandbox.path("other.safetensors")).unwrap();
    sandbox.refuse(&["run", "m.conv", "x.npy"], &["w.safetensors"]);
    sandbox.expect(0, &["run", "m.conv", "x.npy", "--weights", "other.safetensors", "-o", "y.npy"]);
    assert_eq!(make::read_npy(&sandbox.read("y.npy")).1, [6.5; 16]);
}

#[test]
fn truncated_overlapping_and_lying_files() {
    let good = make::safetensors(&header("[0,4]", "[4,8]"), &floats(&[2.0, 0.5]));
    for cut in [0, 4, 8, 20, good.len() - 1] {
        refused(&good[..cut], &["w.safetensors"]);
    }
    refused(&make::safetensors(&header("[0,4]", "[0,4]"), &floats(&[2.0])), &["w.safetensors"]);
    refused(&make::safetensors(&header("[0,4]", "[4,9]"), &floats(&[2.0, 0.5])), &["w.safetensors"]);
    refused(
        &make::safetensors(&header("[0,4]", "[4,99999999999]"), &floats(&[2.0, 0.5])),
        &["w.safetensors"],
    );
    refused(&make::safetensors(&header("[8,4]", "[4,8]"), &floats(&[2.0, 0.5])), &["w.safetensors"]);
    refused(&make::safetensors("not json", &[]), &["w.safetensors"]);
    refused(&make::safetensors(&"[".repeat(100_000), &[]), &["w.safetensors"]);
    let mut huge = good.clone();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    refused(&huge, &["w.safetensors"]);
    huge[..8].copy_from_slice(&(1u64 << 40).to_le_bytes());
    refused(&huge, &["w.safetensors"]);
}

#[test]
fn missing_wrong_and_extra_tensors() {
    let one = "{\"c.weight\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1],\"data_offsets\":[0,4]}}";
    refused(&make::safetensors(one, &floats(&[2.0])), &["c.bias"]);
    let wrong = header("[0,4]", "[4,12]").replace("\"shape\":[1],", "\"shape\":[2],");
    refused(&make::safetensors(&wrong, &floats(&[2.0, 0.5, 0.5])), &["c.bias", "[2]"]);
    let integers = header("[0,4]", "[4,8]").replace("F32", "I32");
    refused(&make::safetensors(&integers, &floats(&[2.0, 0.5])), &["I32"]);

    let extra = header("[0,4]", "[4,8]").replace(
        "{\"c.weight\"",
        "{\"spare\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]},\"c.weight\"",
    );
    let sandbox = Sandbox::with_model(MODEL);
    sandbox.write("w.safetensors", make::safetensors(&extra, &floats(&[2.0, 0.5, 9.0])));
    let ran = sandbox.expect(0, &["run", "m.conv"]);
    assert!(ran.stderr.contains("spare"), "{}", ran.stderr);
    sandbox.refuse(&["run", "m.conv", "--strict-weights"], &["spare"]);
}

#[test]
fn seeded_weights_are_said_and_only_for_models_without_a_file() {
    let sandbox = Sandbox::with_model("model m {\n  input x [1, 4, 4]\n  c = conv(kernel=1, out=1)\n}\n");
    let ran = sandbox.expect(0, &["run", "m.conv"]);
    assert!(ran.stderr.contains("weights") && ran.stderr.contains("seed"), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn paths_stay_beneath_the_model_and_name_regular_files() {
    let good = make::safetensors(&header("[0,4]", "[4,8]"), &floats(&[2.0, 0.5]));
    let sandbox = Sandbox::new();
    sandbox.folder("models");
    sandbox.folder("models/folder");
    sandbox.write("outside.safetensors", &good);
    std::os::unix::fs::symlink("../outside.safetensors", sandbox.path("models/link.safetensors")).unwrap();
    std::os::unix::fs::symlink("..", sandbox.path("models/up")).unwrap();
    crate::bad_places::fifo(&sandbox, "models/fifo");
    let outside = sandbox.path("outside.safetensors");
    let paths = [
        "../outside.safetensors",
        "folder/../../outside.safetensors",
        outside.to_str().unwrap(),
        "link.safetensors",
        "up/outside.safetensors",
        "folder",
        "fifo",
        "/dev/zero",
        "missing.safetensors",
        "",
    ];
    for path in paths {
        sandbox.write("models/m.conv", MODEL.replace("w.safetensors", path));
        sandbox.refuse(&["run", "models/m.conv", "-o", "y.npy"], &["models/m.conv"]);
    }
    // What the command line names is the user's own business, but still a regular file.
    sandbox.write("models/m.conv", MODEL);
    sandbox.expect(0, &["run", "models/m.conv", "--weights", "models/link.safetensors"]);
    sandbox.refuse(&["run", "models/m.conv", "--weights", "models/fifo"], &["fifo"]);
    sandbox.refuse(&["run", "models/m.conv", "--weights", "/dev/zero"], &["/dev/zero"]);
}
