//! What `run` takes.

use image::ExtendedColorType;

use crate::harness::Sandbox;
use crate::{SAME, SAME_RGB, make};

const TWO: &str = "model two {\n  input a [1, H, W]\n  input b [1, H, W]\n  y = a - b\n}\n";

#[test]
fn every_picture_format_is_read() {
    let sandbox = Sandbox::with_model(SAME);
    let grey = [0, 51, 102, 255];
    sandbox.write("x.png", make::grey_png(&grey, 2));
    sandbox.write("x.pgm", b"P5 2 2 255\n\x00\x33\x66\xff");
    sandbox.write("ascii.pgm", b"P2 2 2 255 0 51 102 255");
    for file in ["x.png", "x.pgm", "ascii.pgm"] {
        sandbox.expect(0, &["run", "m.conv", file, "-o", "y.npy"]);
        let (shape, data) = make::read_npy(&sandbox.read("y.npy"));
        assert_eq!(shape, [1, 1, 2, 2], "{file}");
        assert_eq!(data, [0.0, 0.2, 0.4, 1.0], "{file}");
    }
    sandbox.write("flat.jpg", make::grey_jpeg(&[51; 64], 8));
    sandbox.expect(0, &["run", "m.conv", "flat.jpg", "-o", "y.npy"]);
    assert_eq!(make::read_npy(&sandbox.read("y.npy")), (vec![1, 1, 8, 8], vec![0.2; 64]));
}

#[test]
fn conversions_are_said() {
    let sandbox = Sandbox::with_model(SAME);
    sandbox.write("rgb.conv", SAME_RGB);
    sandbox.write("red.png", make::png(&[255, 0, 0, 9], 1, 1, ExtendedColorType::Rgba8));
    let ran = sandbox.expect(0, &["run", "m.conv", "red.png", "-o", "y.npy"]);
    assert!(ran.stderr.contains("alpha was dropped") && ran.stderr.contains("Rec. 601"), "{}", ran.stderr);
    assert_eq!(make::read_npy(&sandbox.read("y.npy")).1, [0.299]);
    sandbox.write("grey.png", make::grey_png(&[51], 1));
    let ran = sandbox.expect(0, &["run", "rgb.conv", "grey.png", "-o", "y.npy"]);
    assert!(ran.stderr.contains("repeated"), "{}", ran.stderr);
    assert_eq!(make::read_npy(&sandbox.read("y.npy")), (vec![1, 3, 1, 1], vec![0.2; 3]));
    let deep: Vec<u8> = [13107u16].iter().flat_map(|v| v.to_ne_bytes()).collect();
    sandbox.write("deep.png", make::png(&deep, 1, 1, ExtendedColorType::L16));
    let ran = sandbox.expect(0, &["run", "m.conv", "deep.png", "-o", "y.npy"]);
    assert!(ran.stderr.contains("16 bits"), "{}", ran.stderr);
    assert_eq!(make::read_npy(&sandbox.read("y.npy")).1, [0.2]);
}

#[test]
fn arrays_are_taken_exactly() {
    let sandbox = Sandbox::with_model(SAME);
    let data = [0.0, 0.25, 3.5, 1e-20, 7.0, 8.0];
    for shape in [&[2, 3][..], &[1, 2, 3], &[1, 1, 2, 3]] {
        sandbox.write("x.npy", make::npy(shape, &data));
        sandbox.expect(0, &["run", "m.conv", "x.npy", "-o", "y.npy"]);
        assert_eq!(make::read_npy(&sandbox.read("y.npy")), (vec![1, 1, 2, 3], data.to_vec()));
    }
    sandbox.write("x.npy", make::npy(&[2, 1, 1, 3], &data));
    sandbox.expect(0, &["run", "m.conv", "x.npy", "-o", "y.npy"]);
    assert_eq!(make::read_npy(&sandbox.read("y.npy")), (vec![2, 1, 1, 3], data.to_vec()));
}

#[test]
fn other_kinds_of_npy_are_read() {
    let sandbox = Sandbox::with_model(SAME);
    let big: Vec<u8> = [1.5f32, 2.0].iter().flat_map(|v| v.to_be_bytes()).collect();
    let double: Vec<u8> = [1.5f64, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    for (descr, bytes) in [(">f4", &big), ("<f8", &double)] {
        sandbox.write("x.npy", make::npy_of(descr, false, &[1, 1, 2], bytes));
        sandbox.expect(0, &["run", "m.conv", "x.npy", "-o", "y.npy"]);
        assert_eq!(make::read_npy(&sandbox.read("y.npy")).1, [1.5, 2.0], "{descr}");
    }
    let columns: Vec<u8> = [1f32, 3.0, 2.0, 4.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    sandbox.write("x.npy", make::npy_of("<f4", true, &[2, 2], &columns));
    sandbox.expect(0, &["run", "m.conv", "x.npy", "-o", "y.npy"]);
    assert_eq!(make::read_npy(&sandbox.read("y.npy")).1, [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn several_inputs_go_by_order_or_by_name() {
    let sandbox = Sandbox::with_model(TWO);
    sandbox.write("p.npy", make::npy(&[1, 1, 2], &[5.0, 6.0]));
    sandbox.write("q.npy", make::npy(&[1, 1, 2], &[1.0, 9.0]));
    let result = |arguments: &[&str]| {
        let mut all = vec!["run", "m.conv"];
        all.extend(arguments);
        all.extend(["-o", "y.npy"]);
        sandbox.expect(0, &all);
        make::read_npy(&sandbox.read("y.npy")).1
    };
    assert_eq!(result(&["p.npy", "q.npy"]), [4.0, -3.0]);
    assert_eq!(result(&["b=p.npy", "a=q.npy"]), [-4.0, 3.0]);
    assert_eq!(result(&["b=p.npy", "q.npy"]), [-4.0, 3.0]);
    let members =
        [("b.npy", make::npy(&[1, 1, 2], &[5.0, 6.0])), ("a.npy", make::npy(&[1, 1, 2], &[1.0, 9.0]))];
    sandbox.write("both.npz", make::zip(&members.each_ref().map(|(n, b)| (*n, b.as_slice()))));
    assert_eq!(result(&["both.npz"]), [-4.0, 3.0]);

    sandbox.refuse_with(2, &["run", "m.conv", "p.npy"], &["`b`"]);
    sandbox.refuse_with(2, &["run", "m.conv", "p.npy", "q.npy", "p.npy"], &["2 inputs"]);
    sandbox.refuse_with(2, &["run", "m.conv", "a=p.npy", "a=q.npy"], &["`a`"]);
    sandbox.refuse_with(2, &["run", "m.conv", "a=p.npy", "c=q.npy"], &["no input `c`"]);
    sandbox.write("wide.npy", make::npy(&[1, 1, 3], &[1.0; 3]));
    sandbox.refuse(&["run", "m.conv", "p.npy", "wide.npy"], &["W = 2", "[1, 1, 3]"]);
}

#[test]
fn sizes_come_from_the_input_the_flag_or_the_default() {
    let sandbox = Sandbox::with_model("model m {\n  input x [1, H=3, W=4]\n  y = relu\n}\n");
    let ran = sandbox.expect(0, &["run", "m.conv"]);
    assert!(ran.stdout.starts_with("y [1, 1, 3, 4]"), "{}", ran.stdout);
    assert!(ran.stderr.contains("random") && ran.stderr.contains("seed"), "{}", ran.stderr);
    let ran = sandbox.expect(0, &["run", "m.conv", "--size", "H=5"]);
    assert!(ran.stdout.starts_with("y [1, 1, 5, 4]"), "{}", ran.stdout);
    sandbox.write("x.png", make::grey_png(&[9; 12], 6));
    let ran = sandbox.expect(0, &["run", "m.conv", "x.png"]);
    assert!(ran.stdout.starts_with("y [1, 1, 2, 6]"), "{}", ran.stdout);
    sandbox.refuse(&["run", "m.conv", "x.png", "--size", "H=5,W=6"], &["--fit", "6×2", "6×5"]);
    let ran = sandbox.expect(0, &["run", "m.conv", "x.png", "--size", "H=5,W=5", "--fit", "pad"]);
    assert!(ran.stdout.starts_with("y [1, 1, 5, 5]"), "{}", ran.stdout);
    sandbox.write("open.conv", SAME);
    let ran = sandbox.expect(0, &["run", "open.conv"]);
    assert!(ran.stdout.starts_with("y [1, 1, 256, 256]"), "{}", ran.stdout);
    assert!(ran.stderr.contains("--size"), "{}", ran.stderr);
}

#[test]
fn a_fixed_size_offers_to_fit() {
    let sandbox = Sandbox::with_model("model m {\n  input x [3, 4, 4]\n  y = relu\n}\n");
    sandbox.write("x.png", make::rgb_png(6, 5));
    sandbox.refuse(&["run", "m.conv", "x.png"], &["6×5", "4×4", "--fit stretch"]);
    for how in ["stretch", "crop", "pad"] {
        let ran = sandbox.expect(0, &["run", "m.conv", "x.png", "--fit", how]);
        assert!(ran.stdout.starts_with("y [1, 3, 4, 4]"), "{}", ran.stdout);
        assert!(ran.stderr.contains("4×4"), "{}", ran.stderr);
    }
}

#[test]
fn the_default_input_is_beside_the_model() {
    let sandbox = Sandbox::new();
    sandbox.folder("models");
    sandbox.write("models/m.conv", "model m {\n  input x [1, H, W] = \"x.png\"\n  y = relu\n}\n");
    sandbox.write("models/x.png", make::grey_png(&[255; 6], 3));
    let ran = sandbox.expect(0, &["run", "models/m.conv"]);
    assert_eq!(ran.stdout, "y [1, 1, 2, 3]  min 1  max 1  mean 1\n");
    assert!(ran.stderr.contains("x.png"), "{}", ran.stderr);
    std::fs::remove_file(sandbox.path("models/x.png")).unwrap();
    sandbox.refuse(&["run", "models/m.conv"], &["x.png"]);
}

#[test]
fn one_of_several_models_is_chosen() {
    let sandbox = Sandbox::with_model(
        "model a {\n  input x [1, 2, 2]\n  y = relu\n}\nmodel b {\n  input x [1, 3, 3]\n  z = relu\n}\n",
    );
    let ran = sandbox.expect(0, &["run", "m.conv", "--model", "b"]);
    assert!(ran.stdout.starts_with("z [1, 1, 3, 3]"), "{}", ran.stdout);
    let ran = sandbox.run(&["run", "m.conv"]);
    assert!(matches!(ran.code, Some(1 | 2)) && ran.stderr.contains("--model"), "{ran:#?}");
    let ran = sandbox.run(&["run", "m.conv", "--model", "c"]);
    assert!(matches!(ran.code, Some(1 | 2)) && ran.stderr.contains('c'), "{ran:#?}");
    sandbox.expect(0, &["check", "m.conv"]);
}
