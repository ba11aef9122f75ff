//! What `run` writes.

use crate::harness::Sandbox;
use crate::{SAME, SAME_RGB, make};

const HEADS: &str =
    "model heads {\n  input x [1, H, W]\n  up = x * 2\n  down = x * 0.5\n  output up, down\n}\n";

#[test]
fn pictures_are_written_by_their_ending() {
    let sandbox = Sandbox::with_model(SAME);
    let grey = [0, 51, 102, 255];
    sandbox.write("x.png", make::grey_png(&grey, 2));
    for file in ["y.png", "y.pgm", "y.pnm"] {
        sandbox.expect(0, &["run", "m.conv", "x.png", "-o", file]);
        assert_eq!(make::pixels(&sandbox.read(file)), (2, 2, grey.to_vec()), "{file}");
    }
    sandbox.write("flat.png", make::grey_png(&[77; 64], 8));
    for file in ["y.jpg", "y.jpeg"] {
        sandbox.expect(0, &["run", "m.conv", "flat.png", "-o", file]);
        assert_eq!(make::pixels(&sandbox.read(file)), (8, 8, vec![77; 64]), "{file}");
    }
    sandbox.write("rgb.conv", SAME_RGB);
    let picture = make::rgb_png(5, 3);
    sandbox.write("rgb.png", &picture);
    for file in ["z.png", "z.ppm"] {
        sandbox.expect(0, &["run", "rgb.conv", "rgb.png", "-o", file]);
        assert_eq!(make::pixels(&sandbox.read(file)), make::pixels(&picture), "{file}");
    }
}

#[test]
fn the_clipped_share_is_said_and_normalize_maps_the_range() {
    let sandbox = Sandbox::with_model("model m {\n  input x [1, H, W]\n  y = x * 2 - 0.5\n}\n");
    sandbox.write("x.png", make::grey_png(&[0, 255, 128, 64], 2));
    let ran = sandbox.expect(0, &["run", "m.conv", "x.png", "-o", "y.png"]);
    assert!(ran.stderr.contains("50.00 %"), "{}", ran.stderr);
    assert_eq!(make::pixels(&sandbox.read("y.png")).2[..2], [0, 255]);
    let ran = sandbox.expect(0, &["run", "m.conv", "x.png", "-o", "y.png", "--normalize"]);
    assert!(ran.stderr.contains("-0.5") && ran.stderr.contains("1.5"), "{}", ran.stderr);
    assert_eq!(make::pixels(&sandbox.read("y.png")).2, [0, 255, 128, 64]);
}

#[test]
fn other_channels_become_a_contact_sheet() {
    let sandbox = Sandbox::with_model("model m {\n  input x [4, 6, 6]\n  y = relu\n}\n");
    let ran = sandbox.expect(0, &["run", "m.conv", "-o", "y.png"]);
    assert!(ran.stderr.contains("contact sheet"), "{}", ran.stderr);
    let (width, height, _) = make::pixels(&sandbox.read("y.png"));
    assert_eq!((width, height), (13, 13));
}

#[test]
fn several_outputs_go_to_one_npz_or_each_to_its_file() {
    let sandbox = Sandbox::with_model(HEADS);
    sandbox.write("x.npy", make::npy(&[1, 1, 2], &[1.0, 4.0]));
    sandbox.expect(0, &["run", "m.conv", "x.npy", "-o", "y.npz"]);
    let arrays = make::read_npz(&sandbox.read("y.npz"));
    let up = ("up".to_owned(), vec![1, 1, 1, 2], vec![2.0, 8.0]);
    let down = ("down".to_owned(), vec![1, 1, 1, 2], vec![0.5, 2.0]);
    assert_eq!(arrays, [up, down]);
    sandbox.expect(0, &["run", "m.conv", "x.npy", "-o", "down=d.npy", "-o", "up=u.png"]);
    assert_eq!(make::read_npy(&sandbox.read("d.npy")).1, [0.5, 2.0]);
    assert_eq!(make::pixels(&sandbox.read("u.png")), (2, 1, vec![255, 255]));
    sandbox.refuse_with(2, &["run", "m.conv", "x.npy", "-o", "y.npy"], &["up, down"]);
    sandbox.refuse_with(2, &["run", "m.conv", "x.npy", "-o", "upp=y2.npy"], &["did you mean `up`"]);
    sandbox.refuse_with(2, &["run", "m.conv", "x.npy", "-o", "up=z.npy", "-o", "down=z.npy"], &["one file"]);
    let ran = sandbox.expect(0, &["run", "m.conv", "x.npy"]);
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
}

#[test]
fn a_file_is_replaced_whole() {
    let sandbox = Sandbox::with_model(SAME);
    sandbox.write("x.png", make::grey_png(&[9; 4], 2));
    sandbox.write("y.png", vec![0; 100_000]);
    sandbox.expect(0, &["run", "m.conv", "x.png", "-o", "y.png"]);
    assert_eq!(make::pixels(&sandbox.read("y.png")), (2, 2, vec![9; 4]));
    assert_eq!(sandbox.files(), ["m.conv", "x.png", "y.png"]);
}

#[test]
fn an_output_that_is_no_picture_says_so() {
    let sandbox = Sandbox::with_model("model m {\n  input x [10]\n  y = softmax\n}\n");
    sandbox.refuse(&["run", "m.conv", "-o", "y.png"], &["[10]", ".npy"]);
    sandbox.write("batch.npy", make::npy(&[2, 1, 1, 2], &[0.0; 4]));
    sandbox.write("same.conv", SAME);
    sandbox.refuse(&["run", "same.conv", "batch.npy", "-o", "y.png"], &["batch", ".npy"]);
}

#[test]
fn classes_are_listed_best_first() {
    let text = "model m {\n  input x [4]\n  labels \"names.txt\"\n  y = softmax\n}\n";
    let sandbox = Sandbox::with_model(text);
    sandbox.write("names.txt", "cat\ndog\nbird\nfish\n");
    sandbox.write("x.npy", make::npy(&[4], &[0.0, 3.0, 1.0, 2.0]));
    let ran = sandbox.expect(0, &["run", "m.conv", "x.npy"]);
    let order: Vec<&str> = ran.stdout.lines().skip(1).filter_map(|l| l.split_whitespace().last()).collect();
    assert_eq!(order, ["dog", "fish", "bird", "cat"], "{}", ran.stdout);
    assert!(ran.stdout.contains("0.64391"), "{}", ran.stdout);
    let ran = sandbox.expect(0, &["run", "m.conv", "x.npy", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["outputs"][0]["top"][0][0]["label"], "dog");
    assert_eq!(json["outputs"][0]["top"][0][0]["class"], 1);
    sandbox.write("names.txt", "cat\n\x1b[31m\n");
    let ran = sandbox.run(&["run", "m.conv", "x.npy"]);
    assert!(!ran.stdout.contains('\x1b') && !ran.stderr.contains('\x1b'));
    std::fs::remove_file(sandbox.path("names.txt")).unwrap();
    sandbox.refuse(&["run", "m.conv", "x.npy"], &["names.txt"]);
}
