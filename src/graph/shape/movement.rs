//! Rules of what moves elements along any axis: reshape, permute, slice, pad, reductions, blocks.

use super::{Axis, Rule, ShapeError, overflow};
use crate::diag::Code;
use crate::graph::Border;

/// A number of a list of axes as an index: from 0 or, from the last, −1.
///
/// # Errors
/// If there is no such axis.
fn index(axis: i64, rank: usize) -> Rule<usize> {
    let count = i64::try_from(rank).unwrap_or(i64::MAX);
    let at = if axis < 0 { axis.saturating_add(count) } else { axis };
    usize::try_from(at).ok().filter(|&at| at < rank).ok_or_else(|| {
        let error = ShapeError::new(Code::BadAxis, "axes", format!("there is no axis {axis}"));
        error.note(match rank {
            0 => "the value has no axes".to_owned(),
            _ => format!("the axes are 0 to {}, or −{rank} to −1 from the last", rank - 1),
        })
    })
}

/// A list of axes as indices in increasing order.
///
/// # Errors
/// If there is no such axis, or one is listed twice.
pub fn axes(list: &[i64], rank: usize) -> Rule<Vec<usize>> {
    let mut out = Vec::with_capacity(list.len());
    for &axis in list {
        let at = index(axis, rank)?;
        if out.contains(&at) {
            return Err(ShapeError::new(Code::AxisList, "axes", format!("axis {at} is listed twice")));
        }
        out.push(at);
    }
    out.sort_unstable();
    Ok(out)
}

/// A list of all axes, each once, as indices.
///
/// # Errors
/// If it is none.
pub fn permutation(list: &[i64], rank: usize) -> Rule<Vec<usize>> {
    let order = list.iter().map(|&axis| index(axis, rank)).collect::<Rule<Vec<usize>>>()?;
    axes(list, rank)?;
    if order.len() == rank {
        return Ok(order);
    }
    Err(ShapeError::new(
        Code::AxisList,
        "axes",
        format!("{} axes are listed, and the value has {rank}", order.len()),
    )
    .note("each axis is listed once"))
}

/// The axes that a reshape to `list` gives, where one may be −1. `None` is not known yet.
///
/// # Errors
/// If the number of elements changes, or the list is not one of axes.
pub fn reshape(from: &[Option<u64>], list: &[i64]) -> Rule<Vec<Option<u64>>> {
    let about = "shape";
    let mut out = Vec::with_capacity(list.len());
    let mut open = None;
    for (i, &n) in list.iter().enumerate() {
        match u64::try_from(n) {
            Ok(0) => {
                let error = ShapeError::new(Code::OutOfRange, about, "an axis must have at least 1 element");
                return Err(error.help("a length that stays as it is is written out, or −1"));
            }
            Ok(n) => out.push(Some(n)),
            Err(_) if n != -1 => {
                let text = format!("an axis is a length or −1, not {n}");
                return Err(ShapeError::new(Code::OutOfRange, about, text));
            }
            Err(_) => {
                if open.replace(i).is_some() {
                    let text = "only one axis may be −1: it follows from the others";
                    return Err(ShapeError::new(Code::AxisList, about, text));
                }
                out.push(None);
            }
        }
    }
    let given = out.iter().flatten().try_fold(1u64, |n, &d| n.checked_mul(d));
    let given = given.ok_or_else(|| overflow(about, "the number of elements"))?;
    let have = from.iter().try_fold(Some(1u64), |n, d| match (n, d) {
        (Some(n), Some(d)) => {
            n.checked_mul(*d).map(Some).ok_or_else(|| overflow("", "the number of elements"))
        }
        _ => Ok(None),
    })?;
    let Some(have) = have else { return Ok(out) };
    match open {
        Some(i) if have.is_multiple_of(given) => {
            if let Some(slot) = out.get_mut(i) {
                *slot = Some(have / given);
            }
            Ok(out)
        }
        None if have == given => Ok(out),
        _ => Err(other_count(from, list, have, given)),
    }
}

fn other_count(from: &[Option<u64>], list: &[i64], have: u64, given: u64) -> ShapeError {
    let from: Vec<i128> = from.iter().map(|d| d.map_or(0, i128::from)).collect();
    let list: Vec<i128> = list.iter().map(|&n| i128::from(n)).collect();
    let text = match list.contains(&-1) {
        true => format!("no length in the place of −1 makes {have} elements"),
        false => format!("{from:?} has {have} elements, {list:?} would have {given}"),
    };
    let mut error = ShapeError::new(Code::ElementCount, "shape", text)
        .note(format!("{from:?}: {}", product(&from, have)))
        .note(format!("{list:?}: {}", product(&list, given)));
    if list.contains(&-1) {
        return error.note(format!("{have} = {}·{given} + {}", have / given, have % given));
    }
    // The axis that −1 in its place would mend.
    for (i, n) in list.iter().enumerate().rev() {
        let others = u64::try_from(*n).map_or(0, |n| given / n.max(1));
        if others > 0 && have.is_multiple_of(others) {
            let mended: Vec<String> = (0..list.len())
                .map(|j| {
                    if i == j {
                        "-1".to_owned()
                    } else {
                        list.get(j).map_or_else(String::new, i128::to_string)
                    }
                })
                .collect();
            error = error.help(format!("`[{}]` would make that axis {}", mended.join(", "), have / others));
            break;
        }
    }
    error
}

/// `6·4 = 24`
fn product(dims: &[i128], total: u64) -> String {
    let factors: Vec<String> = dims.iter().filter(|&&d| d != -1).map(i128::to_string).collect();
    match factors.as_slice() {
        [] => format!("{total}"),
        [one] => one.clone(),
        _ => format!("{} = {total}", factors.join("·")),
    }
}

/// Elements of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub first: u64,
    /// How many.
    pub len: u64,
    /// From one to the next; 1 where there is one only.
    pub step: i64,
}

/// The elements `[start:end:step]` of an axis of `n`, as Python has them.
///
/// # Errors
/// If the step is 0 or no element is left.
pub fn range(n: u64, start: Option<i64>, end: Option<i64>, step: i64) -> Rule<Range> {
    if step == 0 {
        let error = ShapeError::new(Code::OutOfRange, "step", "`step` must not be 0");
        return Err(error.help("a negative step gives the reverse order"));
    }
    let (len, wide) = (i128::from(n), i128::from(step));
    // The reverse order may end before the first element.
    let (least, most) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let within = |at: i64| {
        let at = i128::from(at);
        (if at < 0 { at + len } else { at }).clamp(least, most)
    };
    let (all_from, all_to) = if step > 0 { (least, most) } else { (most, least) };
    let (from, to) = (start.map_or(all_from, within), end.map_or(all_to, within));
    let distance = if step > 0 { to - from } else { from - to };
    let stride = wide.abs();
    let count = if distance > 0 { (distance - 1) / stride + 1 } else { 0 };
    match (u64::try_from(from), u64::try_from(count)) {
        (Ok(first), Ok(len)) if len > 0 => Ok(Range { first, len, step: if len == 1 { 1 } else { step } }),
        _ => {
            let about = if start.is_some() { "start" } else { "end" };
            let mut error =
                ShapeError::new(Code::EmptyShape, about, format!("nothing is left of {n} elements"))
                    .note(format!("it would go from {from} to before {to} in steps of {step}"));
            if distance < 0 {
                error = error.help(match step > 0 {
                    true => "a negative `step` goes backwards".to_owned(),
                    false => "with a negative `step`, `start` is the larger".to_owned(),
                });
            }
            Err(error)
        }
    }
}

/// The length of an axis with elements added.
///
/// # Errors
/// If the border has not the elements that it would repeat, or the length overflows.
pub fn pad_axis(axis: usize, border: Border, n: u64, before: u64, after: u64) -> Rule<u64> {
    super::border_fits(Axis::Width, border, n, before, after).map_err(|_| {
        let (name, rule) = match border {
            Border::Reflect => ("reflect", "less than"),
            _ => ("wrap", "at most"),
        };
        let pad = before.max(after);
        let about = if before >= after { "before" } else { "after" };
        let text = format!("`border={name}` cannot give {pad} elements of padding from {n}");
        ShapeError::new(Code::BorderTooLarge, about, text)
            .note(format!("axis {axis}: `{name}` needs pad {rule} n, and here pad = {pad}, n = {n}"))
            .help("`border=replicate` has no such limit")
    })?;
    let sum = n.checked_add(before).and_then(|n| n.checked_add(after));
    sum.ok_or_else(|| overflow("before", "the padded axis"))
}

/// How many blocks of `factor` elements an axis has.
///
/// # Errors
/// If they do not come out even.
pub fn blocks(axis: Axis, n: u64, factor: u64) -> Rule<u64> {
    if factor > 0 && n.is_multiple_of(factor) {
        return Ok(n / factor);
    }
    if factor == 0 {
        return Err(ShapeError::new(Code::OutOfRange, "factor", "`factor` must be at least 1"));
    }
    let text = format!("{n} {} cannot be split into blocks of {factor}", axis.unit());
    Err(ShapeError::new(Code::SideFactor, "factor", text)
        .note(format!("{}: {n} = {}·{factor} + {}", axis.name(), n / factor, n % factor))
        .help("`pad` or `crop` before it makes the side a multiple"))
}
