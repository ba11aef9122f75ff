//! Rearranging constants: the elements stay what they are.

use super::super::call::Call;
use super::super::error::OnnxError;
use super::super::shapes;
use super::super::tensor::{Constant, Elements, Kind, count};
use super::arithmetic::spread;
use super::{Room, made};

fn data<'c>(call: &'c Call<'_>) -> Result<&'c Constant, OnnxError> {
    call.must_know(0, "the data").map(|c| &**c)
}

fn seen_as(call: &Call<'_>, room: &mut Room, x: &Constant, dims: &[u64]) -> Result<Vec<Constant>, OnnxError> {
    room.take(x.bytes())?;
    Ok(vec![made(call, x.reshaped(dims))?])
}

/// Reshape.
pub fn reshape(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let x = data(call)?;
    let to = call.list("shape", 1)?.ok_or_else(|| call.invalid("it has no shape"))?;
    let dims = call.rule(shapes::reshape(x.dims(), &to, call.flag("allowzero")?))?;
    seen_as(call, room, x, &dims)
}

/// Flatten.
pub fn flatten(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let x = data(call)?;
    let dims = call.rule(shapes::flatten(x.dims(), call.int("axis", 1)?))?;
    seen_as(call, room, x, &dims)
}

/// Squeeze.
pub fn squeeze(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let x = data(call)?;
    let (dims, _) = call.rule(shapes::squeeze(x.dims(), call.list("axes", 1)?.as_deref()))?;
    seen_as(call, room, x, &dims)
}

/// Unsqueeze.
pub fn unsqueeze(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let x = data(call)?;
    let axes = call.list("axes", 1)?.ok_or_else(|| call.invalid("it has no axes"))?;
    let (dims, _) = call.rule(shapes::unsqueeze(x.dims(), &axes))?;
    seen_as(call, room, x, &dims)
}

/// Transpose.
pub fn transpose(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let x = data(call)?;
    let perm = call.rule(shapes::permutation(call.ints("perm")?, x.dims().len()))?;
    let strides = x.strides();
    let dims: Vec<u64> = perm.iter().filter_map(|&p| x.dims().get(p).copied()).collect();
    let strides: Vec<i64> = perm.iter().filter_map(|&p| strides.get(p).copied()).collect();
    room.take(x.bytes())?;
    Ok(vec![made(call, x.view(&dims, &strides, 0))?])
}

/// Expand.
pub fn expand(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let x = data(call)?;
    let to = call.list("shape", 1)?.ok_or_else(|| call.invalid("it has no shape"))?;
    let to: Option<Vec<u64>> = to.iter().map(|&d| u64::try_from(d).ok()).collect();
    let to = to.ok_or_else(|| call.invalid("its shape is negative"))?;
    let dims = call.rule(shapes::broadcast(x.dims(), &to))?;
    room.elements(&dims)?;
    Ok(vec![spread(call, x, &dims)?])
}

/// Tile.
pub fn tile(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let x = data(call)?;
    let repeats = call.list("repeats", 1)?.unwrap_or_default();
    let repeats: Vec<u64> = repeats.iter().filter_map(|&r| u64::try_from(r).ok()).collect();
    if repeats.len() != x.dims().len() {
        return Err(call.invalid("its repeats are not one for each axis"));
    }
    // Each axis is seen as one that repeats, and its own.
    let (mut seen, mut strides, mut dims) = (Vec::new(), Vec::new(), Vec::new());
    for ((&d, s), &r) in x.dims().iter().zip(x.strides()).zip(&repeats) {
        seen.extend([r, d]);
        strides.extend([0, s]);
        dims.push(d.checked_mul(r).ok_or_else(|| call.invalid("its result is too large"))?);
    }
    room.elements(&dims)?;
    room.elements(&dims)?;
    let tiled = made(call, x.view(&seen, &strides, 0))?;
    Ok(vec![made(call, tiled.reshaped(&dims))?])
}

/// Part of a constant: for each axis a range.
fn part(call: &Call<'_>, x: &Constant, ranges: &[shapes::Range]) -> Result<Constant, OnnxError> {
    let mut offset = 0i64;
    let (mut dims, mut strides) = (Vec::new(), Vec::new());
    for (range, stride) in ranges.iter().zip(x.strides()) {
        let start = i64::try_from(range.start).ok().and_then(|s| s.checked_mul(stride));
        let next = start.and_then(|s| offset.checked_add(s)).zip(stride.checked_mul(range.step));
        let (next, step) = next.ok_or_else(|| call.invalid("it slices too far"))?;
        offset = next;
        dims.push(range.count);
        strides.push(step);
    }
    made(call, x.view(&dims, &strides, offset))
}

fn whole_ranges(dims: &[u64]) -> Vec<shapes::Range> {
    dims.iter().map(|&count| shapes::Range { start: 0, step: 1, count }).collect()
}

/// Slice.
pub fn slice(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let x = data(call)?;
    let mut ranges = whole_ranges(x.dims());
    for (axis, start, end, step) in slices(call, x.dims().len())? {
        if let (Some(range), Some(&n)) = (ranges.get_mut(axis), x.dims().get(axis)) {
            *range = call.rule(shapes::slice(n, start, end, step))?;
        }
    }
    room.take(x.bytes())?;
    Ok(vec![part(call, x, &ranges)?])
}

/// Axis, start, end and step of each axis that a `Slice` cuts.
pub fn slices(call: &Call<'_>, rank: usize) -> Result<Vec<(usize, i64, i64, i64)>, OnnxError> {
    let list = |name, index| {
        let found = call.list(name, index)?;
        found.ok_or_else(|| call.invalid(format!("it has no {name}")))
    };
    let (starts, ends) = (list("starts", 1)?, list("ends", 2)?);
    let axes = match call.list("axes", 3)? {
        Some(axes) => call.rule(shapes::axes(&axes, rank))?,
        None => (0..starts.len()).collect(),
    };
    let steps = call.list("steps", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    let same = [ends.len(), axes.len(), steps.len()].iter().all(|&n| n == starts.len());
    if !same || axes.iter().any(|&a| a >= rank) {
        return Err(call.invalid("its starts, ends, axes and steps do not go together"));
    }
    Ok(axes
        .into_iter()
        .zip(starts)
        .zip(ends)
        .zip(steps)
        .map(|(((axis, start), end), step)| (axis, start, end, step))
        .collect())
}

/// Split.
pub fn split(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let x = data(call)?;
    let axis = call.rule(shapes::axis(call.int("axis", 0)?, x.dims().len()))?;
    let n = x.dims().get(axis).copied().unwrap_or(0);
    let lengths = split_lengths(call, n)?;
    room.take(x.bytes())?;
    let mut start = 0;
    let mut parts = Vec::new();
    for count in lengths {
        let mut ranges = whole_ranges(x.dims());
        if let Some(range) = ranges.get_mut(axis) {
            *range = shapes::Range { start, step: 1, count };
        }
        start += count;
        parts.push(part(call, x, &ranges)?);
    }
    Ok(parts)
}

/// The lengths of the parts that a `Split` makes of an axis of `n`.
pub fn split_lengths(call: &Call<'_>, n: u64) -> Result<Vec<u64>, OnnxError> {
    let sizes = call.list("split", 1)?;
    let outputs = call.node.outputs.len();
    let parts = match call.int_of("num_outputs")? {
        Some(parts) if usize::try_from(parts) != Ok(outputs) => {
            return Err(call.invalid(format!("num_outputs is {parts}, and it has {outputs} outputs")));
        }
        _ => outputs,
    };
    call.rule(shapes::split(n, sizes.as_deref(), parts))
}

/// Concat.
pub fn concat(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let first = data(call)?;
    let axis = call.rule(shapes::axis(call.int("axis", 1)?, first.dims().len()))?;
    let mut parts = Vec::new();
    let mut dims = first.dims().to_vec();
    let mut along = 0u64;
    for index in 0..call.inputs.len() {
        let x = call.must_know(index, "an operand")?;
        let same = x.dims().len() == dims.len()
            && x.dims().iter().zip(&dims).enumerate().all(|(i, (a, b))| i == axis || a == b);
        if !same || x.kind() != first.kind() {
            return Err(call.invalid(format!("{:?} and {:?} cannot be joined", first.dims(), x.dims())));
        }
        along = along.saturating_add(x.dims().get(axis).copied().unwrap_or(0));
        parts.push(&**x);
    }
    if let Some(slot) = dims.get_mut(axis) {
        *slot = along;
    }
    room.elements(&dims)?;
    let outer = count(dims.get(..axis).unwrap_or_default()).unwrap_or(0) as usize;
    // Axes before one of length 0 may be of any length.
    let outer = if count(&dims) == Some(0) { 0 } else { outer };
    let joined = match first.kind() {
        Kind::Float => {
            let all: Vec<&[f32]> = parts.iter().filter_map(|p| p.tensor().map(|t| t.data())).collect();
            Constant::floats(&dims, interleave(&all, outer))
        }
        Kind::Whole => {
            let all: Vec<&[i64]> = parts.iter().filter_map(|p| p.integers()).collect();
            Constant::whole(&dims, interleave(&all, outer))
        }
        Kind::Bool => {
            let all = parts.iter().filter_map(|p| match p.data() {
                Elements::Bool(v) => Some(v.as_slice()),
                _ => None,
            });
            Constant::bools(&dims, interleave(&all.collect::<Vec<_>>(), outer))
        }
    };
    Ok(vec![made(call, joined)?])
}

/// For each of the outer indices, the next piece of every part.
fn interleave<T: Copy>(parts: &[&[T]], outer: usize) -> Vec<T> {
    let mut joined = Vec::with_capacity(parts.iter().map(|p| p.len()).sum());
    for i in 0..outer {
        for part in parts {
            let each = part.len() / outer;
            joined.extend_from_slice(part.get(i * each..(i + 1) * each).unwrap_or_default());
        }
    }
    joined
}

/// Gather.
pub fn gather(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let x = data(call)?;
    let indices = call.must_know(1, "the indices")?;
    let axis = call.rule(shapes::axis(call.int("axis", 0)?, x.dims().len()))?;
    let n = x.dims().get(axis).copied().unwrap_or(0);
    let list = indices.integers().ok_or_else(|| call.invalid("its indices are not whole numbers"))?;
    let (before, after) = (x.dims().get(..axis), x.dims().get(axis + 1..));
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let dims: Vec<u64> = [before, indices.dims(), after].concat();
    room.elements(&dims)?;
    let inner = count(after).unwrap_or(0);
    let outer = count(before).unwrap_or(0);
    let mut from = Vec::new();
    for o in 0..if count(&dims) == Some(0) { 0 } else { outer } {
        for &index in list {
            let at = if index < 0 { index.saturating_add(n as i64) } else { index };
            let at = u64::try_from(at).ok().filter(|&at| at < n);
            let at = at.ok_or_else(|| call.invalid(format!("index {index} is not below {n}")))?;
            let start = (o * n + at) * inner;
            from.extend(start..start + inner);
        }
    }
    let at = |i: &u64| *i as usize;
    let gathered = match x.data() {
        Elements::F32(t) => {
            let picked: Option<Vec<f32>> = from.iter().map(|i| t.data().get(at(i)).copied()).collect();
            picked.and_then(|data| Constant::floats(&dims, data))
        }
        Elements::I64(v) => {
            let picked: Option<Vec<i64>> = from.iter().map(|i| v.get(at(i)).copied()).collect();
            picked.and_then(|data| Constant::whole(&dims, data))
        }
        Elements::Bool(v) => {
            let picked: Option<Vec<bool>> = from.iter().map(|i| v.get(at(i)).copied()).collect();
            picked.and_then(|data| Constant::bools(&dims, data))
        }
    };
    Ok(vec![made(call, gathered)?])
}
