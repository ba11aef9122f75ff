//! Numbers and settings as the language writes them.

use crate::onnx::draft::Setting;

/// The shortest decimal that reads back to the same number.
pub(super) fn number(x: f32) -> String {
    if x == x.trunc() && x.abs() < 1e7 && !(x == 0.0 && x.is_sign_negative()) {
        return format!("{}", x as i64);
    }
    // `Display` never writes an exponent, `Debug` does where it is shorter.
    format!("{x:?}")
}

fn double(x: f64) -> String {
    if x == x.trunc() && x.abs() < 1e7 { format!("{}", x as i64) } else { format!("{x:?}") }
}

/// A setting's value.
pub(super) fn setting(setting: &Setting) -> String {
    match setting {
        Setting::Whole(n) => n.to_string(),
        Setting::Pair([a, b]) if a == b => a.to_string(),
        Setting::Pair([a, b]) => format!("({a}, {b})"),
        Setting::Sides([[t, b], [l, r]]) if t == b && l == r && t == l => t.to_string(),
        Setting::Sides([[t, b], [l, r]]) if t == b && l == r => format!("({t}, {l})"),
        Setting::Sides([[t, b], [l, r]]) => format!("(({t}, {b}), ({l}, {r}))"),
        Setting::Number(x) => number(*x),
        Setting::Numbers([a, b]) if a == b => double(*a),
        Setting::Numbers([a, b]) => format!("({}, {})", double(*a), double(*b)),
        Setting::Spans([[a, b], [c, d]]) => {
            format!("(({}, {}), ({}, {}))", number(*a), number(*b), number(*c), number(*d))
        }
        Setting::List(list) => {
            let list: Vec<String> = list.iter().map(i64::to_string).collect();
            format!("[{}]", list.join(", "))
        }
        Setting::Word(word) => (*word).to_owned(),
    }
}
