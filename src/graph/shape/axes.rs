//! Rules on whole axes: broadcasting, joining, cutting, splitting.

use super::{Axis, Rule, ShapeError, overflow};
use crate::diag::Code;

/// The axis of channels: the third last, or the last where there are fewer than three. A value
/// without axes has none.
pub const fn channel_axis(rank: usize) -> Option<usize> {
    match rank {
        0 => None,
        1 | 2 => Some(rank - 1),
        _ => Some(rank - 3),
    }
}

/// The product of all axes.
///
/// # Errors
/// If it overflows.
pub fn elements(dims: &[u64]) -> Rule<u64> {
    dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d)).ok_or_else(|| overflow("", "the number of elements"))
}

/// One axis of an elementwise operation: equal lengths, or one of them 1.
pub const fn broadcast_axis(a: u64, b: u64) -> Option<u64> {
    if a == b || b == 1 {
        Some(a)
    } else if a == 1 {
        Some(b)
    } else {
        None
    }
}

/// The shape of an elementwise operation: axes aligned from the last, missing ones count as 1.
///
/// # Errors
/// If a pair of axes differs and neither is 1.
pub fn broadcast(a: &[u64], b: &[u64]) -> Rule<Vec<u64>> {
    let rank = a.len().max(b.len());
    let at = |dims: &[u64], i: usize| match (i + dims.len()).checked_sub(rank) {
        Some(j) => dims.get(j).copied().unwrap_or(1),
        None => 1,
    };
    (0..rank)
        .map(|i| {
            let (x, y) = (at(a, i), at(b, i));
            broadcast_axis(x, y).ok_or_else(|| {
                ShapeError::new(Code::Broadcast, "", format!("{a:?} and {b:?} do not go together")).note(
                    format!(
                        "axis {i}, counted from 0: {x} against {y}; each pair must be equal or one of them 1"
                    ),
                )
            })
        })
        .collect()
}

/// The shape of values joined along an axis: the sum there, equal everywhere else.
///
/// # Errors
/// If they differ elsewhere, there are none, or the sum overflows.
pub fn concat(shapes: &[&[u64]], axis: usize) -> Rule<Vec<u64>> {
    let Some((first, rest)) = shapes.split_first() else {
        return Err(ShapeError::new(Code::ConcatShapes, "", "there is nothing to join"));
    };
    let mut out = first.to_vec();
    if axis >= out.len() {
        return Err(ShapeError::new(Code::BadAxis, "axis", format!("{first:?} has no axis {axis}")));
    }
    for shape in rest {
        let fits = shape.len() == out.len() && (0..out.len()).all(|i| i == axis || shape[i] == out[i]);
        if !fits {
            return Err(ShapeError::new(
                Code::ConcatShapes,
                "",
                format!("{first:?} and {shape:?} cannot be joined along axis {axis}"),
            )
            .note("all other axes must be equal"));
        }
        out[axis] = out[axis].checked_add(shape[axis]).ok_or_else(|| overflow("axis", "the joined axis"))?;
    }
    Ok(out)
}

/// What a crop leaves of an axis.
///
/// # Errors
/// If nothing.
pub fn crop(axis: Axis, n: u64, before: u64, after: u64) -> Rule<u64> {
    before.checked_add(after).and_then(|cut| n.checked_sub(cut)).filter(|&left| left > 0).ok_or_else(|| {
        let about = match (axis, before >= after) {
            (Axis::Height, true) => "top",
            (Axis::Height, false) => "bottom",
            (Axis::Width, true) => "left",
            (Axis::Width, false) => "right",
        };
        ShapeError::new(Code::CropTooLarge, about, format!("nothing is left of {n} {}", axis.unit()))
            .note(format!("{}: {n} − {before} − {after} < 1", axis.name()))
    })
}

/// Channels per group.
///
/// # Errors
/// If they cannot be split so.
pub fn group(what: &str, channels: u64, groups: u64) -> Rule<u64> {
    if groups == 0 {
        return Err(ShapeError::new(Code::OutOfRange, "groups", "`groups` must be at least 1"));
    }
    if channels.is_multiple_of(groups) {
        return Ok(channels / groups);
    }
    Err(ShapeError::new(
        Code::BadGroups,
        "groups",
        format!("{channels} {what} channels cannot be split into {groups} groups"),
    )
    .note(format!("{channels} = {}·{groups} + {}", channels / groups, channels % groups))
    .help(format!("`groups` must divide the number of {what} channels")))
}

/// `[C·r², H, W]` to `[C, H·r, W·r]`.
///
/// # Errors
/// If r² does not divide the channels, or a side overflows.
pub fn pixel_shuffle(channels: u64, factor: u64) -> Rule<u64> {
    let square = factor.checked_mul(factor).ok_or_else(|| overflow("factor", "the factor's square"))?;
    if square == 0 {
        return Err(ShapeError::new(Code::OutOfRange, "factor", "`factor` must be at least 1"));
    }
    if channels.is_multiple_of(square) {
        return Ok(channels / square);
    }
    Err(ShapeError::new(
        Code::ShuffleChannels,
        "factor",
        format!("{channels} channels are not a multiple of {square}"),
    )
    .note(format!("out channels = C/r² = {channels}/{factor}² = {channels}/{square}")))
}
