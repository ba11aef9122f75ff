//! Parts of values: slices, crops, splits, gathers.

use super::super::call::{Call, Live, Value};
use super::super::draft::{Operand, Setting};
use super::super::fold::{slices, split_lengths};
use super::super::shapes::{self, Range};
use super::builder::{Builder, Lowered};
use super::settings::Settings;
use crate::limits;

/// Cuts rows and columns off: `[[top, bottom], [left, right]]`.
pub fn crop(b: &mut Builder<'_>, call: &Call<'_>, x: &Live, cut: [[u64; 2]; 2]) -> Lowered<Live> {
    let [[top, bottom], [left, right]] = cut;
    let mut dims = x.dims.clone();
    let rank = dims.len();
    for (axis, [before, after]) in [rank.wrapping_sub(2), rank.wrapping_sub(1)].into_iter().zip(cut) {
        if let Some(n) = dims.get_mut(axis) {
            let left = before.checked_add(after).and_then(|gone| n.checked_sub(gone)).filter(|&n| n > 0);
            *n = left.ok_or_else(|| call.invalid(format!("it cuts off {before} + {after} of {n}")))?;
        }
    }
    if top == bottom && left == right {
        let settings = Settings::default().pair("all", [top, left]);
        return b.layer(call, x, "crop", settings, dims);
    }
    let settings = Settings::default()
        .whole_unless("top", top, 0)
        .whole_unless("bottom", bottom, 0)
        .whole_unless("left", left, 0)
        .whole_unless("right", right, 0);
    b.layer(call, x, "crop", settings, dims)
}

/// Elements of one axis of the draft, with what is written for start and end.
pub fn slice_axis(
    b: &mut Builder<'_>,
    call: &Call<'_>,
    x: &Live,
    axis: usize,
    range: Range,
    written: (Option<i64>, Option<i64>),
) -> Lowered<Live> {
    let mut dims = x.dims.clone();
    if let Some(n) = dims.get_mut(axis) {
        *n = range.count;
    }
    let mut settings = Settings::default().whole("axis", axis as u64);
    if let Some(start) = written.0 {
        settings = settings.with("start", Setting::Whole(start));
    }
    if let Some(end) = written.1 {
        settings = settings.with("end", Setting::Whole(end));
    }
    if range.step != 1 {
        settings = settings.with("step", Setting::Whole(range.step));
    }
    b.layer(call, x, "slice", settings, dims)
}

/// What is written for a range that is known by its elements alone.
fn plainly(range: Range, n: u64) -> (Option<i64>, Option<i64>) {
    let start = range.start as i64;
    let past = start + range.count.saturating_sub(1) as i64 * range.step + range.step.signum();
    if range.step > 0 {
        ((start != 0).then_some(start), (past < n as i64).then_some(past))
    } else {
        ((start + 1 != n as i64).then_some(start), (past >= 0).then_some(past))
    }
}

/// Slice.
pub fn slice(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let mut x = b.live(call, 0)?;
    let shape = b.shape(&x);
    let mut cuts = Vec::new();
    for (axis, start, end, step) in slices(call, shape.len())? {
        let n = shape.get(axis).copied().unwrap_or(1);
        let range = call.rule(shapes::slice(n, start, end, step))?;
        if range == (Range { start: 0, step: 1, count: n }) {
            continue;
        }
        let own = b.own_axis(&x, axis)?;
        if range.count == 0 {
            return Err(call.unsupported(format!("nothing is left of axis {axis}, which has {n}")).into());
        }
        let last = n as i64 - 1;
        // Numbers that count from the end stay so, because they hold for other sizes too.
        let written = if step > 0 {
            let start = (range.start != 0).then_some(if start < 0 { start } else { range.start as i64 });
            (start, (end < 0 || end <= last).then_some(end))
        } else {
            let start =
                (range.start as i64 != last).then_some(if start < 0 { start } else { range.start as i64 });
            (start, (end >= 0 || end >= -(n as i64)).then_some(end))
        };
        cuts.push((own, range, written, n));
    }
    if let Some(cut) = as_crop(&cuts, x.dims.len()) {
        return crop(b, call, &x, cut);
    }
    for (axis, range, written, _) in cuts {
        x = slice_axis(b, call, &x, axis, range, written)?;
    }
    Ok(x)
}

type Cut = (usize, Range, (Option<i64>, Option<i64>), u64);

/// Slices of rows and columns that say how many are cut off each side.
fn as_crop(cuts: &[Cut], rank: usize) -> Option<[[u64; 2]; 2]> {
    if rank < 3 || cuts.is_empty() {
        return None;
    }
    let mut sides = [[0; 2]; 2];
    for &(axis, range, (start, end), _) in cuts {
        let side = sides.get_mut(axis.checked_sub(rank - 2)?)?;
        let from_ends = start.is_none_or(|v| v >= 0) && end.is_none_or(|v| v < 0);
        if range.step != 1 || !from_ends {
            return None;
        }
        *side = [start.unwrap_or(0).unsigned_abs(), end.unwrap_or(0).unsigned_abs()];
    }
    Some(sides)
}

/// Split.
pub fn split(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Vec<Option<Value>>> {
    let x = b.live(call, 0)?;
    let shape = b.shape(&x);
    let axis = call.rule(shapes::axis(call.int("axis", 0)?, shape.len()))?;
    let n = shape.get(axis).copied().unwrap_or(1);
    let own = b.own_axis(&x, axis)?;
    let mut start = 0;
    let mut parts = Vec::new();
    for (output, count) in split_lengths(call, n)?.into_iter().enumerate() {
        let range = Range { start, step: 1, count };
        start += count;
        parts.push(match count {
            _ if !call.wants(output) => None,
            0 => return Err(call.unsupported(format!("its part {output} is empty")).into()),
            _ if count == n => Some(Value::Live(x.clone())),
            _ => Some(Value::Live(slice_axis(b, call, &x, own, range, plainly(range, n))?)),
        });
    }
    Ok(parts)
}

/// Gather with known indices.
pub fn gather(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let shape = b.shape(&x);
    let axis = call.rule(shapes::axis(call.int("axis", 0)?, shape.len()))?;
    let n = shape.get(axis).copied().unwrap_or(1);
    let own = b.own_axis(&x, axis)?;
    let indices = call.must_know(1, "the indices")?.clone();
    let list = indices.integers().ok_or_else(|| call.invalid("its indices are not whole numbers"))?;
    let mut places = Vec::with_capacity(list.len());
    for &index in list {
        let at = if index < 0 { index.saturating_add(n as i64) } else { index };
        if at < 0 || at >= n as i64 {
            return Err(call.invalid(format!("index {index} is not below {n}")).into());
        }
        places.push(at);
    }
    let ranges = runs(&places);
    if ranges.len() as u64 > limits::ONNX_PIECES {
        let what = format!("its {} indices are in no order that few slices give", list.len());
        return Err(call.unsupported(what).into());
    }
    let mut pieces = Vec::new();
    for range in ranges {
        let all = Range { start: 0, step: 1, count: n };
        let piece =
            if range == all { x.clone() } else { slice_axis(b, call, &x, own, range, plainly(range, n))? };
        pieces.push(piece);
    }
    let y = match pieces.as_slice() {
        [] => return Err(call.unsupported("it gathers nothing").into()),
        [one] => one.clone(),
        many => super::join::concat_lives(b, call, many, own)?,
    };
    if indices.dims().len() == 1 {
        return Ok(y);
    }
    let (before, after) = (x.dims.get(..own), x.dims.get(own + 1..));
    let dims = [before.unwrap_or_default(), indices.dims(), after.unwrap_or_default()].concat();
    b.reshape(call, &y, &dims)
}

/// Indices as runs of equal steps.
fn runs(places: &[i64]) -> Vec<Range> {
    let mut ranges = Vec::new();
    let mut rest = places;
    while let [first, tail @ ..] = rest {
        let step = tail.first().map(|next| next - first).filter(|&s| s != 0).unwrap_or(1);
        let mut count = 1;
        let mut expected = first + step;
        for &place in tail {
            if place != expected {
                break;
            }
            count += 1;
            expected += step;
        }
        ranges.push(Range { start: first.unsigned_abs(), step: if count == 1 { 1 } else { step }, count });
        rest = rest.get(count as usize..).unwrap_or_default();
    }
    ranges
}

/// A value of the draft as an operand.
pub fn operand(x: &Live) -> Operand {
    Operand::Value(x.at)
}
