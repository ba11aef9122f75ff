//! Diagnostics as data, and numbers as people read them.

use serde_json::{Value, json};

use crate::diag::{Diagnostic, Label, Severity};
use crate::source::Source;

/// A diagnostic as JSON. Lines and columns count from 1, columns in characters; they are null where
/// the file as a whole is meant.
pub(super) fn diagnostic(source: &Source, diagnostic: &Diagnostic) -> Value {
    let place = diagnostic.primary.as_ref();
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    json!({
        "code": diagnostic.code.number(),
        "severity": severity,
        "message": diagnostic.message,
        "line": place.map(|p| source.line(p.span.start)),
        "column": place.map(|p| source.column(p.span.start)),
        "end_line": place.map(|p| source.line(p.span.end)),
        "end_column": place.map(|p| source.column(p.span.end)),
        "label": place.map(|p| p.text.as_str()).filter(|t| !t.is_empty()),
        "related": diagnostic.secondary.iter().map(|l| label(source, l)).collect::<Vec<_>>(),
        "notes": diagnostic.notes,
        "help": diagnostic.help,
    })
}

fn label(source: &Source, label: &Label) -> Value {
    json!({
        "line": source.line(label.span.start),
        "column": source.column(label.span.start),
        "text": label.text,
    })
}

/// "2 errors, 1 warning".
pub(super) fn count(diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics.iter().filter(|d| d.is_error()).count();
    let warnings = diagnostics.len() - errors;
    match (errors, warnings) {
        (0, 0) => "no errors".to_owned(),
        (e, 0) => plural(e, "error"),
        (0, w) => plural(w, "warning"),
        (e, w) => format!("{}, {}", plural(e, "error"), plural(w, "warning")),
    }
}

/// "1 picture", "2 pictures".
pub(super) fn plural(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// 1234567 as `1,234,567`.
pub(super) fn grouped(n: u128) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// 1_820_000_000 as `1.82 G`: three or four digits and a decimal prefix.
pub(super) fn short(n: u128) -> String {
    scaled(n, 1000.0, &["", " k", " M", " G", " T", " P", " E", " Z"])
}

/// 3 << 20 as `3.00 MiB`.
pub(super) fn bytes(n: u64) -> String {
    scaled(n.into(), 1024.0, &[" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"])
}

fn scaled(n: u128, step: f64, units: &[&str]) -> String {
    let mut value = n as f64;
    let mut units = units.iter();
    let mut unit = units.next().unwrap_or(&"");
    if value < step {
        return format!("{n}{unit}");
    }
    for next in units {
        // Not `>= step`: what would be shown as 1000 takes the next unit.
        if value < step - 0.5 {
            break;
        }
        value /= step;
        unit = next;
    }
    let places = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.places$}{unit}")
}

/// Seconds as `12.3 ms`, `1.20 s`.
pub(super) fn seconds(time: std::time::Duration) -> String {
    let s = time.as_secs_f64();
    match s {
        _ if s < 1e-3 => format!("{:.0} µs", s * 1e6),
        _ if s < 0.1 => format!("{:.2} ms", s * 1e3),
        _ if s < 1.0 => format!("{:.0} ms", s * 1e3),
        _ => format!("{s:.2} s"),
    }
}

/// A value with the precision that a reader wants: 5 significant digits.
pub(super) fn number(v: f64) -> String {
    if v == 0.0 || !v.is_finite() {
        return format!("{v}");
    }
    let exponent = v.abs().log10().floor() as i32;
    match exponent {
        -4..=5 => {
            let text = format!("{v:.*}", (4 - exponent).max(0) as usize);
            match text.contains('.') {
                true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                false => text,
            }
        }
        _ => format!("{v:.4e}"),
    }
}

/// A shape as the language writes it.
pub(super) fn shape<T: std::fmt::Display>(dims: &[T]) -> String {
    let dims: Vec<String> = dims.iter().map(T::to_string).collect();
    format!("[{}]", dims.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_round_at_the_borders() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
        assert_eq!(short(999), "999");
        assert_eq!(short(1000), "1.00 k");
        assert_eq!(short(1_814_073_344), "1.81 G");
        assert_eq!(short(999_999), "1.00 M");
        assert_eq!(short(99_949), "99.9 k");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(3 << 20), "3.00 MiB");
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
        assert_eq!(number(0.5), "0.5");
        assert_eq!(number(-1.0), "-1");
        assert_eq!(number(123456.7), "123457");
        assert_eq!(number(1.0e-7), "1.0000e-7");
        assert_eq!(number(0.123456), "0.12346");
        assert_eq!(number(100.0), "100");
    }
}
