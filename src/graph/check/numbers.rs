//! Arithmetic on numbers: integers are exact, or it is an error.

use super::scope::Checker;
use super::thing::Thing;
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{BinaryOp, Expr};

/// Why two numbers have no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Overflow,
    DivisionByZero,
    /// `%` of something that is not whole.
    NotWhole,
}

/// `a op b` of two numbers. Integers stay integers; `/` that does not come out even gives a fraction,
/// which is an error wherever a whole number is needed.
pub(super) fn arithmetic(op: BinaryOp, a: &Thing, b: &Thing) -> Option<Result<Thing, Failure>> {
    if let (Thing::Int(x), Thing::Int(y)) = (a, b) {
        return Some(integers(op, *x, *y));
    }
    let (x, y) = (a.number()?, b.number()?);
    let value = match op {
        BinaryOp::Add => x + y,
        BinaryOp::Sub => x - y,
        BinaryOp::Mul => x * y,
        BinaryOp::Div if y == 0.0 => return Some(Err(Failure::DivisionByZero)),
        BinaryOp::Div => x / y,
        BinaryOp::Rem => return Some(Err(Failure::NotWhole)),
    };
    Some(if value.is_finite() { Ok(Thing::Num(value)) } else { Err(Failure::Overflow) })
}

fn integers(op: BinaryOp, x: i64, y: i64) -> Result<Thing, Failure> {
    let value = match op {
        BinaryOp::Add => x.checked_add(y),
        BinaryOp::Sub => x.checked_sub(y),
        BinaryOp::Mul => x.checked_mul(y),
        BinaryOp::Div | BinaryOp::Rem if y == 0 => return Err(Failure::DivisionByZero),
        BinaryOp::Div => match x.checked_rem(y) {
            Some(0) => x.checked_div(y),
            Some(_) => return Ok(Thing::Num(x as f64 / y as f64)),
            None => None,
        },
        BinaryOp::Rem => x.checked_rem_euclid(y),
    };
    value.map(Thing::Int).ok_or(Failure::Overflow)
}

impl<'a> Checker<'a> {
    /// Reports arithmetic that failed.
    pub fn arithmetic_failed(&mut self, failure: Failure, a: &Thing, op: BinaryOp, b: &Thing, span: Span) {
        let numbers = match (a.number(), b.number()) {
            (Some(a), Some(b)) => format!("{a} {} {b}", op.symbol()),
            _ => op.symbol().to_owned(),
        };
        let (code, text) = match failure {
            Failure::Overflow => (Code::Overflow, format!("{numbers} is too large")),
            Failure::DivisionByZero => (Code::DivisionByZero, format!("{numbers} divides by zero")),
            Failure::NotWhole => (Code::NotWhole, format!("`%` needs whole numbers, and this is {numbers}")),
        };
        self.error(code, span, text);
    }

    /// A whole number of at least `least`; `None` if it failed (reported) or waits for a size.
    pub fn whole(&mut self, expr: &'a Expr, least: u64, what: &str) -> Option<u64> {
        let thing = self.eval(expr, false);
        self.whole_of(&thing, expr.span, least, what)
    }

    /// The same of something evaluated already.
    pub fn whole_of(&mut self, thing: &Thing, span: Span, least: u64, what: &str) -> Option<u64> {
        match thing {
            Thing::Unknown => None,
            Thing::Int(v) => match u64::try_from(*v) {
                Ok(v) if v >= least => Some(v),
                _ => {
                    self.error(
                        Code::OutOfRange,
                        span,
                        format!("{what} must be at least {least}, and this is {v}"),
                    );
                    None
                }
            },
            Thing::Num(v) => {
                let text = format!("{what} must be a whole number, and this is {v}");
                let diagnostic = Diagnostic::error(Code::NotWhole, span, text);
                let whole = v.floor();
                let near = if (0.0..1e15).contains(&whole) && whole >= least as f64 {
                    diagnostic.help(format!("the nearest below is {whole}"))
                } else {
                    diagnostic
                };
                self.report(near);
                None
            }
            other => {
                let text = format!("{what} must be a whole number, and this is {}", other.describe());
                self.error(Code::WrongKind, span, text);
                None
            }
        }
    }

    /// A string with its `{…}` put in: whole numbers, names of them, and `+ - * / %` between.
    pub fn interpolate(&mut self, text: &str, span: Span) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let (before, after) = rest.split_at(open);
            out.push_str(before);
            let Some(close) = after.find('}') else {
                self.error(Code::WrongKind, span, "a `{` in the string is not closed");
                return None;
            };
            let (index, tail) = after.split_at(close);
            out.push_str(&self.index_in_string(index.get(1..).unwrap_or(""), span)?);
            rest = tail.get(1..).unwrap_or("");
        }
        out.push_str(rest);
        if out.len() > crate::limits::NAME_BYTES {
            self.error(
                Code::NameTooLong,
                span,
                format!("a key has at most {} bytes", crate::limits::NAME_BYTES),
            );
            return None;
        }
        Some(out)
    }

    fn index_in_string(&mut self, text: &str, span: Span) -> Option<String> {
        match self.sum_in_string(text) {
            Ok(Thing::Int(v)) => Some(v.to_string()),
            Ok(Thing::Unknown) => None,
            Ok(other) => {
                let text = format!("`{{{text}}}` must be a whole number, and is {}", other.describe());
                self.error(Code::NotWhole, span, text);
                None
            }
            Err(why) => {
                self.error(Code::WrongKind, span, format!("`{{{text}}}` in the string: {why}"));
                None
            }
        }
    }

    /// Sums of products, from the left; no brackets.
    fn sum_in_string(&self, text: &str) -> Result<Thing, String> {
        let mut total = Thing::Int(0);
        let mut sign = BinaryOp::Add;
        let mut rest = text;
        loop {
            let end = rest.find(['+', '-']).unwrap_or(rest.len());
            let (term, tail) = rest.split_at(end);
            total = combine(sign, total, self.product_in_string(term)?)?;
            let mut chars = tail.chars();
            match chars.next() {
                None => return Ok(total),
                Some('+') => sign = BinaryOp::Add,
                Some(_) => sign = BinaryOp::Sub,
            }
            rest = chars.as_str();
        }
    }

    fn product_in_string(&self, text: &str) -> Result<Thing, String> {
        let mut total = Thing::Int(1);
        let mut op = BinaryOp::Mul;
        let mut rest = text;
        loop {
            let end = rest.find(['*', '/', '%']).unwrap_or(rest.len());
            let (factor, tail) = rest.split_at(end);
            total = combine(op, total, self.factor_in_string(factor.trim())?)?;
            let mut chars = tail.chars();
            match chars.next() {
                None => return Ok(total),
                Some('*') => op = BinaryOp::Mul,
                Some('/') => op = BinaryOp::Div,
                Some(_) => op = BinaryOp::Rem,
            }
            rest = chars.as_str();
        }
    }

    fn factor_in_string(&self, text: &str) -> Result<Thing, String> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return text.parse().map(Thing::Int).map_err(|_| format!("`{text}` is not a whole number"));
        }
        match self.scope.names.get(text).map(|b| &b.thing) {
            Some(thing @ (Thing::Int(_) | Thing::Unknown)) => Ok(thing.clone()),
            Some(other) => Err(format!("`{text}` is {}", other.describe())),
            None => Err(format!("`{text}` is not defined")),
        }
    }
}

fn combine(op: BinaryOp, a: Thing, b: Thing) -> Result<Thing, String> {
    if matches!(a, Thing::Unknown) || matches!(b, Thing::Unknown) {
        return Ok(Thing::Unknown);
    }
    match arithmetic(op, &a, &b) {
        Some(Ok(value)) => Ok(value),
        Some(Err(Failure::DivisionByZero)) => Err("a division by zero".to_owned()),
        Some(Err(_)) | None => Err("a result is too large".to_owned()),
    }
}

/// eˣ for x ≤ 0 from IEEE operations alone, so that taps are the same on every machine: `x = k·ln 2 + r`,
/// then Taylor's series of `e^r` to the last bit.
pub(super) fn exp(x: f64) -> f64 {
    let k = (x / std::f64::consts::LN_2).round();
    if k < -1020.0 {
        return 0.0;
    }
    let r = x - k * std::f64::consts::LN_2;
    let series = (1..=18).rev().fold(1.0, |sum, i| 1.0 + r * sum / f64::from(i));
    // 2^k, k from −1020 to 0, by its bits.
    series * f64::from_bits(((1023 + k as i64) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_stay_exact_or_fail() {
        let int = |op, a, b| arithmetic(op, &Thing::Int(a), &Thing::Int(b)).expect("it is defined");
        let value = |op, a, b| match int(op, a, b) {
            Ok(Thing::Int(v)) => v,
            other => panic!("{other:?}"),
        };
        assert_eq!(value(BinaryOp::Div, 12, 4), 3);
        assert_eq!(value(BinaryOp::Rem, 7, 4), 3);
        assert_eq!(value(BinaryOp::Rem, -1, 4), 3);
        assert_eq!(value(BinaryOp::Mul, 1 << 40, 1 << 20), 1 << 60);
        assert!(matches!(int(BinaryOp::Div, 7, 2), Ok(Thing::Num(v)) if v == 3.5));
        assert!(matches!(int(BinaryOp::Mul, 1 << 40, 1 << 40), Err(Failure::Overflow)));
        assert!(matches!(int(BinaryOp::Div, i64::MIN, -1), Err(Failure::Overflow)));
        assert!(matches!(int(BinaryOp::Rem, i64::MIN, -1), Err(Failure::Overflow) | Ok(Thing::Int(0))));
        assert!(matches!(int(BinaryOp::Div, 1, 0), Err(Failure::DivisionByZero)));
        assert!(matches!(int(BinaryOp::Rem, 1, 0), Err(Failure::DivisionByZero)));
        let fraction = arithmetic(BinaryOp::Rem, &Thing::Num(1.5), &Thing::Int(1)).expect("it is defined");
        assert!(matches!(fraction, Err(Failure::NotWhole)));
    }

    /// Taps are rounded to f32; 1e-14 is far below that.
    #[test]
    fn exp_is_e_to_the_x() {
        for i in 0..7000 {
            let x = -f64::from(i) / 10.0;
            let (have, want) = (exp(x), x.exp());
            assert!((have - want).abs() <= want * 1e-13, "{x}: {have} {want}");
        }
        assert_eq!((exp(0.0), exp(-1e9), exp(f64::NEG_INFINITY)), (1.0, 0.0, 0.0));
    }
}
