//! Common mistakes and what mends them.

use super::expect::Found;
use super::explain::Scope;
use super::scan::end_of_string;
use super::span;
use crate::diag::{Code, Diagnostic, did_you_mean};

/// A place where a piece of text does not parse.
pub(super) struct Mistake<'a> {
    /// The statement or definition.
    pub piece: &'a str,
    /// Where it begins in the text.
    pub start: usize,
    /// Where in it the parser stopped.
    pub at: usize,
    /// What stands there.
    pub found: &'a Found,
    /// What the grammar would have taken, in words.
    pub expected: &'a [&'static str],
    /// Where the piece stands.
    pub scope: Scope,
}

impl<'a> Mistake<'a> {
    fn expects(&self, words: &str) -> bool {
        self.expected.contains(&words)
    }

    /// Whether an expression could stand here.
    fn expects_value(&self) -> bool {
        ["a value", "an axis", "a setting", "a statement"].iter().any(|words| self.expects(words))
    }

    fn before(&self) -> &'a str {
        self.piece.get(..self.at).unwrap_or("").trim_end()
    }

    fn rest(&self) -> &'a str {
        self.piece.get(self.at..).unwrap_or("")
    }

    /// What stands before the place, and the word at its end.
    fn word_before(&self) -> (&'a str, &'a str) {
        let before = self.before();
        before.split_at(before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len())
    }
}

const ITEM_WORDS: [&str; 3] = ["kernel", "block", "model"];
const STATEMENT_WORDS: [&str; 7] = ["input", "tensor", "param", "weights", "labels", "output", "repeat"];

/// The keywords that begin something.
fn keywords(scope: Scope) -> &'static [&'static str] {
    match scope {
        Scope::Item => &ITEM_WORDS,
        Scope::Statement => &STATEMENT_WORDS,
    }
}

/// Whether a text is one keyword.
pub(super) fn is_keyword(text: &str, scope: Scope) -> bool {
    keywords(scope).contains(&text.trim())
}

/// The first word of a piece, and the rest after it and its blanks.
fn first_word(piece: &str) -> (&str, &str) {
    let end = piece.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(piece.len());
    let (word, rest) = piece.split_at(end);
    (word, rest.trim_start_matches([' ', '\t']))
}

/// Whether a text begins like a name, a number or a string.
fn begins_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '"'))
}

/// Whether a piece begins as a definition does: with a keyword, or nearly one and a name.
pub(super) fn looks_like_item(piece: &str) -> bool {
    let (word, rest) = first_word(piece);
    ITEM_WORDS.contains(&word) || (begins_word(rest) && did_you_mean(word, ITEM_WORDS).is_some())
}

/// A definition inside of a body.
pub(super) fn misplaced(piece: &str, start: usize, scope: Scope) -> Option<Diagnostic> {
    let (word, rest) = first_word(piece);
    let inside = scope == Scope::Statement && ITEM_WORDS.contains(&word);
    if !inside || !rest.starts_with(|c: char| c.is_alphabetic()) {
        return None;
    }
    let place = span(start, start + word.len());
    let message = format!("a `{word}` cannot be defined inside of a body");
    Some(
        Diagnostic::error(Code::Syntax, place, message)
            .help("move it out, to the top of the file, or close the body before it with `}`"),
    )
}

/// Mistakes that have a better message than what was expected and what was found.
pub(super) fn special(mistake: &Mistake<'_>) -> Option<Diagnostic> {
    let text = mistake.found.text.as_str();
    let first = text.chars().next()?;
    if first == '"' && (text.len() == 1 || expects_string(mistake)) {
        return Some(bad_string(mistake));
    }
    if is_bad_number(text) && mistake.expects_value() {
        return Some(bad_number(mistake));
    }
    if !text.is_ascii() || first.is_control() {
        return Some(bad_character(mistake));
    }
    unknown_keyword(mistake)
}

/// A word in the place of a keyword.
fn unknown_keyword(mistake: &Mistake<'_>) -> Option<Diagnostic> {
    let (word, rest) = first_word(mistake.piece);
    let at_start = mistake.at == 0 || mistake.before() == word;
    if !at_start || !(begins_word(rest) || (mistake.scope == Scope::Item && rest.starts_with('{'))) {
        return None;
    }
    let help = match did_you_mean(word, keywords(mistake.scope).iter().copied()) {
        _ if keywords(mistake.scope).contains(&word) => return None,
        Some(meant) => format!("did you mean `{meant}`?"),
        None => foreign_keyword(word)?.to_owned(),
    };
    let place = span(mistake.start, mistake.start + word.len());
    Some(Diagnostic::error(Code::Syntax, place, format!("there is no keyword `{word}`")).help(help))
}

/// Keywords of other languages.
fn foreign_keyword(word: &str) -> Option<&'static str> {
    Some(match word {
        "fn" | "def" | "func" | "function" | "layer" => {
            "a part used several times is written `block name(out, stride=1) {`"
        }
        "class" | "net" | "network" | "graph" => "a network is written `model name {`",
        "filter" | "taps" => "taps are written `kernel name = [[1, 2, 1], [2, 4, 2], [1, 2, 1]]`",
        "let" | "var" | "const" | "auto" => "a name is given without a keyword: `name = value`",
        "for" | "while" | "loop" => "a loop is written `repeat 3 as i {`",
        "return" | "yield" => "an output is named by `output name`; without it the last value is the output",
        "if" | "else" | "match" => "there are no conditions",
        "import" | "use" | "include" | "from" => "a model is one file: blocks and kernels are defined in it",
        _ => return None,
    })
}

fn bad_character(mistake: &Mistake<'_>) -> Diagnostic {
    let found = mistake.found;
    let first = found.text.chars().next().unwrap_or_default();
    if first.is_alphanumeric() || first == '_' {
        return Diagnostic::error(Code::BadCharacter, found.span, format!("{} is not a name", found.words))
            .label("names consist of the letters a to z and A to Z, digits and `_`")
            .help("comments and strings may contain any character");
    }
    let at = found.span.start as usize;
    let place = span(at, at + first.len_utf8());
    let number = format!("U+{:04X}", u32::from(first));
    if first.is_control() {
        let message = format!("the control character {number} is not part of the language");
        return Diagnostic::error(Code::BadCharacter, place, message);
    }
    let diagnostic = match look_alike(first) {
        Some(_) if is_invisible(first) => Diagnostic::error(
            Code::BadCharacter,
            place,
            format!("the invisible character {number} is not part of the language"),
        ),
        _ => Diagnostic::error(
            Code::BadCharacter,
            place,
            format!("the character `{first}` ({number}) is not part of the language"),
        ),
    };
    match look_alike(first) {
        Some(meant) => diagnostic.help(meant),
        None => diagnostic,
    }
}

fn is_invisible(char: char) -> bool {
    matches!(char, '\u{a0}' | '\u{2000}'..='\u{200f}' | '\u{202f}' | '\u{2060}' | '\u{3000}' | '\u{feff}')
}

fn expects_string(mistake: &Mistake<'_>) -> bool {
    mistake.expects_value() || mistake.expects("a string in quotes")
}

fn bad_string(mistake: &Mistake<'_>) -> Diagnostic {
    let text = mistake.rest();
    let at = mistake.start + mistake.at;
    let line = text.find(['\n', '\r']).map_or(text, |end| &text[..end]);
    let Some(end) = end_of_string(line.as_bytes(), 1) else {
        return Diagnostic::error(
            Code::BadString,
            span(at, at + line.trim_end().len()),
            "a string is not closed",
        )
        .label("`\"` is missing at its end")
        .help("a string stands on one line; `\\\"` is a quote inside of it");
    };
    let string = line.get(..end).unwrap_or(line);
    if let Some(control) = string.find(|c: char| c.is_control() && c.is_ascii()) {
        return Diagnostic::error(
            Code::BadString,
            span(at + control, at + control + 1),
            "a string contains a control character",
        );
    }
    let mut chars = string.char_indices().peekable();
    let mut escape = 0;
    while let Some((i, char)) = chars.next() {
        if char == '\\' {
            match chars.next() {
                Some((_, '"' | '\\')) => {}
                _ => {
                    escape = i;
                    break;
                }
            }
        }
    }
    let len = string.get(escape..).map_or(1, |rest| rest.chars().take(2).map(char::len_utf8).sum());
    Diagnostic::error(
        Code::BadString,
        span(at + escape, at + escape + len),
        "a string contains an unknown escape",
    )
    .label("only `\\\"` and `\\\\` are known")
    .help("folders are separated by `/`; a backslash is written `\\\\`")
}

/// Whether a token begins as a number and cannot be one.
fn is_bad_number(token: &str) -> bool {
    let number = token.strip_prefix('.').unwrap_or(token);
    number.starts_with(|c: char| c.is_ascii_digit())
}

/// How to write what a character from a text processor or a foreign keyboard looks like.
fn look_alike(char: char) -> Option<&'static str> {
    Some(match char {
        '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{ab}' | '\u{bb}' | '\u{ff02}' => {
            "strings are written in straight double quotes: `\"…\"`"
        }
        '\u{2212}' | '\u{2013}' | '\u{2014}' | '\u{ff0d}' => "write `-`",
        '\u{d7}' | '\u{22c5}' | '\u{b7}' | '\u{2217}' | '\u{ff0a}' => "write `*`",
        '\u{f7}' | '\u{2215}' | '\u{ff0f}' => "write `/`",
        '\u{2192}' | '\u{27f6}' | '\u{21d2}' => "write `->`",
        '\u{25b7}' | '\u{25b6}' => "write `|>`",
        '\u{ff0c}' | '\u{3001}' => "write `,`",
        '\u{ff08}' => "write `(`",
        '\u{ff09}' => "write `)`",
        '\u{ff3b}' | '\u{3010}' => "write `[`",
        '\u{ff3d}' | '\u{3011}' => "write `]`",
        '\u{ff5b}' => "write `{`",
        '\u{ff5d}' => "write `}`",
        '\u{ff1d}' => "write `=`",
        '\u{ff0b}' => "write `+`",
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{3000}' => "write a plain blank",
        _ if is_invisible(char) => "delete it",
        _ => return None,
    })
}

/// What would mend a mistake.
pub(super) fn hint(mistake: &Mistake<'_>) -> Option<String> {
    operator_hint(mistake)
        .map(str::to_owned)
        .or_else(|| bracket_hint(mistake))
        .or_else(|| form_hint(mistake))
        .or_else(|| line_hint(mistake).map(str::to_owned))
}

/// Symbols of other languages.
fn operator_hint(mistake: &Mistake<'_>) -> Option<&'static str> {
    let before = mistake.before();
    let found = mistake.found.text.as_str();
    Some(match found {
        "//" | "/*" => "comments start with `#`",
        // The parser took the first character for an operator.
        "/" | "*" if before.ends_with('/') => "comments start with `#`",
        "**" | "^" => "a power is written `pow(a, b)`",
        "*" if before.ends_with('*') => "a power is written `pow(a, b)`",
        "=>" => "a note of the shape is written `-> [64, 112, 112]`",
        ">" if before.ends_with('=') => "a note of the shape is written `-> [64, 112, 112]`",
        "==" | "===" | ":=" => "write a single `=`",
        ";" => "a statement ends with its line: leave the `;` out",
        ":" if mistake.expects("`,`") => "a setting is given by `=`: `kernel=3`",
        ":" => "write `=`",
        "'" | "`" => "strings are written in double quotes: `\"…\"`",
        "|" | "||" => "a pipe is written `|>`",
        "&&" | "&" | "!" | "<" | ">" | "!=" | "<=" | ">=" | "?" => {
            "there are no comparisons and no logic; the operators are `+ - * / %` and `|>`"
        }
        "->" => "a note of the shape goes on the line of its statement, after the value",
        _ => return None,
    })
}

fn bad_number(mistake: &Mistake<'_>) -> Diagnostic {
    let token = mistake.found.text.as_str();
    let diagnostic = Diagnostic::error(
        Code::BadNumber,
        mistake.found.span,
        format!("{} is not a number", mistake.found.words),
    );
    let help = if token.starts_with('.') {
        format!("write `0{token}`")
    } else if let Some(whole) = token.strip_suffix('.') {
        format!("write `{whole}` or `{whole}.0`")
    } else if token.contains('_') {
        format!("write the digits without `_`: `{}`", token.replace('_', ""))
    } else {
        "numbers are written like `3`, `0.5` and `1e-5`; a name starts with a letter".to_owned()
    };
    diagnostic.help(help)
}

/// How a statement or a definition is written, if its first words are wrong.
fn form_hint(mistake: &Mistake<'_>) -> Option<String> {
    let (word, _) = first_word(mistake.piece);
    let before = mistake.before();
    let in_header = before.starts_with(word) && !before.contains(['(', '[', '=']);
    if word == "repeat" && before.ends_with('}') {
        return Some("a blank is needed before the `{` of a body".to_owned());
    }
    if word == "input" && before.ends_with(']') && mistake.found.text.starts_with('"') {
        return Some("the file is given by `=`: `input name [3, H, W] = \"file.png\"`".to_owned());
    }
    let form = match word {
        "kernel" => "`kernel name = [[1, 2, 1], [2, 4, 2], [1, 2, 1]]`",
        "block" => "`block name(out, stride=1) {`, with the `{` on the same line",
        "model" => "`model name {`, with the `{` on the same line",
        "input" => "`input name [3, H, W]`",
        "tensor" => "`tensor name [3, 4, 5]`",
        "param" => "`param name [3, 4, 5]`",
        "weights" => "`weights \"file.safetensors\"`",
        "labels" => "`labels \"file.txt\"`",
        "output" => "`output a, b`",
        "repeat" => "`repeat 3 as i {`, with the `{` on the same line",
        _ => return None,
    };
    let is_its_scope = keywords(mistake.scope).contains(&word);
    (in_header && is_its_scope).then(|| format!("it is written {form}"))
}

/// Inside brackets.
fn bracket_hint(mistake: &Mistake<'_>) -> Option<String> {
    let found = mistake.found.text.as_str();
    if mistake.rest().starts_with(')') && mistake.before().ends_with(['(', ',']) && mistake.expects("a value")
    {
        return Some("a tuple has two values or more: `(1, 2)`".to_owned());
    }
    if !mistake.expects("`,`") || !(begins_word(found) || found.starts_with(['[', '('])) {
        return None;
    }
    let (before, word) = mistake.word_before();
    let begins_argument = before.trim_end().ends_with(['(', ',']) && mistake.expects("`)`");
    if !begins_argument || !word.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Some("a comma is missing before it".to_owned());
    }
    Some(match found.chars().next() {
        Some(c) if c.is_ascii_digit() || c == '"' => format!("a setting is given by `=`: `{word}={found}`"),
        _ => "a comma or a `=` is missing before it".to_owned(),
    })
}

/// At the end of a statement or in its place.
fn line_hint(mistake: &Mistake<'_>) -> Option<&'static str> {
    let found = mistake.found.text.as_str();
    if found == "." {
        return Some("the parts of a name are joined by single dots: `layer1.0`, `layer1.{i}`");
    }
    if !mistake.expects("the end of the line") {
        return None;
    }
    match found {
        "{" => Some("only `model`, `block` and `repeat` have a body"),
        "(" => Some("only a plain name can be called: no dots and no `{…}`"),
        "[" => Some("taps and lists stand alone; sizes are given in `(…)`"),
        ")" | "]" => Some("it closes nothing: leave it out"),
        _ if begins_word(found) => {
            Some("an operator is missing before it, or a line break: there is one statement a line")
        }
        _ => None,
    }
}
