//! Arrays that cannot be used.

use crate::harness::Sandbox;
use crate::{SAME, make};

fn refused(name: &str, file: &[u8], says: &[&str]) {
    let sandbox = Sandbox::with_model(SAME);
    sandbox.write(name, file);
    let mut all = vec![name];
    all.extend(says);
    sandbox.refuse(&["run", "m.conv", name, "-o", "y.npy"], &all);
}

#[test]
fn types_that_are_no_numbers() {
    refused("x.npy", &make::npy_of("|O", false, &[1, 1, 2], &[0; 16]), &[]);
    refused("x.npy", &make::npy_of("<U4", false, &[1, 1, 2], &[0; 32]), &[]);
    refused("x.npy", &make::npy_of("<c8", false, &[1, 1, 2], &[0; 16]), &[]);
}

#[test]
fn bytes_are_taken_as_numbers() {
    // Arrays are exact: a byte of 255 is 255, not 1.
    let sandbox = Sandbox::with_model(SAME);
    sandbox.write("x.npy", make::npy_of("|u1", false, &[1, 1, 2], &[0, 255]));
    sandbox.expect(0, &["run", "m.conv", "x.npy", "-o", "y.npy"]);
    assert_eq!(make::read_npy(&sandbox.read("y.npy")).1, [0.0, 255.0]);
}

#[test]
fn headers_that_lie() {
    let good = make::npy(&[1, 1, 2], &[0.0, 1.0]);
    for cut in [3, 6, 9, 40, good.len() - 1] {
        refused("x.npy", &good[..cut], &[]);
    }
    refused("x.npy", &make::npy_of("<f4", false, &[1, 1 << 31, 1 << 31], &[0; 8]), &[]);
    refused("x.npy", &make::npy_of("<f4", false, &[usize::MAX, 2, 2], &[0; 8]), &[]);
    refused("x.npy", &make::npy_of("<f4", false, &[1, 0, 2], &[]), &[]);
    refused("x.npy", b"\x93NUMPY\x01\x00\xff\xff{'descr'", &[]);
    refused("x.npy", b"\x93NUMPY\x09\x00\x10\x00", &[]);
    refused("x.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", &[]);
    refused("x.npy", &[&make::npy(&[1, 1, 1], &[0.0])[..10], &b"{((((((((((("[..]].concat(), &[]);
    refused("x.npy", b"", &[]);
    refused("x.npy", b"neither picture nor array", &[]);
}

#[test]
fn shapes_that_do_not_fit() {
    refused("x.npy", &make::npy(&[2, 3, 4], &[0.0; 24]), &["[2, 3, 4]", "[1, H, W]"]);
    refused("x.npy", &make::npy(&[4], &[0.0; 4]), &["[4]"]);
    refused("x.npy", &make::npy(&[], &[0.0]), &[]);
    refused("x.npy", &make::npy(&[0, 1, 2, 2], &[]), &[]);
}

#[test]
fn archives_that_lie() {
    let good = make::npy(&[1, 1, 2], &[0.0, 1.0]);
    let archive = make::zip(&[("x.npy", &good)]);
    for cut in [4, 30, archive.len() / 2, archive.len() - 1] {
        refused("x.npz", &archive[..cut], &[]);
    }
    refused("x.npz", &make::zip(&[]), &[]);
    refused("x.npz", &make::zip(&[("x.npy", b"junk")]), &[]);
    refused("x.npz", &make::zip(&[("a.npy", &good), ("b.npy", &good)]), &["a", "b"]);
}

#[test]
fn an_npz_bomb() {
    // 2 GiB of zeros in 2 MB, of which only 1.5 GB are promised.
    let lying = make::npy_of("<f4", false, &[1, 16_384, 24_576], &[]);
    refused("x.npz", &make::zip_with_zeros("x.npy", &lying, 2 << 30), &[]);
    // An honest array that compresses that well, past the limit of memory.
    let honest = make::npy_of("<f4", false, &[1, 4096, 4096], &[]);
    let sandbox = Sandbox::with_model(SAME);
    sandbox.write("x.npz", make::zip_with_zeros("x.npy", &honest, 64 << 20));
    sandbox.refuse(&["run", "m.conv", "x.npz", "-o", "y.npy", "--memory", "32M"], &["x.npz"]);
}
