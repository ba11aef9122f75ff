//! Reductions of constants.

use super::super::call::Call;
use super::super::error::OnnxError;
use super::super::shapes;
use super::super::tensor::{Constant, Elements, row_major};
use super::{Room, made};

/// The axes that a reduction is over, in increasing order; with `noop_with_empty_axes`, perhaps none.
pub fn reduced_axes(call: &Call<'_>, rank: usize) -> Result<Vec<usize>, OnnxError> {
    let list = call.list("axes", 1)?.unwrap_or_default();
    if list.is_empty() {
        let none = call.flag("noop_with_empty_axes")?;
        return Ok(if none { Vec::new() } else { (0..rank).collect() });
    }
    let mut axes = call.rule(shapes::axes(&list, rank))?;
    axes.sort_unstable();
    Ok(axes)
}

/// ReduceProd, ReduceSum, ReduceMin, ReduceMax, ReduceMean.
pub fn reduce(call: &Call<'_>, room: &mut Room) -> Result<Vec<Constant>, OnnxError> {
    let x = call.must_know(0, "the data")?;
    let axes = reduced_axes(call, x.dims().len())?;
    let keep = call.int("keepdims", 1)? != 0;
    room.elements(x.dims())?;
    let shape: Vec<u64> =
        x.dims().iter().enumerate().map(|(i, &d)| if axes.contains(&i) { 1 } else { d }).collect();
    // Where each element goes: the strides of the result, 0 along the axes that vanish.
    let strides: Vec<i64> = row_major(&shape)
        .into_iter()
        .enumerate()
        .map(|(i, s)| if axes.contains(&i) { 0 } else { s })
        .collect();
    let total = super::super::tensor::count(&shape).unwrap_or(0);
    room.elements(&shape)?;
    let places = made(call, Constant::whole(&shape, (0..total as i64).collect()))?;
    let places = made(call, places.view(x.dims(), &strides, 0))?;
    let places = places.integers().unwrap_or_default();
    let op = call.node.op.as_str();
    let result = match x.data() {
        Elements::I64(v) => {
            let mut sums: Vec<Option<i64>> = vec![None; total as usize];
            for (&v, &place) in v.iter().zip(places) {
                if let Some(slot) = sums.get_mut(place as usize) {
                    let next = match (*slot, op) {
                        (None, _) => Some(v),
                        (Some(s), "ReduceProd") => s.checked_mul(v),
                        (Some(s), "ReduceMin") => Some(s.min(v)),
                        (Some(s), "ReduceMax") => Some(s.max(v)),
                        (Some(s), _) => s.checked_add(v),
                    };
                    *slot = Some(next.ok_or_else(|| call.invalid("its whole numbers overflow"))?);
                }
            }
            let each = (x.len() as i64).checked_div(total as i64).unwrap_or(1).max(1);
            let empty = i64::from(op == "ReduceProd");
            let done = sums.into_iter().map(|s| s.unwrap_or(empty)).map(|s| match op {
                "ReduceMean" => s / each,
                _ => s,
            });
            Constant::whole(&shape, done.collect())
        }
        _ => {
            let empty = match op {
                "ReduceProd" => 1.0,
                "ReduceMin" => f64::INFINITY,
                "ReduceMax" => f64::NEG_INFINITY,
                _ => 0.0,
            };
            let mut sums = vec![empty; total as usize];
            for (&v, &place) in x.to_floats().iter().zip(places) {
                let v = f64::from(v);
                if let Some(slot) = sums.get_mut(place as usize) {
                    *slot = match op {
                        "ReduceProd" => *slot * v,
                        "ReduceMin" => slot.min(v),
                        "ReduceMax" => slot.max(v),
                        _ => *slot + v,
                    };
                }
            }
            let each = if op == "ReduceMean" { x.len() as f64 / total as f64 } else { 1.0 };
            Constant::floats(&shape, sums.into_iter().map(|s| (s / each) as f32).collect())
        }
    };
    let result = made(call, result)?;
    if keep {
        return Ok(vec![result]);
    }
    let left: Vec<u64> =
        shape.iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, &d)| d).collect();
    Ok(vec![made(call, result.reshaped(&left))?])
}
