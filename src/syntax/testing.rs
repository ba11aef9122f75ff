//! Random texts of the language, for the properties of the parser and of the formatter.

use proptest::collection::vec;
use proptest::prelude::*;

/// Where blanks may stand.
const BLANK: char = '\u{1}';
/// Where line breaks and comments may stand as well.
const GAP: char = '\u{2}';

/// Texts that parse, with blanks, line breaks and comments wherever they are allowed.
pub(crate) fn texts() -> impl Strategy<Value = String> {
    (vec(item(), 0..5), vec(0u8..16, 1..64)).prop_map(|(items, choices)| {
        let mut text = String::from("\u{3}");
        for item in items {
            text.push_str(&item);
            text.push('\u{3}');
        }
        lay_out(&text, &choices)
    })
}

/// Fills the places for blanks and line breaks.
fn lay_out(template: &str, choices: &[u8]) -> String {
    let mut choices = choices.iter().copied().cycle();
    let mut choose = move || choices.next().unwrap_or(0);
    let mut text = String::new();
    for char in template.chars() {
        match char {
            BLANK => text.push_str(["", "", " ", "  \t"][usize::from(choose()) % 4]),
            GAP => text.push_str(match choose() {
                0 => " ",
                1 => "\n",
                2 => "\n  \t",
                3 => "# comment (\n",
                4 => " \r\n\r\n# \" 漢字\r\n  # two \n",
                5 => "\n\n\n",
                _ => "",
            }),
            // Between statements.
            '\u{3}' => text.push_str(match choose() {
                0 => "  # at the end\n",
                1 => "\n\n",
                2 => "\r\n# alone\n\n# and alone ]\n\n\n",
                3 => "#\n\t",
                4 => "\t\r\n",
                _ => "\n",
            }),
            _ => text.push(char),
        }
    }
    text
}

fn ident() -> BoxedStrategy<String> {
    prop_oneof![
        "[a-z][a-z0-9_]{0,3}",
        "(conv|relu|it|input|kernel|model|repeat|output|weights|param|as|true|same|H|W|_x|out)",
    ]
    .boxed()
}

/// A list of things with gaps between brackets; `commas` are allowed at its end.
fn list(
    of: BoxedStrategy<String>,
    open: &'static str,
    close: &'static str,
    least: usize,
) -> BoxedStrategy<String> {
    (vec(of, least..4), any::<bool>())
        .prop_map(move |(items, comma)| {
            let comma = if comma && !items.is_empty() { format!("{GAP},") } else { String::new() };
            let items = items.join(&format!("{GAP},{GAP}"));
            format!("{open}{GAP}{items}{comma}{GAP}{close}")
        })
        .boxed()
}

fn name(index: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let segment = prop_oneof![
        4 => "[a-z0-9_]{1,3}".boxed(),
        1 => index.prop_map(|index| format!("{{{BLANK}{index}{BLANK}}}")).boxed(),
        1 => Just("bn{1}x".to_owned()).boxed(),
    ];
    (ident(), vec(segment, 0..3))
        .prop_map(|(first, rest)| rest.iter().fold(first, |name, segment| name + "." + segment))
        .boxed()
}

/// Chains of operands; `inner` ones may break before an operator.
fn chain(operand: BoxedStrategy<String>, inner: bool) -> BoxedStrategy<String> {
    let before = if inner { GAP } else { BLANK };
    let signed = (vec(Just(format!("-{BLANK}")), 0..2), operand)
        .prop_map(|(signs, operand)| signs.concat() + &operand);
    (signed.clone(), vec(("[-+*/%]", signed), 0..3))
        .prop_map(move |(first, rest)| {
            rest.iter().fold(first, |text, (op, operand)| format!("{text}{before}{op}{GAP}{operand}"))
        })
        .boxed()
}

fn piped(value: BoxedStrategy<String>, stage: BoxedStrategy<String>) -> BoxedStrategy<String> {
    (value, vec(stage, 0..3))
        .prop_map(|(first, stages)| {
            stages.iter().fold(first, |text, stage| format!("{text}{GAP}|>{GAP}{stage}"))
        })
        .boxed()
}

fn call(value: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let argument = prop_oneof![
        value.clone(),
        (ident(), value).prop_map(|(name, value)| format!("{name}{GAP}={GAP}{value}")),
    ];
    (ident(), list(argument.boxed(), "(", ")", 0))
        .prop_map(|(name, args)| format!("{name}{BLANK}{args}"))
        .boxed()
}

fn primary() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        "(0|3|64|0\\.5|1e-5|1E\\+3|0012|2\\.50)",
        r#"("a b\.png"|""|"\\"q\\\\"|"漢字 # no comment")"#,
        name(Just("i+1".to_owned()).boxed()),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let value = piped(chain(inner.clone(), true), prop_oneof![ident(), call(inner.clone())].boxed());
        prop_oneof![
            list(value.clone(), "[", "]", 0),
            value.clone().prop_map(|value| format!("({GAP}{value}{GAP})")),
            list(value.clone(), "(", ")", 2),
            call(value),
            name(chain(inner, false)),
        ]
    })
    .boxed()
}

fn taps() -> BoxedStrategy<String> {
    let number = "(-?[0-9]{1,3}|-?[0-9]\\.[0-9]{1,2})".boxed();
    list(list(number, "[", "]", 1), "[", "]", 1)
}

fn expr() -> BoxedStrategy<String> {
    piped(chain(primary(), false), prop_oneof![ident(), call(primary())].boxed())
}

fn statement() -> BoxedStrategy<String> {
    let target = name(chain(primary(), false));
    let note = list(prop_oneof![Just("_".to_owned()), chain(primary(), true)].boxed(), "[", "]", 0);
    let apply = (
        prop_oneof![Just(String::new()), target.prop_map(|name| format!("{name}{BLANK}={GAP}"))],
        prop_oneof![4 => expr(), 1 => ident().prop_map(|stage| format!("|>{GAP}{stage}"))],
        prop_oneof![3 => Just(String::new()), 1 => note.prop_map(|note| format!("{BLANK}->{BLANK}{note}"))],
    )
        .prop_map(|(target, value, note)| target + &value + &note);
    let dim = prop_oneof![
        ident(),
        chain(primary(), true),
        (ident(), primary()).prop_map(|(name, size)| format!("{name}{GAP}={GAP}{size}")),
    ];
    let input = ("(input|tensor)", ident(), list(dim.boxed(), "[", "]", 0), any::<bool>()).prop_map(
        |(keyword, name, dims, file)| {
            let file = if file { format!("{BLANK}={GAP}\"a.png\"") } else { String::new() };
            format!("{keyword} {BLANK}{name}{BLANK}{dims}{file}")
        },
    );
    let sizes = list(chain(primary(), true), "[", "]", 0);
    let param = (name(chain(primary(), false)), sizes)
        .prop_map(|(name, sizes)| format!("param {BLANK}{name}{BLANK}{sizes}"));
    let output = vec(name(Just("2*i".to_owned()).boxed()), 1..4)
        .prop_map(|names| format!("output {BLANK}{}", names.join(&format!("{BLANK},{GAP}"))));
    prop_oneof![
        6 => apply,
        1 => input,
        1 => param,
        1 => output,
        1 => Just(format!("weights{BLANK}\"w.safetensors\"")),
    ]
    .prop_recursive(2, 8, 4, |inner| {
        (
            chain(primary(), false),
            prop_oneof![Just(String::new()), ident().prop_map(|i| format!(" as {i}"))],
            body(inner.boxed()),
        )
            .prop_map(|(count, var, body)| format!("repeat {count}{var} {body}"))
    })
    .boxed()
}

fn body(statement: BoxedStrategy<String>) -> BoxedStrategy<String> {
    prop_oneof![
        statement.clone().prop_map(|statement| format!("{{{BLANK}{statement}{BLANK}}}")),
        vec(statement, 0..4).prop_map(|body| {
            let lines: String = body.iter().map(|line| format!("\u{3}{line}")).collect();
            format!("{{{lines}\u{3}}}")
        }),
    ]
    .boxed()
}

fn item() -> BoxedStrategy<String> {
    let param = prop_oneof![
        ident(),
        (ident(), primary()).prop_map(|(name, value)| format!("{name}{GAP}={GAP}{value}"))
    ];
    prop_oneof![
        (ident(), prop_oneof![taps(), expr()])
            .prop_map(|(name, value)| format!("kernel {name}{BLANK}={GAP}{value}")),
        (ident(), prop_oneof![Just(String::new()), list(param.boxed(), "(", ")", 0)], body(statement()))
            .prop_map(|(name, params, body)| format!("block {name}{BLANK}{params} {body}")),
        (ident(), body(statement())).prop_map(|(name, body)| format!("model {name} {body}")),
    ]
    .boxed()
}
