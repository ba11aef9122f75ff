use proptest::prelude::*;

use super::format;
use crate::source::Source;
use crate::syntax::testing::texts;
use crate::syntax::{dump, parse};

fn formatted(text: &str) -> String {
    format(&Source::new("m.conv", text)).expect("the text parses")
}

/// The tree without spans, and the comments.
fn meaning(text: &str) -> (String, Vec<String>) {
    let (file, diagnostics) = parse(&Source::new("m.conv", text));
    assert_eq!(diagnostics, [], "{text}");
    (dump(&file), file.comments.into_iter().map(|comment| comment.text).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn formatting_keeps_the_tree_and_the_comments_and_is_idempotent(text in texts()) {
        let once = formatted(&text);
        prop_assert_eq!(meaning(&once), meaning(&text), "of\n{}\nwas made\n{}", text, once);
        let twice = formatted(&once);
        prop_assert_eq!(&twice, &once, "{}", text);
        prop_assert!(!once.lines().any(|line| line.ends_with([' ', '\t', '\r'])), "{}", once);
        prop_assert!(!once.contains("\n\n\n") && !once.starts_with('\n') && !once.ends_with("\n\n"), "{}", once);
        prop_assert!(once.is_empty() || once.ends_with('\n'));
    }
}

#[test]
fn a_text_with_errors_is_left_alone() {
    let errors =
        format(&Source::new("m.conv", "model m {\n conv(kernel==3)\n}")).expect_err("it does not parse");
    assert_eq!(errors.len(), 1);
}

#[test]
fn canonical_spacing() {
    for (text, expected) in [
        ("", ""),
        ("\n\n", ""),
        ("#c", "#c\n"),
        ("kernel  k=[ [1,-2 ] ]", "kernel k = [[1, -2]]\n"),
        ("model m{}", "model m {}\n"),
        ("model m {\n\n\n}", "model m {}\n"),
        ("model m {#c\n}", "model m {  #c\n}\n"),
        ("block b ( ) { relu}", "block b { relu }\n"),
        ("block b(a ,c = 1,) {\nrelu\n}", "block b(a, c=1) {\n  relu\n}\n"),
        (
            "model m {\n a=-b*- c+( d )->[1,_]\n\n\n output a , b\n\n}",
            "model m {\n  a = -b * -c + (d) -> [1, _]\n\n  output a, b\n}\n",
        ),
        ("model m {\n x.{ i + 1 }y = f( a , b = 2 )\n}", "model m {\n  x.{i+1}y = f(a, b=2)\n}\n"),
        (
            "model m {\n repeat  2*n  as i {relu}\n repeat 3 {\nrelu }\n}",
            "model m {\n  repeat 2 * n as i { relu }\n  repeat 3 {\n    relu\n  }\n}\n",
        ),
        ("model m { |> relu }", "model m { it |> relu }\n"),
    ] {
        assert_eq!(formatted(text), expected, "{text}");
    }
}

#[test]
fn the_authors_line_breaks_are_kept() {
    for text in [
        "kernel k = [[ 1, -20],\n            [30,   4]]\n",
        "kernel k = [\n  [ 1, -20],\n  [30,   4],\n]\n",
        "kernel k = [1, 2,\n            3]\n",
        "model m {\n  a = b\n    |> conv(kernel=3,\n            out=4)\n    |> relu\n}\n",
        "model m {\n  a = b +\n    c\n  d = f(\n    a,\n    b, c,\n  )\n}\n",
        "model m {\n  a = b  # one\n  cde    # two\n\n  f  # three\n  # four\n}  # five\n",
    ] {
        assert_eq!(formatted(text), text);
    }
}
