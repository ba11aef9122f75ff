//! One model over many files.

use crate::harness::Sandbox;
use crate::{SAME, make};

fn photos() -> Sandbox {
    let sandbox = Sandbox::with_model(SAME);
    sandbox.folder("in");
    sandbox.write("in/a.png", make::grey_png(&[10; 6], 2));
    sandbox.write("in/b.jpg", make::grey_jpeg(&[20; 64], 8));
    sandbox.write("in/c.npy", make::npy(&[1, 1, 2], &[0.5, 7.0]));
    sandbox.write("in/readme.txt", "not a picture");
    sandbox.folder("out");
    sandbox
}

#[test]
fn a_folder_goes_to_a_folder() {
    for arguments in
        [&["in", "-o", "out"][..], &["--each", "in", "-o", "out"], &["--each", "in", "-o", "out/new"]]
    {
        let sandbox = photos();
        let mut all = vec!["run", "m.conv"];
        all.extend(arguments);
        sandbox.expect(0, &all);
        let out = arguments[arguments.len() - 1];
        assert_eq!(make::pixels(&sandbox.read(&format!("{out}/a.png"))), (2, 3, vec![10; 6]));
        assert_eq!(make::pixels(&sandbox.read(&format!("{out}/b.png"))), (8, 8, vec![20; 64]));
        assert_eq!(make::read_npy(&sandbox.read(&format!("{out}/c.npy"))).1, [0.5, 7.0]);
        let written = sandbox.files().iter().filter(|f| f.starts_with("out")).count();
        assert_eq!(written, 3, "{:?}", sandbox.files());
    }
}

#[test]
fn bad_ones_are_passed_over_and_summed_up() {
    let sandbox = photos();
    sandbox.write("in/bad.png", b"\x89PNG\r\n\x1a\n");
    sandbox.write("in/big.npy", make::npy(&[3, 1, 1], &[0.0; 3]));
    let ran = sandbox.expect(1, &["run", "m.conv", "--each", "in", "-o", "out"]);
    assert!(ran.stderr.contains("bad.png") && ran.stderr.contains("big.npy"), "{}", ran.stderr);
    assert!(ran.stderr.contains("2 of 5"), "{}", ran.stderr);
    let written: Vec<String> = sandbox.files().into_iter().filter(|f| f.starts_with("out")).collect();
    assert_eq!(written, ["out/a.png", "out/b.png", "out/c.npy"]);
}

#[test]
fn files_can_be_listed() {
    let sandbox = photos();
    sandbox.expect(0, &["run", "m.conv", "--each", "in/a.png", "in/b.jpg", "-o", "out"]);
    assert!(sandbox.path("out/a.png").exists() && sandbox.path("out/b.png").exists());
    sandbox.write("in/a.pgm", b"P5 1 1 255\n\x07");
    sandbox.expect(0, &["run", "m.conv", "--each", "in/a.png", "in/a.pgm", "-o", "out"]);
    // Two files of one stem keep their endings.
    assert_eq!(make::pixels(&sandbox.read("out/a.pgm.png")), (1, 1, vec![7]));
    assert_eq!(make::pixels(&sandbox.read("out/a.png.png")), (2, 3, vec![10; 6]));
}

#[test]
fn inputs_are_never_written_over() {
    let sandbox = photos();
    sandbox.refuse(&["run", "m.conv", "--each", "in", "-o", "in"], &["in"]);
    sandbox.refuse(&["run", "m.conv", "in", "-o", "./out/../in"], &["in"]);
    sandbox.refuse_with(2, &["run", "m.conv", "--each", "in"], &["-o"]);
    sandbox.refuse_with(2, &["run", "m.conv", "in", "in", "-o", "out"], &["folder"]);
    sandbox.refuse(&["run", "m.conv", "--each", "in", "-o", "m.conv"], &["m.conv"]);
    sandbox.folder("empty");
    sandbox.refuse(&["run", "m.conv", "--each", "empty", "-o", "out"], &["empty"]);
}

#[test]
fn sizes_may_differ_and_json_lists_all() {
    let sandbox = photos();
    let ran = sandbox.expect(0, &["run", "m.conv", "--each", "in", "-o", "out", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["files"].as_array().unwrap().len(), 3);
    assert_eq!(json["files"][0]["outputs"][0]["shape"], serde_json::json!([1, 1, 3, 2]));
    assert_eq!(json["failed"], 0);
}
