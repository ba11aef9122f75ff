//! What was expected and what was found, in the words of the language.

use super::grammar::Rule;
use super::scan::end_of_string;
use super::span;
use crate::source::Span;

/// What stands where something else was expected.
pub(super) struct Found {
    /// Its text; empty at the end of a line.
    pub text: String,
    /// Where; empty, after the last token, at the end of a line.
    pub span: Span,
    /// What to call it in a message.
    pub words: String,
}

/// The token at a position of a text.
pub(super) fn found(text: &str, at: usize) -> Found {
    let rest = text.get(at..).unwrap_or("");
    let token = token(rest);
    if token.is_empty() {
        let before = text.get(..at).unwrap_or("").trim_end_matches([' ', '\t']).len();
        let words = if rest.is_empty() { "the end of the file" } else { "the end of the line" };
        return Found { text: String::new(), span: span(before, before), words: words.to_owned() };
    }
    if token.starts_with(|c: char| !c.is_ascii() && c.is_alphanumeric()) {
        // The parser stopped at the first letter that a name cannot have: show the whole word.
        let start = text.get(..at).unwrap_or("").trim_end_matches(|c: char| c.is_ascii() && is_word(c)).len();
        let word = text.get(start..at + token.len()).unwrap_or(token);
        return Found { text: word.to_owned(), span: span(start, start + word.len()), words: shown(word) };
    }
    let words = if token.starts_with('"') { "a string".to_owned() } else { shown(token) };
    Found { text: token.to_owned(), span: span(at, at + token.len()), words }
}

/// A token in a message; a long one is cut.
fn shown(token: &str) -> String {
    match token.char_indices().nth(40) {
        Some((at, _)) => format!("`{}…`", &token[..at]),
        None => format!("`{token}`"),
    }
}

/// The first token of a text, the longest that a reader would take as one; empty at a line's end.
fn token(text: &str) -> &str {
    let bytes = text.as_bytes();
    let Some(first) = text.chars().next() else { return "" };
    let end = match first {
        '\n' | '#' => 0,
        '\r' if bytes.get(1) == Some(&b'\n') => 0,
        '"' => end_of_string(bytes, 1).unwrap_or(1),
        _ if is_word(first) => word(text),
        '.' if text[1..].starts_with(|c: char| c.is_ascii_digit()) => 1 + word(&text[1..]),
        _ => {
            let symbols = [
                "===", "|>", "->", "==", "//", "/*", "**", "!=", "<=", ">=", ":=", "=>", "&&", "||", "++",
                "--",
            ];
            let symbol = symbols.iter().find(|symbol| text.starts_with(**symbol));
            symbol.map_or(first.len_utf8(), |symbol| symbol.len())
        }
    };
    text.get(..end).unwrap_or("")
}

/// Bytes of the word or number at the start of a text: also points and signs within a number.
fn word(text: &str) -> usize {
    let is_number = text.starts_with(|c: char| c.is_ascii_digit());
    let mut before = ' ';
    let end = text.find(|c: char| {
        let goes_on = is_word(c)
            || (is_number && c == '.')
            || (is_number
                && matches!(c, '+' | '-')
                && matches!(before, 'e' | 'E')
                && !text.starts_with("0x"));
        before = c;
        !goes_on
    });
    end.unwrap_or(text.len())
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// What the grammar would have taken. After the keyword of a statement, `after_keyword`, that it
/// might have been a name is of no interest.
pub(super) fn expected(rules: &[Rule], after_keyword: bool) -> Vec<&'static str> {
    let mut words: Vec<&'static str> = Vec::new();
    for word in rules.iter().filter_map(|&rule| describe(rule)) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    if words.contains(&"a statement") {
        return vec!["a statement"];
    }
    // A value may begin in many ways, and a call is one of them.
    keep_unless(&mut words, &["a value"], &["a name", "a string in quotes", "`(`", "`[`", "an operator"]);
    if after_keyword {
        let name_goes_on = ["an operator", "the end of the line", "`=`", "`(`", "`->`"];
        let rest: Vec<&str> = words.iter().copied().filter(|word| !name_goes_on.contains(word)).collect();
        if !rest.is_empty() {
            words = rest;
        }
    }
    // Where a list or a line may end, that is what is meant; that operators fit as well is no news.
    let closers = ["`,`", "`)`", "`]`", "`}`"];
    keep_unless(&mut words, &closers, &["an operator", "`(`", "`=`", "`->`"]);
    keep_unless(&mut words, &["`{`"], &["an operator", "`(`"]);
    keep_unless(&mut words, &["the end of the line"], &["`(`", "`=`", "`->`"]);
    words.sort_by_key(|word| closers.contains(word));
    words
}

/// Drops some words if one of some others is there.
fn keep_unless(words: &mut Vec<&'static str>, present: &[&str], dropped: &[&str]) {
    if words.iter().any(|word| present.contains(word)) {
        words.retain(|word| !dropped.contains(word));
    }
}

fn describe(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::lone_item
        | Rule::kernel_def
        | Rule::block_def
        | Rule::model_def
        | Rule::kw_kernel
        | Rule::kw_block
        | Rule::kw_model => "`kernel`, `block` or `model`",
        Rule::lone_statement => "a statement",
        Rule::comma => "`,`",
        Rule::equals => "`=`",
        Rule::open_paren | Rule::args | Rule::params => "`(`",
        Rule::close_paren => "`)`",
        Rule::open_bracket => "`[`",
        Rule::dims | Rule::shape => "the axes in `[…]`",
        Rule::close_bracket => "`]`",
        Rule::open_brace | Rule::body => "`{`",
        Rule::close_brace => "`}`",
        Rule::kw_as => "`as`",
        Rule::arrow | Rule::note => "`->`",
        Rule::ident | Rule::param | Rule::name | Rule::call => "a name",
        Rule::stage => "a layer",
        Rule::arg => "a setting",
        Rule::dim | Rule::symbol | Rule::note_dim => "an axis",
        Rule::expr | Rule::inner | Rule::integer | Rule::number | Rule::list | Rule::paren | Rule::neg => {
            "a value"
        }
        Rule::string => "a string in quotes",
        Rule::pipe | Rule::add | Rule::sub | Rule::mul | Rule::div | Rule::rem => "an operator",
        Rule::line_end => "the end of the line",
        _ => return None,
    })
}

/// `a`, `b` or `c`.
pub(super) fn join(words: &[&str]) -> String {
    match words {
        [] => "something else".to_owned(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}
