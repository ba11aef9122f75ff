//! Common mistakes and what mends them.

use super::expect::Found;
use super::explain::Scope;
use super::grammar::Rule;
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
    /// What the grammar would have taken.
    pub rules: &'a [Rule],
    /// The same in words.
    pub expected: &'a [&'static str],
    /// Where the piece stands.
    pub scope: Scope,
}

impl<'a> Mistake<'a> {
    fn expects(&self, words: &str) -> bool {
        self.expected.contains(&words)
    }

    fn before(&self) -> &'a str {
        self.piece.get(..self.at).unwrap_or("").trim_end()
    }

    fn rest(&self) -> &'a str {
        self.piece.get(self.at..).unwrap_or("")
    }

    /// The word that ends just before the place.
    fn word_before(&self) -> &'a str {
        let before = self.before();
        let start = before.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).map_or(0, |i| {
            i + before.get(i..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
        });
        before.get(start..).unwrap_or("")
    }
}

const ITEM_WORDS: [&str; 3] = ["kernel", "block", "model"];
const STATEMENT_WORDS: [&str; 6] = ["input", "tensor", "weights", "labels", "output", "repeat"];

/// The first word of a piece, and the rest after it and its blanks.
fn first_word(piece: &str) -> (&str, &str) {
    let end = piece.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(piece.len());
    let (word, rest) = piece.split_at(end);
    (word, rest.trim_start_matches([' ', '\t']))
}

/// The keyword that a word is a misspelling of, if it is one.
fn misspelt<'a>(word: &str, keywords: &[&'a str]) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let meant = did_you_mean(&lower, keywords.iter().copied())?;
    (meant != word).then_some(meant)
}

/// Whether a piece begins as a definition does: a keyword, or nearly one, and a name.
pub(super) fn looks_like_item(piece: &str) -> bool {
    let (word, rest) = first_word(piece);
    let names = rest.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let exact = ITEM_WORDS.contains(&word);
    let opens = exact && rest.starts_with('{');
    opens || (names && (exact || misspelt(word, &ITEM_WORDS).is_some()))
}

/// A definition inside of a body.
pub(super) fn misplaced(piece: &str, start: usize, scope: Scope) -> Option<Diagnostic> {
    let (word, rest) = first_word(piece);
    let inside = scope == Scope::Statement && ITEM_WORDS.contains(&word);
    if !inside || !rest.starts_with(|c: char| c.is_alphabetic()) {
        return None;
    }
    Some(
        Diagnostic::error(
            Code::Syntax,
            span(start, start + word.len()),
            format!("a `{word}` cannot be defined inside of a body"),
        )
        .help(format!("move this `{word}` to the top of the file, before the `model` that uses it")),
    )
}

/// Mistakes that have a better message than what was expected and what was found.
pub(super) fn special(mistake: &Mistake<'_>) -> Option<Diagnostic> {
    let found = mistake.found;
    let first = found.text.chars().next()?;
    if first == '"' && mistake.rules.contains(&Rule::string) {
        return Some(bad_string(mistake));
    }
    if is_bad_number(&found.text) && mistake.rules.contains(&Rule::number) {
        return Some(
            Diagnostic::error(Code::BadNumber, found.span, format!("{} is not a number", found.words))
                .label("numbers are written like `3`, `0.5` or `1e-5`"),
        );
    }
    if let Some(meant) = look_alike(first) {
        let at = found.span.start as usize;
        return Some(
            Diagnostic::error(
                Code::BadCharacter,
                span(at, at + first.len_utf8()),
                format!("the character `{first}` (U+{:04X}) is not part of the language", u32::from(first)),
            )
            .help(format!("write {meant}")),
        );
    }
    if first.is_control() || (!first.is_ascii() && !first.is_alphanumeric()) {
        let at = found.span.start as usize;
        let shown = if first.is_control() { String::new() } else { format!("`{first}` ") };
        let text = format!("the character {shown}(U+{:04X}) is not part of the language", u32::from(first));
        return Some(Diagnostic::error(Code::BadCharacter, span(at, at + first.len_utf8()), text));
    }
    if !found.text.is_ascii() && first.is_alphanumeric() {
        return Some(
            Diagnostic::error(Code::BadCharacter, found.span, format!("{} is not a name", found.words))
                .label("names consist of the letters a to z, A to Z, digits and `_`")
                .help("comments and strings may contain any character"),
        );
    }
    // A name that begins well and then has a foreign letter: the parser stops within it.
    None
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
            "strings in straight double quotes: `\"…\"`"
        }
        '\u{2212}' | '\u{2013}' | '\u{2014}' | '\u{ff0d}' => "`-`",
        '\u{d7}' | '\u{22c5}' | '\u{b7}' | '\u{2217}' | '\u{ff0a}' => "`*`",
        '\u{f7}' | '\u{2215}' | '\u{ff0f}' => "`/`",
        '\u{2192}' | '\u{27f6}' | '\u{21d2}' => "`->`",
        '\u{25b7}' | '\u{25b6}' => "`|>`",
        '\u{ff0c}' | '\u{3001}' => "`,`",
        '\u{ff08}' => "`(`",
        '\u{ff09}' => "`)`",
        '\u{ff3b}' | '\u{3010}' => "`[`",
        '\u{ff3d}' | '\u{3011}' => "`]`",
        '\u{ff5b}' => "`{`",
        '\u{ff5d}' => "`}`",
        '\u{ff1d}' => "`=`",
        '\u{ff0b}' => "`+`",
        '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{3000}' | '\u{2009}' => "a plain space",
        '\u{feff}' | '\u{200b}' | '\u{200c}' | '\u{200d}' | '\u{2060}' => {
            "nothing there: this character cannot be seen"
        }
        _ => return None,
    })
}

/// What would mend a mistake.
pub(super) fn hints(mistake: &Mistake<'_>) -> Vec<String> {
    operator_hint(mistake)
        .or_else(|| number_hint(mistake))
        .or_else(|| keyword_hint(mistake))
        .or_else(|| bracket_hint(mistake))
        .or_else(|| line_hint(mistake))
        .into_iter()
        .collect()
}

/// Symbols of other languages.
fn operator_hint(mistake: &Mistake<'_>) -> Option<String> {
    let before = mistake.before();
    let found = mistake.found.text.as_str();
    let text = match found {
        // The parser took the first `/` for a division, and the first `*` for a product.
        "/" | "/*" | "//" if found != "/" || before.ends_with('/') => "comments start with `#`",
        "*" if before.ends_with('/') => "comments start with `#`",
        "**" | "*" if found == "**" || before.ends_with('*') => "a power is written `pow(a, b)`",
        "^" => "a power is written `pow(a, b)`",
        "==" | "===" | ":=" => "write a single `=`",
        ";" => "a statement ends with its line: leave the `;` out",
        ":" if mistake.expects("`,`") => "a setting is given by `=`: `kernel=3`",
        ":" => "write `=`",
        "'" | "`" => "strings are written in double quotes: `\"…\"`",
        "=>" | ">" if mistake.expects("the end of the line") => {
            "a note of the shape is written `-> [64, 112, 112]`"
        }
        "|" | "||" => "a pipe is written `|>`",
        "&&" | "&" | "!" | "<" | ">" | "!=" | "<=" | ">=" | "?" => {
            "there are no comparisons and no logic: operators are `+ - * / %` and `|>`"
        }
        "++" | "--" | "=" if mistake.expects("the end of the line") && found != "=" => {
            "operators are `+ - * / %` and `|>`"
        }
        "->" if mistake.expects("a value") => {
            "a note of the shape goes on the line of its statement, after the value"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn number_hint(mistake: &Mistake<'_>) -> Option<String> {
    let token = mistake.found.text.as_str();
    if !is_bad_number(token) || !mistake.rules.contains(&Rule::number) {
        return None;
    }
    let text = if token.starts_with('.') {
        format!("write `0{token}`")
    } else if let Some(whole) = token.strip_suffix('.') {
        format!("write `{whole}` or `{whole}.0`")
    } else if token.contains('_') {
        format!("write the digits without `_`: `{}`", token.replace('_', ""))
    } else if token.starts_with("0x") || token.starts_with("0b") {
        "numbers are decimal".to_owned()
    } else if token.ends_with(['f', 'F']) {
        "numbers have no suffix".to_owned()
    } else {
        "a name starts with a letter".to_owned()
    };
    Some(text)
}

/// Misspelt, capitalised or incomplete keywords.
fn keyword_hint(mistake: &Mistake<'_>) -> Option<String> {
    let (word, rest) = first_word(mistake.piece);
    let followed = rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '"' | '_' | '{'));
    let (keywords, forms): (&[&str], _) = match mistake.scope {
        Scope::Item => (&ITEM_WORDS, item_form as fn(&str) -> Option<&'static str>),
        Scope::Statement => (&STATEMENT_WORDS, statement_form as fn(&str) -> Option<&'static str>),
    };
    if followed && let Some(meant) = misspelt(word, keywords) {
        return Some(format!("did you mean `{meant}`?"));
    }
    let form = if followed || mistake.scope == Scope::Item { forms(word) } else { None }?;
    // Past its header an ordinary hint is better.
    let header = !mistake.before().contains(['(', '[', '{', '=']) || word == "repeat";
    header.then(|| format!("it is written {form}"))
}

fn item_form(word: &str) -> Option<&'static str> {
    match word {
        "kernel" => Some("`kernel name = [[1, 2, 1], [2, 4, 2], [1, 2, 1]]`"),
        "block" => Some("`block name(out, stride=1) {`, with the `{` on the same line"),
        "model" => Some("`model name {`, with the `{` on the same line"),
        "fn" | "def" | "func" | "function" => Some("`block name(out, stride=1) {`"),
        "class" | "net" | "network" => Some("`model name {`"),
        _ => None,
    }
}

fn statement_form(word: &str) -> Option<&'static str> {
    match word {
        "input" => Some("`input name [3, H, W]` or `input name [3, H, W] = \"file.png\"`"),
        "tensor" => Some("`tensor name [3, 4, 5]`"),
        "weights" => Some("`weights \"file.safetensors\"`"),
        "labels" => Some("`labels \"file.txt\"`"),
        "output" => Some("`output a, b`"),
        "repeat" => Some("`repeat 3 as i {`, with the `{` on the same line"),
        "let" | "var" | "const" | "auto" => Some("without that word: `name = value`"),
        "for" | "while" | "loop" => Some("`repeat 3 as i {`"),
        "return" => Some("`output name`; without it the last value is the output"),
        "if" | "else" => Some("differently: there are no conditions"),
        _ => None,
    }
}

/// Inside brackets.
fn bracket_hint(mistake: &Mistake<'_>) -> Option<String> {
    if !mistake.expects("`,`") {
        return None;
    }
    let found = &mistake.found.text;
    let begins_value =
        found.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '"' | '[' | '(' | '{'));
    if !begins_value {
        return None;
    }
    let word = mistake.word_before();
    let before_word = mistake.before().strip_suffix(word).unwrap_or("").trim_end();
    let is_setting = before_word.ends_with(['(', ',']) && word.starts_with(|c: char| c.is_ascii_alphabetic());
    let in_call = before_word.ends_with('(') || mistake.expects("`)`");
    if is_setting
        && in_call
        && !mistake.rest().contains("=") | found.starts_with(|c: char| c.is_ascii_digit())
    {
        return Some(format!("a setting is given by `=`: `{word}={found}`"));
    }
    Some("a comma is missing before it".to_owned())
}

/// At the end of a statement or in its place.
fn line_hint(mistake: &Mistake<'_>) -> Option<String> {
    let found = &mistake.found.text;
    if found == "->" {
        return Some("a note of the shape goes on the line of its statement, after the value".to_owned());
    }
    if found == "{" && mistake.expects("the end of the line") {
        return Some("only `model`, `block` and `repeat` have a body".to_owned());
    }
    if found == "(" && mistake.expects("the end of the line") {
        return Some("only a plain name can be called: no dots and no `{…}`".to_owned());
    }
    let begins = found.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '"'));
    if begins && mistake.expects("the end of the line") {
        return Some(
            "an operator is missing before it, or a line break: there is one statement a line".to_owned(),
        );
    }
    None
}
