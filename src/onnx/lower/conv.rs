//! Convolutions and transposed convolutions.

use std::sync::Arc;

use super::super::call::{Call, Live};
use super::super::error::OnnxError;
use super::super::tensor::Constant;
use super::builder::{Builder, Lowered, Weights};
use super::names;
use super::settings::Settings;
use super::window::{Padding, Window, chw, picture, sides, spatial, two, unpicture, with_chw};
use crate::limits;

/// Weights as `[a, b, kh, kw]`, with that shape.
struct Kernel {
    constant: Arc<Constant>,
    dims: [u64; 4],
}

fn kernel(call: &Call<'_>, spatial: usize) -> Result<Kernel, OnnxError> {
    let constant = call.must_know(1, "the weight")?.clone();
    let dims = match (spatial, constant.dims()) {
        (1, &[a, b, k]) => [a, b, 1, k],
        (2, &[a, b, h, w]) => [a, b, h, w],
        (_, dims) => {
            return Err(call.invalid(format!("its weight {dims:?} does not fit {spatial} spatial axes")));
        }
    };
    let [_, _, kh, kw] = dims;
    let given = match call.ints("kernel_shape")? {
        Some(_) => two(call, "kernel_shape", spatial, 1)?,
        None => [kh, kw],
    };
    if given != [kh, kw] || dims.contains(&0) {
        return Err(call.invalid(format!("its weight has the shape {dims:?}, its kernel_shape is {given:?}")));
    }
    Ok(Kernel { constant, dims })
}

/// The weights of a convolution, and its name.
fn weights(b: &mut Builder<'_>, call: &Call<'_>, kernel: &Kernel, out: u64) -> Lowered<(String, Weights)> {
    let mut weights = vec![("weight", b.tensor(call, &kernel.constant, &kernel.dims)?)];
    if let Some(bias) = call.known(2, "the bias")? {
        weights.push(("bias", b.weight(call, "its bias", bias, &[out])?));
    }
    Ok((line_name(call, &[1, 2]), weights))
}

/// What a line with weights is called: after its weights, or else its node.
pub fn line_name(call: &Call<'_>, weights: &[usize]) -> String {
    let named = weights.iter().filter_map(|&i| call.node.inputs.get(i)).map(|name| names::of_weight(name));
    named.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| names::of_node(call.node))
}

fn groups(call: &Call<'_>) -> Result<u64, OnnxError> {
    let groups = call.int("group", 1)?;
    let given = u64::try_from(groups).ok().filter(|&g| g > 0 && g <= limits::DIM);
    given.ok_or_else(|| call.invalid(format!("its group is {groups}")))
}

/// Conv.
pub fn conv(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let spatial = spatial(call, &x)?;
    let kernel = kernel(call, spatial)?;
    let [out, per_group, kh, kw] = kernel.dims;
    let window = Window::of(call, spatial, [kh, kw])?;
    let groups = groups(call)?;
    let picture = picture(b, call, &x)?;
    let (window, picture) = window.cropped(b, call, &picture)?;
    let [c, h, w] = chw(call, &picture)?;
    if per_group.checked_mul(groups) != Some(c) || !out.is_multiple_of(groups) {
        return Err(call
            .invalid(format!(
                "its weight {:?} in {groups} groups does not fit {c} channels",
                kernel.constant.dims()
            ))
            .into());
    }
    let [oh, ow] = window.output(call, [h, w], false)?;
    let weights = weights(b, call, &kernel, out)?;
    let settings = Settings::default().pair("kernel", [kh, kw]).whole("out", out);
    let settings = window
        .pad(settings.pair_unless("stride", window.stride, [1, 1]))
        .pair_unless("dilation", window.dilation, [1, 1])
        .whole_unless("groups", groups, 1)
        .flag_unless("bias", weights.1.len() > 1, true);
    let dims = with_chw(&picture, [out, oh, ow]);
    finish(b, call, "conv", (&picture, x.rank()), settings, dims, weights)
}

/// The line of a convolution, seen as a value of so many axes.
fn finish(
    b: &mut Builder<'_>,
    call: &Call<'_>,
    layer: &'static str,
    (picture, rank): (&Live, usize),
    settings: Settings,
    dims: Vec<u64>,
    weights: (String, Weights),
) -> Lowered<Live> {
    let open = weights.1.len() == 1;
    let y = b.weighted(call, picture, layer, settings, dims, weights)?;
    let made = unpicture(b, call, rank, y.clone())?;
    if open {
        b.without_bias(call, &made, &y, rank.saturating_sub(2));
    }
    Ok(made)
}

/// What is cut off and added to a transposed convolution's output along one axis.
struct Ends {
    sides: [i64; 2],
    output_pad: i64,
}

/// ONNX's `pads`, `output_padding`, `output_shape` and `auto_pad` along one axis.
fn ends(
    call: &Call<'_>,
    window: &Window,
    axis: usize,
    n: u64,
    (pads, output_pad, shape): ([i64; 2], i64, Option<i64>),
) -> Result<Ends, OnnxError> {
    let stride = window.stride.get(axis).copied().unwrap_or(1) as i64;
    let effective = window.effective(axis);
    let whole = (n as i64 - 1).saturating_mul(stride).saturating_add(effective).saturating_add(output_pad);
    let upper = window.padding == Padding::SameUpper;
    let total = match (shape, window.padding) {
        (Some(shape), _) => whole.saturating_sub(shape),
        // The output is n·s, so this does not depend on n.
        (None, Padding::SameLower | Padding::SameUpper) => effective + output_pad - stride,
        (None, Padding::Sides(_)) => {
            let [before, after] = pads;
            if before < 0 {
                return Err(call.unsupported(format!("its pads add {} elements before the output", -before)));
            }
            // What is not cut off but added at the end is the output's padding.
            return Ok(Ends { sides: [before, after.max(0)], output_pad: output_pad - after.min(0) });
        }
    };
    let cut = total.max(0);
    let (small, large) = (cut / 2, cut - cut / 2);
    let sides = if upper { [small, large] } else { [large, small] };
    Ok(Ends { sides, output_pad: output_pad - total.min(0) })
}

/// ConvTranspose.
pub fn conv_transpose(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let spatial = spatial(call, &x)?;
    let kernel = kernel(call, spatial)?;
    let [taken, per_group, kh, kw] = kernel.dims;
    let window = Window::of(call, spatial, [kh, kw])?;
    let groups = groups(call)?;
    let picture = picture(b, call, &x)?;
    let [c, h, w] = chw(call, &picture)?;
    let out = per_group.checked_mul(groups).filter(|_| taken == c && c.is_multiple_of(groups));
    let out = out.ok_or_else(|| {
        let found = kernel.constant.dims();
        call.invalid(format!("its weight {found:?} in {groups} groups does not fit {c} channels"))
    })?;
    let output_pad = two(call, "output_padding", spatial, 0)?.map(|v| v as i64);
    let shape = match call.ints("output_shape")? {
        None => [None; 2],
        // Some exporters list samples and channels too.
        Some(list) => match (spatial, list) {
            (1, [.., x]) => [Some(1), Some(*x)],
            (2, [.., y, x]) => [Some(*y), Some(*x)],
            _ => return Err(call.invalid(format!("its output_shape is {list:?}")).into()),
        },
    };
    let pads = sides(call, spatial)?;
    let (mut cut, mut added, mut size) = ([[0; 2]; 2], [0u64; 2], [0u64; 2]);
    for (axis, n) in [h, w].into_iter().enumerate() {
        let at = |v: [i64; 2]| v.get(axis).copied().unwrap_or(0);
        let given =
            (pads.get(axis).copied().unwrap_or_default(), at(output_pad), shape.get(axis).copied().flatten());
        let ends = ends(call, &window, axis, n, given)?;
        let (s, d) = (window.stride.get(axis), window.dilation.get(axis));
        let limit = s.max(d).copied().unwrap_or(1) as i64;
        if ends.output_pad >= limit {
            let what =
                format!("it adds {} elements after its output, not fewer than {limit}", ends.output_pad);
            return Err(call.unsupported(what).into());
        }
        let stride = s.copied().unwrap_or(1) as i64;
        let whole = (n as i64 - 1).saturating_mul(stride).saturating_add(window.effective(axis));
        let [before, after] = ends.sides;
        let left = whole.saturating_add(ends.output_pad).saturating_sub(before).saturating_sub(after);
        let left = u64::try_from(left).ok().filter(|&v| v > 0);
        let left = left.ok_or_else(|| call.invalid("its padding cuts off all of its output"))?;
        if let (Some(c), Some(a), Some(o)) = (cut.get_mut(axis), added.get_mut(axis), size.get_mut(axis)) {
            (*c, *a, *o) = (ends.sides, ends.output_pad.unsigned_abs(), left);
        }
    }
    let weights = weights(b, call, &kernel, out)?;
    let settings = Settings::default().pair("kernel", [kh, kw]).whole("out", out);
    let explicit = Window { padding: Padding::Sides(cut), ..window };
    let settings = explicit
        .pad(settings.pair_unless("stride", window.stride, [1, 1]))
        .pair_unless("output_pad", added, [0, 0])
        .pair_unless("dilation", window.dilation, [1, 1])
        .whole_unless("groups", groups, 1)
        .flag_unless("bias", weights.1.len() > 1, true);
    let [oh, ow] = size;
    let dims = with_chw(&picture, [out, oh, ow]);
    finish(b, call, "conv_transpose", (&picture, x.rank()), settings, dims, weights)
}
