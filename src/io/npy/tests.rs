use std::path::Path;

use proptest::prelude::*;

use super::*;

const MANY: u64 = 1 << 20;

/// A file that NumPy wrote; `tests/data/make/npy.py` made it.
fn numpy(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/npy").join(format!("{name}.npy"));
    std::fs::read(path).unwrap()
}

/// A file with any dictionary and any data.
fn file(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let length = dictionary.len() as u16;
    [b"\x93NUMPY\x01\x00", &length.to_le_bytes()[..], dictionary.as_bytes(), data].concat()
}

fn described(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    file(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n"), data)
}

#[test]
fn numbers_of_every_type_and_order_are_read() {
    let expected = Tensor::new(&[2, 3, 4], (0..24).map(|i| i as f32).collect()).unwrap();
    let names = [
        "le_f2", "le_f4", "le_f8", "be_f2", "be_f4", "be_f8", "u1", "i1", "le_u2", "be_i2", "le_i4", "be_u4",
        "le_i8", "be_u8", "fortran", "version2",
    ];
    for name in names {
        let found = read(&numpy(name), MANY).unwrap();
        assert_eq!((found.shape(), found.data()), (expected.shape(), expected.data()), "{name}");
    }
}

#[test]
fn signs_and_extremes_survive() {
    let values = |descr: &str, shape: &str, data: &[u8]| {
        read(&described(descr, shape, data), MANY).unwrap().into_data()
    };
    assert_eq!(values("|i1", "(2,)", &[0xff, 0x80]), [-1.0, -128.0]);
    assert_eq!(values(">i2", "(1,)", &[0xff, 0xfe]), [-2.0]);
    assert_eq!(values("<u2", "(1,)", &[0xff, 0xff]), [65535.0]);
    assert_eq!(values("<i4", "(1,)", &(-3i32).to_le_bytes()), [-3.0]);
    assert_eq!(values("<u4", "(1,)", &u32::MAX.to_le_bytes()), [4_294_967_296.0]);
    assert_eq!(values("<i8", "(1,)", &i64::MIN.to_le_bytes()), [-9_223_372_036_854_775_808.0]);
    assert_eq!(
        values("<f8", "(2,)", &[0.1f64.to_le_bytes(), 1e300f64.to_le_bytes()].concat()),
        [0.1, f32::INFINITY]
    );
    assert_eq!(values("|b1", "(3,)", &[0, 1, 2]), [0.0, 1.0, 1.0]);
}

#[test]
fn shapes_of_every_rank_are_read() {
    let read = |name: &str| read(&numpy(name), MANY).unwrap();
    assert_eq!(read("scalar"), Tensor::new(&[], vec![2.5]).unwrap());
    assert_eq!(read("vector"), Tensor::new(&[2], vec![1.5, -2.5]).unwrap());
    assert_eq!(read("empty"), Tensor::new(&[0, 3], vec![]).unwrap());
    let bools: Vec<f32> = (0..24).map(|i| if i % 3 == 1 { 1.0 } else { 0.0 }).collect();
    assert_eq!(read("bool").data(), bools);
}

#[test]
fn what_holds_no_numbers_is_refused_by_name() {
    for (name, what) in [
        ("object", "Python objects"),
        ("complex", "complex numbers"),
        ("string", "strings"),
        ("date", "dates or times"),
        ("record", "records"),
    ] {
        let error = read(&numpy(name), MANY).unwrap_err();
        assert!(error.to_string().starts_with(&format!("the array holds {what} ")), "{error}");
    }
    let error = read(&described("<f16", "(1,)", &[0; 16]), MANY).unwrap_err();
    assert!(error.to_string().contains("an unknown type"), "{error}");
}

#[test]
fn headers_that_lie_are_refused() {
    let error = |shape: &str| read(&described("<f4", shape, &[0; 8]), MANY).unwrap_err();
    for shape in
        ["(1,)", "(3,)", "(2, 2)", "()", "(0,)", "(4294967296, 4294967296)", "(9223372036854775808, 2)"]
    {
        assert!(matches!(error(shape), NpyError::Size { .. }), "{shape}");
    }
    for shape in ["(99999999999999999999,)", "(-2,)", "(2", "(2,,)", "2", "(2 2)", "(,)"] {
        assert!(matches!(error(shape), NpyError::Header(_)), "{shape}");
    }
    let deep = format!("({})", "1,".repeat(100));
    assert!(matches!(error(&deep), NpyError::Header(_)));
}

#[test]
fn damaged_headers_are_refused() {
    let whole = described("<f4", "(2,)", &[0; 8]);
    assert_eq!(read(&whole, MANY).unwrap().data(), [0.0; 2]);
    for end in 0..whole.len() {
        assert!(read(&whole[..end], MANY).is_err(), "cut at {end}");
    }
    assert_eq!(read(b"\x93NUMPY\x04\x00", MANY), Err(NpyError::Version(4, 0)));
    assert_eq!(read(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", MANY), Err(NpyError::Length));
    for dictionary in [
        "",
        "{}",
        "{'descr': '<f4'}",
        "{'descr': '<f4', 'fortran_order': 1, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}",
        "{'descr': <f4, 'fortran_order': False, 'shape': (2,)}",
        "['descr']",
    ] {
        let error = read(&file(dictionary, &[0; 8]), MANY).unwrap_err();
        assert!(matches!(error, NpyError::Header(_)), "{dictionary}: {error}");
    }
}

#[test]
fn a_limit_holds_for_the_result() {
    let file = described("|u1", "(8,)", &[7; 8]);
    assert_eq!(read(&file, 32).unwrap().data(), [7.0; 8]);
    let error = read(&file, 31).unwrap_err().to_string();
    assert_eq!(error, "an array of shape [8] needs 32 bytes, more than the limit of 31");
}

#[test]
fn what_is_written_is_what_numpy_writes() {
    for name in ["le_f4", "vector", "scalar", "empty"] {
        let original = numpy(name);
        let mut written = Vec::new();
        write(read(&original, MANY).unwrap().view(), &mut written).unwrap();
        assert_eq!(written, original, "{name}");
    }
}

proptest! {
    #[test]
    fn arrays_survive(dims in prop::collection::vec(0usize..5, 0..5), seed: u32) {
        let len = dims.iter().product();
        let data = (0..len).map(|i| f32::from_bits(seed.wrapping_mul(i as u32 + 1))).collect();
        let tensor = Tensor::new(&dims, data).unwrap();
        let mut bytes = Vec::new();
        write(tensor.view(), &mut bytes).unwrap();
        let found = read(&bytes, MANY).unwrap();
        prop_assert_eq!(found.shape(), tensor.shape());
        let bits = |t: &Tensor| t.data().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&found), bits(&tensor));
    }

    #[test]
    fn changed_bytes_never_panic(changes in prop::collection::vec((0usize..128, any::<u8>()), 1..6)) {
        let mut bytes = numpy("fortran");
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        if let Ok(tensor) = read(&bytes, MANY) {
            prop_assert!(tensor.data().len() <= 96);
        }
    }

    #[test]
    fn any_dictionary_never_panics(text in "[{}()\\[\\]',: 0-9TrueFalsdchp<>|f]{0,60}", data: Vec<u8>) {
        let _ = read(&file(&text, &data), MANY);
        let _ = read(&described("<f2", &text, &data), MANY);
    }
}
