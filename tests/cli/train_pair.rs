//! `convc train --target`: a picture or an array, and what is wanted of it.

use crate::harness::Sandbox;
use crate::make;

const KERNEL: &str = "model kernel {
  input photo [1, H, W]
  k = conv(kernel=3, out=1, pad=1, border=replicate, bias=false)
}
";
const BLUR: &str = "model blur {
  input photo [1, H, W]
  filter([[1, 3, 2], [2, 4, 2], [0, 1, 1]] / 16, pad=1, border=replicate)
}
";
const LEARN: [&str; 8] = ["--loss", "mse", "--lr", "0.9", "--momentum", "0.97", "-o", "k.safetensors"];

/// With the photo of a cat.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_model(KERNEL);
    sandbox.write("blur.conv", BLUR);
    sandbox.write("photo.png", include_bytes!("../../examples/chelsea.png"));
    sandbox
}

/// The only tensor of a weight file: nine numbers at its end.
fn kernel(sandbox: &Sandbox) -> Vec<f32> {
    let bytes = sandbox.read("k.safetensors");
    bytes[bytes.len() - 36..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

#[track_caller]
fn is_the_blur(found: &[f32]) {
    for (found, sixteenths) in found.iter().zip([1.0, 3.0, 2.0, 2.0, 4.0, 2.0, 0.0, 1.0, 1.0]) {
        assert!((found - sixteenths / 16.0).abs() < 1e-3, "{found} is not {sixteenths} sixteenths");
    }
}

#[test]
fn a_kernel_is_learned_from_a_photo_and_its_filtered_version() {
    let sandbox = sandbox();
    // As an array the filtered photo is exact; as a picture it is rounded to 8 bits.
    for filtered in ["filtered.npy", "filtered.png"] {
        sandbox.expect(0, &["run", "blur.conv", "photo.png", "-o", filtered]);
        let asked = ["train", "m.conv", "--data", "photo.png", "--target", filtered, "--epochs", "1000"];
        sandbox.expect(0, &[&asked[..], &LEARN].concat());
        is_the_blur(&kernel(&sandbox));
    }
}

#[test]
fn arrays_are_many_samples() {
    let sandbox = Sandbox::with_model(KERNEL);
    let x: Vec<f32> = (0..60).map(|i| ((i * 7919) % 61) as f32 / 61.0).collect();
    sandbox.write("x.npy", make::npy(&[3, 1, 4, 5], &x));
    sandbox.write("y.npy", make::npy(&[3, 1, 4, 5], &x));
    let asked = ["train", "m.conv", "--data", "x.npy", "--target", "y.npy", "--epochs", "4", "--batch", "2"];
    let ran = sandbox.expect(0, &[&asked[..], &["--val", "0.34"], &LEARN].concat());
    assert!(ran.stdout.contains("4 steps") && ran.stderr.contains("validation loss"), "{ran:?}");
}

#[test]
fn what_does_not_go_with_the_data_is_said() {
    let sandbox = sandbox();
    sandbox.folder("photos");
    sandbox.write("small.png", make::grey_png(&[1, 2, 3, 4], 2));
    let with = |data, target| ["train", "m.conv", "--loss", "mse", "--data", data, "--target", target];
    sandbox.refuse(&with("photo.png", "small.png"), &["small.png", "[1, 2, 2]", "[1, 1, 300, 451]"]);
    sandbox.refuse(&with("photos", "small.png"), &["photos", "folder"]);
    sandbox.refuse(&with("photo.png", "none.png"), &["none.png"]);
    sandbox.refuse(&with("m.conv", "small.png"), &["m.conv", "neither a picture"]);
    let mut classes = with("photo.png", "small.png");
    classes[3] = "cross_entropy";
    sandbox.refuse(&classes, &["numbers of classes"]);
    // A target is not written over.
    sandbox.refuse(&[&with("photo.png", "small.png")[..], &["-o", "small.png"]].concat(), &["small.png"]);
}

/// `--scheme` begins anew where the model names weights, even ones that are still to be made.
#[test]
fn a_scheme_begins_anew() {
    let sandbox = sandbox();
    let named = KERNEL.replace("  k =", "  weights \"k.safetensors\"\n  k =");
    sandbox.write("m.conv", &named);
    let asked = ["train", "m.conv", "--data", "photo.png", "--target", "photo.png", "--epochs", "1"];
    sandbox.refuse(&[&asked[..], &LEARN].concat(), &["k.safetensors"]);
    let anew = ["--scheme", "0"];
    sandbox.expect(0, &[&asked[..], &LEARN, &anew].concat());
    let first = kernel(&sandbox);
    sandbox.expect(0, &[&asked[..], &LEARN, &anew].concat());
    assert_eq!(kernel(&sandbox), first);
    sandbox.expect(0, &[&asked[..], &LEARN].concat());
    assert_ne!(kernel(&sandbox), first, "it went on from the weights that were there");
    let both = ["--scheme", "0", "--init", "k.safetensors"];
    sandbox.refuse_with(2, &[&asked[..], &LEARN, &both].concat(), &["--init"]);
}
