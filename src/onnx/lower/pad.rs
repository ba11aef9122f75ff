//! Pad.

use super::super::call::{Call, Live};
use super::super::draft::Setting;
use super::super::shapes::{self, Range};
use super::builder::{Builder, Lowered};
use super::cut;
use super::settings::Settings;
use crate::limits;

/// Pad with numbers that are an attribute in older versions and inputs in newer ones.
pub fn pad(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let mut x = b.live(call, 0)?;
    let rank = x.rank();
    let pads = call.list("pads", 1)?.ok_or_else(|| call.invalid("it has no pads"))?;
    let axes = match call.list("axes", 3)? {
        Some(axes) => call.rule(shapes::axes(&axes, rank))?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(call
            .invalid(format!("its {} pads are not two for each of {} axes", pads.len(), axes.len()))
            .into());
    }
    let limit = limits::WINDOW as i64;
    if pads.iter().any(|p| !(-limits::DIM.cast_signed()..=limit).contains(p)) {
        return Err(call.unsupported(format!("its pads {pads:?} are more than {limit}")).into());
    }
    let (begins, ends) = pads.split_at(axes.len());
    let own_rank = x.dims.len();
    let (mut before, mut after) = (vec![0i64; own_rank], vec![0i64; own_rank]);
    for ((&axis, &begin), &end) in axes.iter().zip(begins).zip(ends) {
        if (begin, end) == (0, 0) {
            continue;
        }
        let own = b.own_axis(&x, axis)?;
        if let (Some(first), Some(last)) = (before.get_mut(own), after.get_mut(own)) {
            (*first, *last) = (begin, end);
        }
    }
    for axis in 0..own_rank {
        x = shorten(b, call, x, axis, (before.get(axis), after.get(axis)))?;
    }
    let counts = |v: &[i64]| v.iter().map(|&p| p.max(0)).collect::<Vec<i64>>();
    let (before, after) = (counts(&before), counts(&after));
    if before.iter().chain(&after).all(|&p| p == 0) {
        return Ok(x);
    }
    let border = match call.text("mode", "constant")? {
        "constant" => "zero",
        "reflect" => "reflect",
        "edge" => "replicate",
        "wrap" => "wrap",
        other => return Err(call.unsupported(format!("its mode is {other:?}")).into()),
    };
    let value = match call.float_of("value")? {
        Some(value) => value,
        None => call.known(2, "the value")?.and_then(|v| v.scalar()).unwrap_or(0.0),
    };
    if border == "zero" && !value.is_finite() {
        return Err(call.unsupported(format!("it pads with {value}, which no text can say")).into());
    }
    let mut dims = Vec::with_capacity(own_rank);
    for ((&n, &first), &last) in x.dims.iter().zip(&before).zip(&after) {
        let most = match border {
            "reflect" => n as i64 - 1,
            "wrap" => n as i64,
            _ => i64::MAX,
        };
        if first > most || last > most {
            let what = format!(
                "its mode {border} takes at most {most} elements of an axis of {n}, not {first} and {last}"
            );
            return Err(call.unsupported(what).into());
        }
        dims.push(n.saturating_add(first.unsigned_abs()).saturating_add(last.unsigned_abs()));
    }
    let settings = match (before.as_slice(), after.as_slice()) {
        ([first @ .., top, left], [last @ .., bottom, right])
            if own_rank >= 3 && first.iter().chain(last).all(|&p| p == 0) =>
        {
            Settings::default().with("pad", Setting::Sides([[*top, *bottom], [*left, *right]]))
        }
        _ => Settings::default().with("before", Setting::List(before)).with("after", Setting::List(after)),
    };
    let settings = settings.word_unless("border", border, "zero");
    let value = if border == "zero" { value } else { 0.0 };
    // In the table `value` follows `border`; only one of them is ever given.
    b.layer(call, &x, "pad", settings.number_unless("value", value, 0.0), dims)
}

/// Cuts off what negative padding asks for.
fn shorten(
    b: &mut Builder<'_>,
    call: &Call<'_>,
    x: Live,
    axis: usize,
    (before, after): (Option<&i64>, Option<&i64>),
) -> Lowered<Live> {
    let cut = |p: Option<&i64>| p.map_or(0, |p| p.min(&0).unsigned_abs());
    let (first, last) = (cut(before), cut(after));
    if (first, last) == (0, 0) {
        return Ok(x);
    }
    let n = x.dims.get(axis).copied().unwrap_or(0);
    let count = n.checked_sub(first.saturating_add(last)).filter(|&count| count > 0);
    let count = count.ok_or_else(|| call.invalid(format!("it cuts off {first} + {last} of {n}")))?;
    let written = ((first > 0).then_some(first as i64), (last > 0).then_some(-(last as i64)));
    cut::slice_axis(b, call, &x, axis, Range { start: first, step: 1, count }, written)
}
