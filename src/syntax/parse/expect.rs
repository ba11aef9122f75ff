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
    let words = if token.starts_with('"') {
        "a string".to_owned()
    } else if token.chars().count() > 40 {
        format!("`{}…`", token.chars().take(39).collect::<String>())
    } else {
        format!("`{token}`")
    };
    Found { text: token.to_owned(), span: span(at, at + token.len()), words }
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

/// What the grammar would have taken, most useful first.
pub(super) fn expected(rules: &[Rule]) -> Vec<&'static str> {
    let has = |rule: Rule| rules.contains(&rule);
    let mut words: Vec<&'static str> = Vec::new();
    let mut add = |word: &'static str| {
        if !words.contains(&word) {
            words.push(word);
        }
    };
    for &rule in rules {
        match rule {
            Rule::kernel_def
            | Rule::block_def
            | Rule::model_def
            | Rule::kw_kernel
            | Rule::kw_block
            | Rule::kw_model => {
                add("`kernel`, `block` or `model`");
            }
            Rule::comma => add("`,`"),
            Rule::equals => add("`=`"),
            Rule::open_paren | Rule::args | Rule::params => add("`(`"),
            Rule::close_paren => add("`)`"),
            Rule::open_bracket => add("`[`"),
            Rule::dims => add("the axes in `[…]`"),
            Rule::close_bracket => add("`]`"),
            Rule::open_brace | Rule::body => add("`{`"),
            Rule::close_brace => add("`}`"),
            Rule::kw_as => add("`as`"),
            Rule::arrow | Rule::note => add("`->`"),
            Rule::ident | Rule::param => add("a name"),
            Rule::arg => add("a setting"),
            Rule::dim | Rule::symbol | Rule::note_dim => add("an axis"),
            Rule::expr
            | Rule::inner
            | Rule::integer
            | Rule::number
            | Rule::list
            | Rule::paren
            | Rule::neg => add("a value"),
            Rule::string => add("a string in quotes"),
            Rule::name | Rule::call => {
                add(if has(Rule::number) || has(Rule::expr) { "a value" } else { "a name" })
            }
            Rule::pipe | Rule::add | Rule::sub | Rule::mul | Rule::div | Rule::rem => add("an operator"),
            Rule::line_end => add("the end of the line"),
            _ => {}
        }
    }
    if words.contains(&"a value") {
        // A value may be a name or a string.
        words.retain(|word| !matches!(*word, "a name" | "a string in quotes"));
    }
    // Where a list or a line may end, that is what is meant; that operators fit as well is no news.
    let closes = |word: &&str| matches!(*word, "`,`" | "`)`" | "`]`" | "`}`");
    if words.iter().any(|word| closes(&word)) {
        words.retain(|word| closes(&word) || matches!(*word, "a value" | "a setting" | "an axis" | "a name"));
    } else if words.contains(&"the end of the line") {
        words.retain(|word| matches!(*word, "the end of the line" | "an operator"));
        words.sort_unstable();
    } else if words.contains(&"`{`") {
        words.retain(|word| *word != "an operator");
    }
    words
}

/// `a`, `b` or `c`.
pub(super) fn join(words: &[&str]) -> String {
    match words {
        [] => "something else".to_owned(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}
