use std::path::Path;

use proptest::prelude::*;

use super::*;

const MANY: u64 = 1 << 30;

fn numpy(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/npy").join(format!("{name}.npz"));
    std::fs::read(path).unwrap()
}

/// A zip file with one deflated entry.
fn deflated(name: &str, data: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    zip.start_file(name, options).unwrap();
    zip.write_all(data).unwrap();
    zip.finish().unwrap().into_inner()
}

fn zeros(len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    npy::write(Tensor::zeros(&[len]).unwrap().view(), &mut bytes).unwrap();
    bytes
}

#[test]
fn arrays_of_numpy_are_read() {
    let expected = Tensor::new(&[2, 3, 4], (0..24).map(|i| i as f32).collect()).unwrap();
    for name in ["stored", "deflated"] {
        let found = read(&numpy(name), MANY).unwrap();
        assert_eq!(found, [("x".to_owned(), expected.clone()), ("y".to_owned(), expected.clone())], "{name}");
    }
}

#[test]
fn arrays_survive() {
    let (a, b) = (Tensor::zeros(&[2, 3]).unwrap(), Tensor::new(&[1], vec![f32::MIN]).unwrap());
    let mut out = Cursor::new(Vec::new());
    write(&[("a", a.view()), ("b.c", b.view())], &mut out).unwrap();
    let found = read(out.get_ref(), MANY).unwrap();
    assert_eq!(found, [("a".to_owned(), a.clone()), ("b.c".to_owned(), b)]);
    let twice = write(&[("a", a.view()), ("a", a.view())], &mut Cursor::new(Vec::new()));
    assert!(twice.is_err());
}

#[test]
fn what_unpacks_to_too_much_is_refused() {
    let bomb = deflated("x.npy", &zeros(20 << 20));
    assert!(bomb.len() < 200_000);
    let error = read(&bomb, MANY).unwrap_err();
    assert_eq!(error, NpzError::Limit { limit: limits::ARCHIVE_FREE_BYTES });
    // The entry and the array are in memory at the same time.
    let small = deflated("x.npy", &zeros(1000));
    assert!(read(&small, 128 + 4000 + 4000).is_ok());
    assert_eq!(read(&small, 128 + 4000 + 3999), Err(NpzError::Limit { limit: 8127 }));
}

#[test]
fn an_entry_that_lies_about_its_size_is_refused() {
    let honest = deflated("x.npy", &zeros(1000));
    let size = (128u32 + 4000).to_le_bytes();
    for lie in [1u32, 4127, 4129, 1 << 20, u32::MAX - 1] {
        let mut bytes = honest.clone();
        let places: Vec<usize> = (0..bytes.len() - 4).filter(|&i| bytes[i..i + 4] == size).collect();
        assert!(!places.is_empty());
        for at in places {
            bytes[at..at + 4].copy_from_slice(&lie.to_le_bytes());
        }
        assert!(read(&bytes, MANY).is_err(), "{lie}");
    }
}

#[test]
fn what_is_no_array_is_named() {
    let error = read(&deflated("x.npy", b"hello"), MANY).unwrap_err();
    assert_eq!(error.to_string(), "array `x`: this is not a .npy file");
    assert_eq!(read(&deflated("readme.txt", b"hello"), MANY), Ok(vec![]));
    assert_eq!(read(b"PK", MANY), Err(NpzError::Whole));
    assert_eq!(read(b"", MANY), Err(NpzError::Whole));
}

proptest! {
    #[test]
    fn changed_bytes_never_panic(changes in prop::collection::vec((0usize..466, any::<u8>()), 1..6)) {
        let mut bytes = numpy("deflated");
        for (at, byte) in changes {
            let len = bytes.len();
            bytes[at % len] = byte;
        }
        let _ = read(&bytes, 1 << 20);
    }
}
