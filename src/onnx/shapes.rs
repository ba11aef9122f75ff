//! ONNX's rules for shapes, as functions on numbers. Axes here count the batch, as in ONNX.

use crate::limits;

/// What a rule gives: a value, or what is wrong in words.
pub type Rule<T> = Result<T, String>;

/// An axis that may count from the last; `rank` as the upper bound itself is allowed where `end` is.
pub fn axis(axis: i64, rank: usize) -> Rule<usize> {
    let count = rank as i64;
    let at = if axis < 0 { axis.saturating_add(count) } else { axis };
    match usize::try_from(at) {
        Ok(at) if at < rank => Ok(at),
        _ => Err(format!("there is no axis {axis} among {rank}")),
    }
}

/// Several different axes, in the order given.
pub fn axes(list: &[i64], rank: usize) -> Rule<Vec<usize>> {
    let mut found = Vec::new();
    for &a in list {
        let at = axis(a, rank)?;
        if found.contains(&at) {
            return Err(format!("axis {a} is given twice"));
        }
        found.push(at);
    }
    Ok(found)
}

/// The shape of an elementwise operation.
pub fn broadcast(a: &[u64], b: &[u64]) -> Rule<Vec<u64>> {
    crate::graph::shape::broadcast(a, b).map_err(|e| e.to_string())
}

/// What `Reshape` makes of a shape.
pub fn reshape(from: &[u64], to: &[i64], allow_zero: bool) -> Rule<Vec<u64>> {
    let wrong = || format!("{from:?} cannot be seen as {to:?}");
    let total = crate::onnx::tensor::count(from).ok_or_else(wrong)?;
    if to.len() > limits::RANK * 2 {
        return Err(format!("{} axes are too many", to.len()));
    }
    let mut dims = Vec::with_capacity(to.len());
    let mut open = None;
    for (i, &d) in to.iter().enumerate() {
        dims.push(match d {
            -1 if open.is_some() => return Err(format!("{to:?} leaves two axes open")),
            -1 => {
                open = Some(i);
                1
            }
            0 if !allow_zero => *from.get(i).ok_or_else(wrong)?,
            d => u64::try_from(d).map_err(|_| wrong())?,
        });
    }
    let known = crate::onnx::tensor::count(&dims).ok_or_else(wrong)?;
    if let Some(slot) = open.and_then(|i| dims.get_mut(i)) {
        if known == 0 || !total.is_multiple_of(known) {
            return Err(wrong());
        }
        *slot = total / known;
        return Ok(dims);
    }
    if known == total { Ok(dims) } else { Err(wrong()) }
}

/// What `Squeeze` leaves; without axes, all of length 1 go.
pub fn squeeze(from: &[u64], list: Option<&[i64]>) -> Rule<(Vec<u64>, Vec<usize>)> {
    let gone = match list {
        Some(list) => axes(list, from.len())?,
        None => (0..from.len()).filter(|&i| from.get(i) == Some(&1)).collect(),
    };
    for &i in &gone {
        if from.get(i) != Some(&1) {
            return Err(format!("axis {i} of {from:?} is not 1 and cannot be dropped"));
        }
    }
    let left = from.iter().enumerate().filter(|(i, _)| !gone.contains(i)).map(|(_, &d)| d).collect();
    Ok((left, gone))
}

/// What `Unsqueeze` makes; the axes are those of the result.
pub fn unsqueeze(from: &[u64], list: &[i64]) -> Rule<(Vec<u64>, Vec<usize>)> {
    let rank = from.len() + list.len();
    if rank > limits::RANK * 2 {
        return Err(format!("{rank} axes are too many"));
    }
    let new = axes(list, rank)?;
    let mut rest = from.iter();
    let mut dims = Vec::with_capacity(rank);
    for i in 0..rank {
        dims.push(if new.contains(&i) { 1 } else { rest.next().copied().unwrap_or(1) });
    }
    Ok((dims, new))
}

/// What `Flatten` makes.
pub fn flatten(from: &[u64], at: i64) -> Rule<[u64; 2]> {
    let rank = from.len();
    let at = if at == rank as i64 { rank } else { axis(at, rank.max(1))? };
    let product = |dims: Option<&[u64]>| {
        dims.and_then(crate::onnx::tensor::count).ok_or_else(|| format!("{from:?} is too large"))
    };
    Ok([product(from.get(..at))?, product(from.get(at..))?])
}

/// A permutation, reversed where none is given.
pub fn permutation(perm: Option<&[i64]>, rank: usize) -> Rule<Vec<usize>> {
    let Some(perm) = perm else { return Ok((0..rank).rev().collect()) };
    let found = axes(perm, rank)?;
    if found.len() == rank { Ok(found) } else { Err(format!("{perm:?} is no permutation of {rank} axes")) }
}

/// Elements of one axis that `Slice` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub start: u64,
    /// From one to the next; not 0.
    pub step: i64,
    /// How many.
    pub count: u64,
}

/// What a slice takes of an axis of `n`, by the rules of numpy.
pub fn slice(n: u64, start: i64, end: i64, step: i64) -> Rule<Range> {
    if step == 0 {
        return Err("a slice has the step 0".to_owned());
    }
    let n = i128::from(n);
    let from_end = |i: i64| if i < 0 { i128::from(i) + n } else { i128::from(i) };
    let wide = i128::from(step);
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let (start, end) = (from_end(start).clamp(low, high), from_end(end).clamp(low, high));
    let distance = if step > 0 { end - start } else { start - end };
    let size = wide.abs();
    let count = if distance > 0 { (distance + size - 1) / size } else { 0 };
    Ok(Range {
        start: u64::try_from(start.max(0)).unwrap_or(0),
        step,
        count: u64::try_from(count).unwrap_or(0),
    })
}

/// The lengths that `Split` makes of an axis of `n`.
pub fn split(n: u64, sizes: Option<&[i64]>, parts: usize) -> Rule<Vec<u64>> {
    if let Some(sizes) = sizes {
        let lengths: Option<Vec<u64>> = sizes.iter().map(|&s| u64::try_from(s).ok()).collect();
        let sum = lengths.as_ref().and_then(|l| l.iter().try_fold(0u64, |a, &b| a.checked_add(b)));
        return match lengths {
            Some(lengths) if sum == Some(n) && lengths.len() == parts => Ok(lengths),
            _ => Err(format!("{sizes:?} do not split {n} into {parts} parts")),
        };
    }
    let parts = parts as u64;
    if parts == 0 || parts > n {
        return Err(format!("{n} cannot be split into {parts} parts"));
    }
    // The last part is smaller where it does not come out even.
    let each = n.div_ceil(parts);
    (0..parts)
        .map(|i| match n.saturating_sub(i * each).min(each) {
            0 => Err(format!("{n} cannot be split into {parts} parts of {each}")),
            length => Ok(length),
        })
        .collect()
}
