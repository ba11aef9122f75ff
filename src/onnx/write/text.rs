//! Numbers and settings as the language writes them.

use crate::onnx::draft::Setting;

/// A decimal that reads back to the same number, the shortest where that does.
pub(super) fn number(x: f32) -> String {
    if x == x.trunc() && x.abs() < 1e7 && !(x == 0.0 && x.is_sign_negative()) {
        return format!("{}", x as i64);
    }
    // `Display` never writes an exponent, `Debug` does where it is shorter.
    let shortest = format!("{x:?}");
    // A text is read as f64 and rounded again, which may end at the neighbour.
    let read = shortest.parse::<f64>().map(|v| (v as f32).to_bits());
    if read == Ok(x.to_bits()) { shortest } else { format!("{:?}", f64::from(x)) }
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

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_read_back_to_the_same_bits() {
        // Its shortest decimal lies between two numbers of f32 as f64 sees it.
        let hard = f32::from_bits(0x15ae_43fd);
        let some = (0..1u32 << 16).map(|i| f32::from_bits(i.wrapping_mul(65_521))).filter(|x| x.is_finite());
        for x in some.chain([hard, -hard, 0.0, -0.0, 1.0, 0.1, 1e-5, 6.0, f32::MAX, f32::MIN_POSITIVE]) {
            let read: f64 = number(x).parse().expect("it is a number");
            assert_eq!((read as f32).to_bits(), x.to_bits(), "{x:?} is written {}", number(x));
        }
    }
}
