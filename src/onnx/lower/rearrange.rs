//! The same elements under other axes.

use super::super::call::{Call, Live, Value};
use super::super::shapes;
use super::builder::{Builder, Fail, Lowered};
use super::settings::Settings;
use super::window::{chw, with_chw};
use crate::limits;

/// Reshape.
pub fn reshape(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let to = call.list("shape", 1)?.ok_or_else(|| call.invalid("it has no shape"))?;
    let shape = b.shape(&x);
    let resolved = call.rule(shapes::reshape(&shape, &to, call.flag("allowzero")?))?;
    let dims = b.own_dims(&x, &resolved)?;
    // What is left open in the file stays open.
    let skip = usize::from(x.batched);
    let list = dims.iter().zip(to.iter().skip(skip));
    let list = list.map(|(&d, &t)| if t == -1 { -1 } else { d as i64 }).collect();
    b.reshape_as(call, &x, &dims, list)
}

/// Flatten.
pub fn flatten(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let axis = call.int("axis", 1)?;
    let shape = b.shape(&x);
    if x.batched && (axis == 0 || axis == -(shape.len() as i64)) {
        return Err(Fail::Mixes);
    }
    let resolved = call.rule(shapes::flatten(&shape, axis))?;
    let dims = b.own_dims(&x, &resolved)?;
    b.reshape(call, &x, &dims)
}

/// Squeeze.
pub fn squeeze(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let (left, gone) = call.rule(shapes::squeeze(&b.shape(&x), call.list("axes", 1)?.as_deref()))?;
    if x.batched && gone.contains(&0) {
        return Err(Fail::Mixes);
    }
    let dims = b.own_dims(&x, &left)?;
    b.reshape(call, &x, &dims)
}

/// Unsqueeze.
pub fn unsqueeze(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let axes = call.list("axes", 1)?.ok_or_else(|| call.invalid("it has no axes"))?;
    let (shape, new) = call.rule(shapes::unsqueeze(&b.shape(&x), &axes))?;
    if x.batched && new.contains(&0) {
        return Err(Fail::Mixes);
    }
    let dims = b.own_dims(&x, &shape)?;
    b.reshape(call, &x, &dims)
}

/// Transpose.
pub fn transpose(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let perm = call.rule(shapes::permutation(call.ints("perm")?, x.rank()))?;
    let mut own = Vec::with_capacity(perm.len());
    for (i, &p) in perm.iter().enumerate() {
        match (x.batched, i, p) {
            (false, _, p) => own.push(p),
            (true, 0, 0) => {}
            (true, 0, _) | (true, _, 0) => return Err(Fail::Mixes),
            (true, _, p) => own.push(p - 1),
        }
    }
    b.permute(call, &x, &own)
}

/// DepthToSpace and SpaceToDepth.
pub fn depth(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let size = call.int("blocksize", 0)?;
    let size = u64::try_from(size).ok().filter(|&s| s > 0 && s <= limits::WINDOW);
    let size = size.ok_or_else(|| call.invalid("its blocksize is not positive"))?;
    if x.rank() != 4 {
        return Err(call.invalid("its input does not have 4 axes").into());
    }
    let [c, h, w] = chw(call, &x)?;
    let square = size * size;
    let column_first = match call.text("mode", "DCR")? {
        "DCR" => false,
        "CRD" => true,
        other => return Err(call.invalid(format!("its mode is {other:?}")).into()),
    };
    let settings = Settings::default().whole("factor", size);
    let order = |s: Settings| s.word_unless("order", if column_first { "crd" } else { "dcr" }, "dcr");
    if call.node.op == "SpaceToDepth" {
        if !h.is_multiple_of(size) || !w.is_multiple_of(size) {
            return Err(call.invalid(format!("{h} rows or {w} columns are no multiple of {size}")).into());
        }
        let deep = c.checked_mul(square).ok_or_else(|| call.invalid("its result is too large"))?;
        let dims = with_chw(&x, [deep, h / size, w / size]);
        return b.layer(call, &x, "space_to_depth", order(settings), dims);
    }
    if !c.is_multiple_of(square) {
        return Err(call.invalid(format!("{c} channels are no multiple of {square}")).into());
    }
    let dims = with_chw(&x, [c / square, h.saturating_mul(size), w.saturating_mul(size)]);
    if column_first {
        return b.layer(call, &x, "pixel_shuffle", settings, dims);
    }
    b.layer(call, &x, "depth_to_space", order(settings), dims)
}

/// Identity.
pub fn identity(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    b.live(call, 0)
}

/// Dropout, which does nothing but in training.
pub fn dropout(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    call.only_first("the mask of what is dropped; nothing is")?;
    if let Some(Value::Known(training)) = call.input(2)
        && training.scalar() == Some(1.0)
    {
        let ratio = call.known(1, "the ratio")?.and_then(|r| r.scalar()).unwrap_or(0.5);
        if ratio != 0.0 {
            return Err(call.unsupported("it drops values at random, as in training").into());
        }
    }
    b.live(call, 0)
}

/// Cast of a value from floating point to floating point.
pub fn cast(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    match call.int("to", 0)? {
        1 | 10 | 11 | 16 => b.live(call, 0),
        to => {
            let what =
                format!("it casts a value that depends on an input to ONNX's type {to}; all values are f32");
            Err(call.unsupported(what).into())
        }
    }
}
