//! Files that contradict themselves or ask for too much.

use convc::onnx::proto::{NodeProto, StringStringEntry, TensorProto};
use convc::onnx::read;

use super::models::{Net, floats, int, ints};
use crate::dims;

fn relu() -> Net {
    Net::new(13).input("x", dims![2, 3]).only("Relu", &["x"], vec![])
}

fn rejected(net: &Net) -> String {
    read(net.bytes(), None).expect_err("it is not sound").to_string()
}

#[test]
fn all_prefixes_of_a_file_are_refused_or_read() {
    let bytes = relu().weight("w", &[4, 4]).bytes();
    for end in 0..bytes.len() {
        if let Ok(network) = read(bytes[..end].to_vec(), None) {
            let _ = convc::onnx::lower(&network, &Default::default());
        }
    }
    assert!(read(Vec::new(), None).is_err());
    assert!(read(&b"not an ONNX file at all"[..], None).is_err());
}

#[test]
fn names_that_do_not_fit() {
    let circle = Net::new(13)
        .input("x", dims![2])
        .named("a", "Add", &["x", "q"], &["p"], vec![])
        .named("b", "Relu", &["p"], &["q"], vec![])
        .output("q");
    assert!(rejected(&circle).contains("form a circle: node 0 \"a\" (Add)"));
    assert!(
        rejected(&Net::new(13).only("Relu", &["lost"], vec![]))
            .contains("uses \"lost\", which nothing makes")
    );
    assert!(rejected(&relu().output("lost")).contains("nothing makes the output \"lost\""));
    assert!(rejected(&relu().output("y")).contains("listed twice"));
    assert!(rejected(&relu().node("Relu", &["x"], &["y"], vec![])).contains("exists already"));
    assert!(rejected(&relu().input("x", dims![1])).contains("two inputs"));
    assert!(rejected(&relu().weight("w", &[1]).weight("w", &[1])).contains("two initialisers"));
    let twice = Net::new(13).input("x", dims![2]).only("Relu", &["x"], vec![int("a", 1), int("a", 2)]);
    assert!(rejected(&twice).contains("has \"a\" twice"));
}

#[test]
fn nodes_in_another_order_are_sorted() {
    let mut net = Net::new(13)
        .input("x", dims![2, 3])
        .node("Relu", &["x"], &["a"], vec![])
        .node("Tanh", &["a"], &["y"], vec![])
        .output("y");
    let want = net.shows();
    net.graph().node.reverse();
    assert_eq!(net.shows(), want);
}

#[test]
fn tensors_that_do_not_fit() {
    let with = |t: TensorProto| rejected(&relu().init(t));
    assert!(with(floats("w", &[3], &[1.0])).contains("has 4 bytes, and its axes [3] ask for 12"));
    assert!(with(ints("w", &[3], &[1])).contains("has 1 elements, and its axes [3] ask for 3"));
    assert!(with(floats("w", &[-1], &[])).contains("negative axis"));
    assert!(with(floats("w", &[i64::MAX, i64::MAX], &[])).contains("too large"));
    // Types that are not read matter only where they are used.
    let strings = TensorProto { data_type: Some(8), ..floats("w", &[1], &[]) };
    assert!(read(relu().init(strings.clone()).bytes(), None).is_ok());
    let used = Net::new(13).input("x", dims![2]).init(strings).only("Add", &["x", "w"], vec![]);
    assert!(used.fails().contains("\"w\" has ONNX's type 8"));
}

#[test]
fn small_files_do_not_become_large() {
    // A node of two bytes is a structure of hundreds.
    let mut net = relu();
    net.graph().node = vec![NodeProto::default(); 70_000];
    assert!(rejected(&net).contains("nodes of the graph"));
    let mut net = relu();
    net.graph().initializer = vec![TensorProto::default(); 2_000_000];
    assert!(rejected(&net).contains("bytes of memory to decode"));
    let net = Net::new(13).input("x", dims![1i64 << 40]).only("Relu", &["x"], vec![]);
    assert!(rejected(&net).contains("has the length 1099511627776"));
    let net = Net::new(13).input("x", dims![1i64 << 30, 1 << 30]).only("Relu", &["x"], vec![]);
    assert!(net.fails().contains("is too large"));
}

#[test]
fn external_data_stays_beneath_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let data: Vec<u8> = [1.0f32, 2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(folder.path().join("w.bin"), &data).expect("written");
    let outside = tempfile::tempdir().expect("a folder");
    std::fs::write(outside.path().join("o.bin"), &data).expect("written");
    #[cfg(unix)]
    std::os::unix::fs::symlink(outside.path().join("o.bin"), folder.path().join("link.bin")).expect("linked");
    let net = |entries: &[(&str, &str)], n: i64| {
        let entry =
            |(k, v): &(&str, &str)| StringStringEntry { key: Some((*k).into()), value: Some((*v).into()) };
        let tensor = TensorProto {
            data_location: Some(1),
            external_data: entries.iter().map(entry).collect(),
            raw_data: None,
            ..floats("w", &[n], &[])
        };
        Net::new(13).input("x", dims![n]).init(tensor).only("Add", &["x", "w"], vec![]).bytes()
    };
    let load = |entries: &[(&str, &str)], n| {
        read(net(entries, n), Some(folder.path())).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(load(&[("location", "w.bin")], 3), Ok(()));
    assert_eq!(load(&[("location", "w.bin"), ("offset", "4"), ("length", "8")], 2), Ok(()));
    for (entries, n, part) in [
        (vec![("location", "../w.bin")], 3, "contains `..`"),
        (vec![("location", "/etc/hostname")], 3, "is absolute"),
        (vec![("location", "link.bin")], 3, "a link leads out"),
        (vec![("location", "none.bin")], 3, "no such file"),
        (vec![("location", ".")], 3, "a folder"),
        (vec![("location", "w.bin"), ("offset", "8")], 3, "which has 12"),
        (vec![("location", "w.bin"), ("offset", "18446744073709551615")], 3, "which has 12"),
        (vec![("location", "w.bin"), ("offset", "-1")], 3, "not a number"),
        (vec![("location", "w.bin"), ("length", "4")], 3, "ask for 12"),
        (vec![("offset", "0")], 3, "no location"),
    ] {
        let error = load(&entries, n).expect_err("refused");
        assert!(error.contains(part), "{entries:?}: {error}");
    }
    let no_folder = read(net(&[("location", "w.bin")], 3), None).expect_err("refused").to_string();
    assert!(no_folder.contains("does not come from a folder"));
    // One small file for many tensors.
    let mut many = Net::new(13).input("x", dims![3]).only("Relu", &["x"], vec![]);
    for i in 0..100 {
        let location = StringStringEntry { key: Some("location".into()), value: Some("w.bin".into()) };
        let name = format!("w{i}");
        let tensor = TensorProto {
            data_location: Some(1),
            external_data: vec![location],
            raw_data: None,
            ..floats(&name, &[3], &[])
        };
        many = many.init(tensor);
    }
    let error = read(many.bytes(), Some(folder.path())).expect_err("refused").to_string();
    assert!(error.contains("at most 24 are allowed"), "{error}");
}

#[test]
fn unknown_operators_are_all_named() {
    let mut net = Net::new(13)
        .input("x", dims![2])
        .named("first", "Fancy", &["x"], &["a"], vec![])
        .node("Fancy", &["a"], &["b"], vec![])
        .node("If", &["b"], &["c"], vec![])
        .node("Other", &["x"], &["unused"], vec![])
        .only("Relu", &["c"], vec![]);
    net.graph().node[1].domain = Some("ai.onnx".into());
    assert_eq!(
        net.fails(),
        "operators that cannot be imported: node 0 \"first\" (Fancy) and 1 other; \
         node 2 (If): it has a graph of its own, which runs or not, or often, by what the input holds"
    );
    net.graph().node[0].domain = Some("com.microsoft".into());
    assert!(
        net.fails()
            .starts_with("operators that cannot be imported: node 0 \"first\" (com.microsoft.Fancy); node 1")
    );
    let old = Net::new(6).input("x", dims![2]).only("Relu", &["x"], vec![]).fails();
    assert!(old.contains("version 6 of ONNX's operators") && old.contains("convert_version"), "{old}");
    let late = Net::new(13)
        .input("x", dims![2])
        .node("Floor", &["x"], &["a"], vec![])
        .only("Floor", &["a"], vec![])
        .fails();
    assert_eq!(
        late,
        "node 0 (Floor): it is computed for constants only, and an operand depends on an input (1 other node is Floor)"
    );
}
