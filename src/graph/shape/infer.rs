//! The rules applied to whole operations.

use super::{Along, Axis, Rule, ShapeError, TransposedAlong, border_fits, broadcast, channel_axis, concat};
use super::{elements, group, overflow, pixel_shuffle};
use crate::diag::Code;
use crate::graph::{Border, Op, PadMode, PoolKind, Type, Window};

/// The type of an operation's result.
///
/// Where the operation leaves something free (the axes of a reshape, the lengths of a slice, the
/// sizes of a resize, the rounding of a pool), `claimed` fills it in and is checked as far as the
/// rules go. `Input`, `Const` and `Param` are typed by their tables: `claimed` is returned.
///
/// # Errors
/// If the arguments' number, ranks or sizes do not suit the operation.
pub fn infer(op: &Op, args: &[&Type], claimed: &Type) -> Rule<Type> {
    let batched = args.iter().any(|t| t.batched);
    let ty = |dims: Vec<u64>| Ok(Type { batched, dims });
    match op {
        Op::Input(_) | Op::Const(_) | Op::Param(_) => {
            count(args, 0, 0)?;
            Ok(claimed.clone())
        }
        Op::Conv(conv) => {
            count(args, 2, 3)?;
            let [c, h, w] = spatial(args[0])?;
            let &[o, i, kh, kw] = plain::<4>(args[1], "weight")?;
            kernel_matches(&conv.window, [kh, kw])?;
            if group("input", c, conv.groups)? != i {
                return Err(wrong(format!(
                    "the weight is for {i} channels a group, the value has {c} in all"
                )));
            }
            group("output", o, conv.groups)?;
            bias(args, o)?;
            let [oh, ow] = windowed(&conv.window, conv.border, [h, w])?;
            ty(with_spatial(args[0], [o, oh, ow]))
        }
        Op::Filter(window, border) => {
            count(args, 2, 2)?;
            let [c, h, w] = spatial(args[0])?;
            let &[kh, kw] = plain::<2>(args[1], "taps")?;
            kernel_matches(window, [kh, kw])?;
            let [oh, ow] = windowed(window, *border, [h, w])?;
            ty(with_spatial(args[0], [c, oh, ow]))
        }
        Op::ConvTranspose(conv) => {
            count(args, 2, 3)?;
            let [c, h, w] = spatial(args[0])?;
            let &[i, o, kh, kw] = plain::<4>(args[1], "weight")?;
            kernel_matches(&conv.window, [kh, kw])?;
            if i != c {
                return Err(wrong(format!("the weight is for {i} channels, the value has {c}")));
            }
            group("input", c, conv.groups)?;
            let o = o.checked_mul(conv.groups).ok_or_else(|| overflow("out", "the output's channels"))?;
            bias(args, o)?;
            let [oh, ow] = both(|axis| {
                let i = axis.index();
                TransposedAlong {
                    axis,
                    n: [h, w][i],
                    kernel: conv.window.kernel[i],
                    stride: conv.window.stride[i],
                    dilation: conv.window.dilation[i],
                    before: conv.window.pad.before(i),
                    after: conv.window.pad.after(i),
                    output_pad: conv.output_pad[i],
                }
                .output()
            })?;
            ty(with_spatial(args[0], [o, oh, ow]))
        }
        Op::Pool(pool) => {
            count(args, 1, 1)?;
            let [c, h, w] = spatial(args[0])?;
            let claimed = spatial(claimed)?;
            let [oh, ow] = both(|axis| {
                let along = along(&pool.window, axis, [h, w]);
                let (floor, ceil) = (along.output()?, along.output_ceil()?);
                let want = claimed[1 + axis.index()];
                let out = if want == ceil { ceil } else { floor };
                let counts_padding = pool.kind == PoolKind::Average { count_include_pad: true };
                match along.window_of_padding(out) {
                    Some(o) if !counts_padding => Err(ShapeError::new(
                        Code::EmptyWindow,
                        "pad",
                        format!("window {o} sees only padding"),
                    )),
                    _ => Ok(out),
                }
            })?;
            ty(with_spatial(args[0], [c, oh, ow]))
        }
        Op::Reduce(_, axes) => {
            count(args, 1, 1)?;
            let mut dims = args[0].dims.clone();
            if axes.is_empty() || !axes.is_sorted_by(|a, b| a < b) {
                return Err(wrong("the reduced axes are not listed in increasing order"));
            }
            for &axis in axes {
                *dims.get_mut(axis).ok_or_else(|| bad_axis(axis, args[0]))? = 1;
            }
            ty(dims)
        }
        Op::Linear => {
            count(args, 2, 3)?;
            let &[o, i] = plain::<2>(args[1], "weight")?;
            let mut dims = args[0].dims.clone();
            match dims.last_mut() {
                Some(last) if *last == i => *last = o,
                _ => return Err(wrong(format!("the weight is for {i} values, the argument is {}", args[0]))),
            }
            bias(args, o)?;
            ty(dims)
        }
        Op::BatchNorm { .. } => {
            count(args, 5, 5)?;
            let c = channels(args[0])?;
            for arg in &args[1..] {
                if *plain::<1>(arg, "parameter")? != [c] {
                    return Err(wrong(format!("a parameter is {arg}, the value has {c} channels")));
                }
            }
            ty(args[0].dims.clone())
        }
        Op::Prelu => {
            count(args, 2, 2)?;
            let &[n] = plain::<1>(args[1], "slope")?;
            if n != 1 && n != channels(args[0])? {
                return Err(wrong(format!("{n} slopes for {}", args[0])));
            }
            ty(args[0].dims.clone())
        }
        Op::Unary(_) => {
            count(args, 1, 1)?;
            ty(args[0].dims.clone())
        }
        Op::Binary(_) => {
            count(args, 2, 2)?;
            check_batches(args)?;
            ty(broadcast(&args[0].dims, &args[1].dims)?)
        }
        Op::Softmax { axis } | Op::LogSoftmax { axis } => {
            count(args, 1, 1)?;
            if *axis >= args[0].dims.len() {
                return Err(bad_axis(*axis, args[0]));
            }
            ty(args[0].dims.clone())
        }
        Op::Concat { axis } => {
            count(args, 1, usize::MAX)?;
            if args.iter().any(|t| t.batched != batched) {
                return Err(wrong("a value with a batch axis is joined to one without"));
            }
            let shapes: Vec<&[u64]> = args.iter().map(|t| t.dims.as_slice()).collect();
            ty(concat(&shapes, *axis)?)
        }
        Op::Slice { start, step } => {
            count(args, 1, 1)?;
            let dims = &args[0].dims;
            let lens = &claimed.dims;
            if [start.len(), step.len(), lens.len()].iter().any(|len| *len != dims.len()) {
                return Err(wrong("a slice has another number of axes than its argument"));
            }
            for ((&first, &step), (&len, &n)) in start.iter().zip(step).zip(lens.iter().zip(dims)) {
                let last = i128::from(first) + (i128::from(len) - 1) * i128::from(step);
                let inside = first < n && (0..i128::from(n)).contains(&last);
                if step == 0 || !inside {
                    return Err(wrong(format!(
                        "a slice of {len} from {first} in steps of {step} does not lie within {n}"
                    )));
                }
            }
            ty(claimed.dims.clone())
        }
        Op::GroupNorm { groups, .. } => {
            count(args, 1, 3)?;
            let c = channels(args[0])?;
            group("input", c, *groups)?;
            for arg in &args[1..] {
                if *plain::<1>(arg, "parameter")? != [c] {
                    return Err(wrong(format!("a parameter is {arg}, the value has {c} channels")));
                }
            }
            ty(args[0].dims.clone())
        }
        Op::LayerNorm { axes, .. } => {
            count(args, 1, 3)?;
            let dims = &args[0].dims;
            let from = dims.len().checked_sub(*axes).filter(|_| *axes > 0);
            let from = from.ok_or_else(|| bad_axis(*axes, args[0]))?;
            for arg in &args[1..] {
                if arg.batched || arg.dims != dims[from..] {
                    return Err(wrong(format!("a parameter is {arg}, not of the last {axes} axes")));
                }
            }
            ty(dims.clone())
        }
        Op::Lrn { size, .. } => {
            count(args, 1, 1)?;
            spatial(args[0])?;
            if *size == 0 {
                return Err(wrong("a window of no channels"));
            }
            ty(args[0].dims.clone())
        }
        Op::MatMul => {
            count(args, 2, 2)?;
            check_batches(args)?;
            let (a, b) = (&args[0].dims, &args[1].dims);
            let ([lead_a @ .., m, k], [lead_b @ .., k_b, n]) = (a.as_slice(), b.as_slice()) else {
                return Err(wrong(format!("a matrix has two axes; these are {} and {}", args[0], args[1])));
            };
            if k != k_b {
                return Err(wrong(format!("{} columns meet {} rows", k, k_b)));
            }
            let mut dims = broadcast(lead_a, lead_b)?;
            dims.extend([*m, *n]);
            ty(dims)
        }
        Op::Pad { before, after, mode } => {
            count(args, 1, 1)?;
            let dims = &args[0].dims;
            if before.len() != dims.len() || after.len() != dims.len() {
                return Err(wrong("a padding has another number of axes than its argument"));
            }
            let border = match mode {
                PadMode::Constant(_) => Border::Zero,
                PadMode::Replicate => Border::Replicate,
                PadMode::Reflect => Border::Reflect,
                PadMode::Wrap => Border::Wrap,
            };
            let padded = dims.iter().zip(before.iter().zip(after)).map(|(&n, (&b, &a))| {
                border_fits(Axis::Width, border, n, b, a)?;
                n.checked_add(b)
                    .and_then(|v| v.checked_add(a))
                    .ok_or_else(|| overflow("pad", "the padded axis"))
            });
            ty(padded.collect::<Rule<_>>()?)
        }
        Op::Resize(_) => {
            count(args, 1, 1)?;
            let (rank, out) = (args[0].dims.len(), claimed.dims.len());
            if rank < 2 || out != rank || args[0].dims[..rank - 2] != claimed.dims[..rank - 2] {
                return Err(wrong(format!(
                    "{} resized to {claimed} would change other axes than the last two",
                    args[0]
                )));
            }
            ty(claimed.dims.clone())
        }
        Op::PixelShuffle { factor } => {
            count(args, 1, 1)?;
            let [c, h, w] = spatial(args[0])?;
            let c = pixel_shuffle(c, *factor)?;
            let scaled = |n: u64| n.checked_mul(*factor).ok_or_else(|| overflow("factor", "the output"));
            ty(with_spatial(args[0], [c, scaled(h)?, scaled(w)?]))
        }
        Op::Reshape => {
            count(args, 1, 1)?;
            if elements(&args[0].dims)? != elements(&claimed.dims)? {
                return Err(wrong(format!("{} has not as many elements as {claimed}", args[0])));
            }
            ty(claimed.dims.clone())
        }
        Op::Expand => {
            count(args, 1, 1)?;
            if broadcast(&args[0].dims, &claimed.dims)? != claimed.dims {
                return Err(wrong(format!("{} cannot be repeated to {claimed}", args[0])));
            }
            ty(claimed.dims.clone())
        }
        Op::WeightGrad(conv) => weight_grad(conv, args),
        Op::MaxPoolGrad(window) => {
            count(args, 2, 2)?;
            let ([c, h, w], [dc, dh, dw]) = (spatial(args[0])?, spatial(args[1])?);
            let fits = |axis: Axis, out: u64| {
                let along = along(window, axis, [h, w]);
                Ok(out == along.output()? || out == along.output_ceil()?)
            };
            let lead = |ty: &Type| ty.dims[..ty.dims.len() - 3].to_vec();
            if dc != c
                || lead(args[0]) != lead(args[1])
                || !fits(Axis::Height, dh)?
                || !fits(Axis::Width, dw)?
            {
                return Err(wrong(format!("{} is no pool's result of {}", args[1], args[0])));
            }
            ty(args[0].dims.clone())
        }
        Op::Transpose { perm } => {
            count(args, 1, 1)?;
            let mut seen = perm.clone();
            seen.sort_unstable();
            if !seen.iter().copied().eq(0..args[0].dims.len()) {
                return Err(wrong(format!("{perm:?} is not a permutation of the axes of {}", args[0])));
            }
            ty(perm.iter().map(|&i| args[0].dims[i]).collect())
        }
    }
}

/// The gradient of a weight. There may be fewer outputs than the window has places, where a transposed
/// convolution leaves some to its `output_pad`.
fn weight_grad(conv: &crate::graph::Conv, args: &[&Type]) -> Rule<Type> {
    count(args, 2, 2)?;
    let ([c, h, w], [o, oh, ow]) = (spatial(args[0])?, spatial(args[1])?);
    let most = windowed(&conv.window, conv.border, [h, w])?;
    let lead = |ty: &Type| ty.dims[..ty.dims.len() - 3].to_vec();
    let whole = args.iter().all(|ty| !ty.batched) && lead(args[0]) == lead(args[1]);
    if !whole || conv.border != Border::Zero || oh > most[0] || ow > most[1] {
        return Err(wrong(format!("{} is no convolution's result of {}", args[1], args[0])));
    }
    group("output", o, conv.groups)?;
    let [kh, kw] = conv.window.kernel;
    Ok(Type::plain([o, group("input", c, conv.groups)?, kh, kw]))
}

fn wrong(message: impl Into<String>) -> ShapeError {
    ShapeError::new(Code::WrongRank, "", message)
}

fn bad_axis(axis: usize, ty: &Type) -> ShapeError {
    ShapeError::new(Code::BadAxis, "axis", format!("{ty} has no axis {axis}"))
}

fn count(args: &[&Type], least: usize, most: usize) -> Rule<()> {
    if (least..=most).contains(&args.len()) {
        return Ok(());
    }
    Err(wrong(format!("{} arguments instead of {least} to {most}", args.len())))
}

fn spatial(ty: &Type) -> Rule<[u64; 3]> {
    ty.chw().ok_or_else(|| wrong(format!("{ty} has fewer than the three axes [C, H, W]")))
}

fn channels(ty: &Type) -> Rule<u64> {
    let axis = channel_axis(ty.dims.len());
    axis.and_then(|axis| ty.dims.get(axis).copied())
        .ok_or_else(|| wrong("a value without axes has no channels"))
}

/// The axes of an argument that must have `N` of them and no batch.
fn plain<'a, const N: usize>(ty: &'a Type, what: &str) -> Rule<&'a [u64; N]> {
    let dims: Option<&[u64; N]> = ty.dims.as_slice().try_into().ok();
    dims.filter(|_| !ty.batched)
        .ok_or_else(|| wrong(format!("the {what} is {ty}, not of {N} axes without a batch")))
}

fn bias(args: &[&Type], out: u64) -> Rule<()> {
    match args.get(2) {
        Some(ty) if *plain::<1>(ty, "bias")? != [out] => {
            Err(wrong(format!("the bias is {ty}, the output has {out} channels")))
        }
        _ => Ok(()),
    }
}

fn kernel_matches(window: &Window, taps: [u64; 2]) -> Rule<()> {
    if window.kernel == taps {
        return Ok(());
    }
    Err(wrong(format!("the window is {:?}, its taps are {taps:?}", window.kernel)))
}

/// A plain value is repeated over the batch, so it may not have more axes than a sample.
fn check_batches(args: &[&Type]) -> Rule<()> {
    let sample = args.iter().filter(|t| t.batched).map(|t| t.dims.len()).max();
    let plain = args.iter().filter(|t| !t.batched).map(|t| t.dims.len()).max();
    match (sample, plain) {
        (Some(sample), Some(plain)) if plain > sample => {
            Err(wrong("a value without a batch has more axes than a sample of the other"))
        }
        _ => Ok(()),
    }
}

/// One axis of a window over an input of `[h, w]`.
pub(crate) fn along(window: &Window, axis: Axis, size: [u64; 2]) -> Along {
    let i = axis.index();
    Along {
        axis,
        n: size[i],
        kernel: window.kernel[i],
        stride: window.stride[i],
        dilation: window.dilation[i],
        before: window.pad.before(i),
        after: window.pad.after(i),
    }
}

fn windowed(window: &Window, border: Border, size: [u64; 2]) -> Rule<[u64; 2]> {
    both(|axis| {
        let along = along(window, axis, size);
        border_fits(axis, border, along.n, along.before, along.after)?;
        along.output()
    })
}

fn both(mut rule: impl FnMut(Axis) -> Rule<u64>) -> Rule<[u64; 2]> {
    Ok([rule(Axis::Height)?, rule(Axis::Width)?])
}

fn with_spatial(ty: &Type, chw: [u64; 3]) -> Vec<u64> {
    let lead = ty.dims.len().saturating_sub(3);
    ty.dims[..lead].iter().copied().chain(chw).collect()
}
