//! Pictures that cannot be used.

use crate::harness::Sandbox;
use crate::{SAME, make};

fn refused(name: &str, file: &[u8], says: &[&str]) {
    let sandbox = Sandbox::with_model(SAME);
    sandbox.write(name, file);
    let mut all = vec![name];
    all.extend(says);
    sandbox.refuse(&["run", "m.conv", name, "-o", "y.png"], &all);
}

#[test]
fn forty_one_bytes_that_claim_a_billion_pixels() {
    let mut claim = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x80\0\0\0\x80\0\x08\x06\0\0\0".to_vec();
    claim.extend([0; 12]);
    assert_eq!(claim.len(), 41);
    refused("x.png", &claim, &["32768×32768"]);
    refused("x.pgm", b"P5 32768 32768 255\n", &["32768×32768"]);
    refused("x.pgm", b"P5 16384 16384 255\n", &["cannot hold"]);
    refused("x.pgm", b"P5 99999999999 1 255\n", &[]);
    let mut jpeg = make::grey_jpeg(&[9; 64], 8);
    let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x3f, 0xff, 0x3f, 0xff]);
    refused("x.jpg", &jpeg, &["16383×16383"]);
}

#[test]
fn truncated_and_damaged() {
    let png = make::rgb_png(20, 20);
    let jpeg = make::grey_jpeg(&[77; 400], 20);
    for share in [3, 20, 50, 90] {
        refused("x.png", &png[..png.len() * share / 100], &[]);
        refused("x.jpg", &jpeg[..jpeg.len() * share / 100], &[]);
    }
    let mut damaged = png.clone();
    damaged[png.len() / 2] ^= 0xff;
    refused("x.png", &damaged, &["damaged"]);
    refused("x.pgm", b"P5 2 2 255\n\x00", &[]);
    refused("x.pgm", b"P2 2 2 255\n1 2 x 4\n", &[]);
    refused("x.pgm", b"P5 0 0 255\n", &[]);
    refused("x.png", b"", &[]);
    refused("x.png", b"GIF89a", &["PNG"]);
}

#[test]
fn cmyk() {
    let mut jpeg = make::grey_jpeg(&[9; 64], 8);
    let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    jpeg[frame + 9] = 4;
    refused("x.jpg", &jpeg, &["CMYK"]);
}

#[test]
fn more_than_memory_holds() {
    let sandbox = Sandbox::with_model(SAME);
    sandbox.write("x.png", make::grey_png(&vec![7; 1_000_000], 1000));
    sandbox.refuse(&["run", "m.conv", "x.png", "--memory", "8M", "-o", "y.png"], &["x.png", "memory"]);
}

#[test]
fn channels_that_no_picture_has() {
    let sandbox = Sandbox::with_model("model m {\n  input x [4, H, W]\n  relu\n}\n");
    sandbox.write("x.png", make::rgb_png(4, 4));
    sandbox.refuse(&["run", "m.conv", "x.png"], &["4", ".npy"]);
    let sandbox = Sandbox::with_model("model m {\n  input x [7]\n  relu\n}\n");
    sandbox.write("x.png", make::rgb_png(4, 4));
    sandbox.refuse(&["run", "m.conv", "x.png"], &["[7]", ".npy"]);
}
