use super::{RenderOptions, escape, render};
use crate::diag::{Code, Diagnostic};
use crate::source::{Source, Span};

fn at(text: &str, part: &str) -> Span {
    let start = text.find(part).expect("the part is in the text");
    Span::new(start as u32, (start + part.len()) as u32)
}

fn plain(text: &str, diagnostic: &Diagnostic) -> String {
    render(&Source::new("m.conv", text), diagnostic, RenderOptions::default())
}

#[test]
fn shows_labels_notes_and_help() {
    let text = "model m {\n  input x [3, 8, 8]\n  conv(kernel=9, out=4)\n}\n";
    let diagnostic =
        Diagnostic::error(Code::Syntax, at(text, "kernel=9"), "the kernel is larger than the input")
            .label("9")
            .also(at(text, "[3, 8, 8]"), "8×8")
            .note("out = floor((8 + 0 - 9)/1) + 1 = 0")
            .help("pad=1 would give 2×2");
    insta::assert_snapshot!(plain(text, &diagnostic), @r"
    error[E0101]: the kernel is larger than the input
     --> m.conv:3:8
      |
    2 |   input x [3, 8, 8]
      |           --------- 8×8
    3 |   conv(kernel=9, out=4)
      |        ^^^^^^^^ 9
      |
      = note: out = floor((8 + 0 - 9)/1) + 1 = 0
      = help: pad=1 would give 2×2
    ");
    let source = Source::new("m.conv", text);
    assert_eq!(diagnostic.position(&source), Some((3, 8)));
    let colored = render(&source, &diagnostic, RenderOptions { color: true });
    assert!(colored.contains('\u{1b}'));
    let file = Diagnostic::file_error(Code::NotUtf8, "no text").note("a fact");
    assert_eq!(file.position(&source), None);
    insta::assert_snapshot!(plain(text, &file), @r"
    error[E0002]: no text
    --> m.conv
     = note: a fact
    ");
    let warning = Diagnostic::warning(Code::Syntax, at(text, "model"), "a warning");
    assert!(plain(text, &warning).starts_with("warning[E0101]: a warning\n"));
}

/// The caret's column in the line below the shown one, counted in columns of a terminal.
#[track_caller]
fn caret(text: &str, part: &str) -> (usize, usize) {
    let shown = plain(text, &Diagnostic::error(Code::Syntax, at(text, part), "m"));
    let line = shown.lines().find(|line| line.contains('^')).expect("there is a caret");
    let start = line.find('^').expect("just found") - line.find('|').expect("a margin") - 2;
    (start, line.matches('^').count())
}

#[test]
fn the_caret_stands_under_wide_characters_and_tabs() {
    assert_eq!(caret("abc here", "here"), (4, 4));
    assert_eq!(caret("漢字 here", "here"), (5, 4), "each takes two columns");
    assert_eq!(caret("é here", "here"), (2, 4));
    assert_eq!(caret("e\u{301} here", "here"), (2, 4), "a combining accent takes none");
    assert_eq!(caret("\there", "here"), (4, 4), "a tab is shown as four blanks");
    assert_eq!(caret("a 漢字", "漢字"), (2, 4));
    assert_eq!(caret("x\r\n\r\n  here\r\n", "here"), (2, 4));
    assert_eq!(caret("\u{9b}\u{85} here", "here"), (3, 4), "controls above U+007F have a width");
    assert_eq!(caret("\u{1b}[31m here", "here"), (6, 4));
}

#[test]
fn no_control_character_reaches_the_terminal() {
    let text = "a \u{1b}[2J \u{9b}2J \u{7} \u{202e} b\r\n";
    let name = "m\u{1b}]0;x\u{7}.conv";
    let diagnostic = Diagnostic::error(Code::Syntax, at(text, "b"), "m \u{1b}[31m \u{9b}")
        .label("l \u{1b}[31m\n")
        .also(at(text, "a"), "\u{1b}[31m")
        .note("n \u{1b}[31m\nsecond line \u{202e}")
        .help("h \u{1b}[31m");
    let source = Source::new(name, text);
    let shown = render(&source, &diagnostic, RenderOptions::default());
    let bad: Vec<char> =
        shown.chars().filter(|&c| c != '\n' && (c.is_control() || c == '\u{202e}')).collect();
    assert_eq!(bad, [], "{shown}");
    assert!(shown.contains("n \\u{1b}[31m\n") && shown.contains(" second line \\u{202e}\n"), "{shown}");
    assert_eq!(escape("a\u{1b}\n\tb漢"), "a\\u{1b}\\n\\tb漢");
}

#[test]
fn spans_outside_of_the_text_are_harmless() {
    for text in ["", "a", "漢", "\n", "a\n", "漢\u{85}字\n"] {
        for start in 0..12 {
            for end in 0..12 {
                let diagnostic = Diagnostic::error(Code::Syntax, Span::new(start, end), "m")
                    .label("l")
                    .also(Span::new(end, start), "s");
                assert!(plain(text, &diagnostic).contains("m.conv:"));
            }
        }
    }
    plain("a", &Diagnostic::error(Code::Syntax, Span::new(u32::MAX, u32::MAX), "m"));
}

#[test]
fn a_text_of_one_very_long_line_is_cut() {
    let text = format!("{}here{}", "a, ".repeat(100_000), ", b".repeat(100_000));
    let shown = plain(&text, &Diagnostic::error(Code::Syntax, at(&text, "here"), "m"));
    assert!(shown.len() < 2_000, "{} bytes", shown.len());
    assert!(shown.contains("here") && shown.contains("^^^^"));
}
