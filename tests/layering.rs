//! Imports point one way: each part of `src` may use what is listed before it and itself.

use std::fs;
use std::path::{Path, PathBuf};

/// The parts from the bottom up; those of one entry do not import one another, but for `plan` and
/// `kernels`, see [`ALLOWED`].
const LAYERS: &[&[&str]] = &[
    &["pages"],
    &["source", "limits", "tensor", "target"],
    &["diag"],
    &["syntax", "io"],
    &["graph"],
    &["plan"],
    &["kernels"],
    &["code"],
    &["runtime"],
    &["pipeline", "onnx"],
    &["model"],
    &["train"],
    &["cli"],
];

/// Imports that point up and are meant: the plan names bases and lanes of the vector IR's definitions.
const ALLOWED: &[(&str, &str)] = &[("plan", "kernels::ir"), ("plan", "kernels::step")];

fn layer(part: &str) -> Option<usize> {
    LAYERS.iter().position(|parts| parts.contains(&part))
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src can be listed") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// The part that a file belongs to: its first folder, or its own name.
fn part_of(path: &Path) -> String {
    let below = path.strip_prefix("src").expect("below src");
    let first = below.components().next().expect("a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// What follows each `crate::` on a line.
fn imports(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1)
}

#[test]
fn imports_point_downwards_only() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    files.sort();
    let mut wrong = Vec::new();
    for file in &files {
        let part = part_of(file);
        let in_tests = file.components().any(|c| c.as_os_str() == "tests" || c.as_os_str() == "tests.rs");
        let testbed = file.ends_with("testbed.rs") || file.ends_with("testing.rs");
        if matches!(part.as_str(), "lib" | "main") || in_tests || testbed {
            continue;
        }
        let Some(own) = layer(&part) else {
            panic!("{} belongs to no layer: add it to LAYERS", file.display());
        };
        let text = fs::read_to_string(file).expect("a source can be read");
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for import in imports(line) {
                let used: String = import.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let allowed = ALLOWED.iter().any(|(from, to)| *from == part && import.starts_with(to));
                if layer(&used).is_some_and(|l| l > own || l == own && used != part) && !allowed {
                    wrong.push(format!("{}:{}: {part} uses {used}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(files.len() > 100, "the sources were not found");
    assert!(wrong.is_empty(), "imports that point upwards:\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_is_where_it_is_meant_to_be() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    // Tests map guard pages and call kernels by themselves.
    let of_tests = |f: &&PathBuf| f.components().any(|c| c.as_os_str() == "tests");
    let mut opted: Vec<String> = files
        .iter()
        .filter(|f| !of_tests(f))
        .filter(|f| fs::read_to_string(f).expect("readable").contains("#![allow(unsafe_code"))
        .map(|f| f.display().to_string())
        .collect();
    opted.sort();
    let expected = [
        "src/pages.rs",
        "src/runtime/buffer.rs",
        "src/runtime/call.rs",
        "src/runtime/executor.rs",
        "src/runtime/map/jit.rs",
        "src/runtime/map/pages.rs",
    ];
    assert_eq!(opted, expected, "a file with unsafe code needs a reason to be on this list");
}

#[test]
fn kernels_are_compiled_not_written_with_intrinsics() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    for file in files {
        let text = fs::read_to_string(&file).expect("readable");
        let bad = text.lines().find(|l| {
            !l.trim_start().starts_with("//")
                && (l.contains("std::arch::x86_64") || l.contains("core::arch::") || l.contains("asm!("))
        });
        assert_eq!(bad, None, "{}", file.display());
    }
}
