//! Reductions.

use super::super::call::{Call, Live};
use super::super::fold::reduced_axes;
use super::builder::{Builder, Lowered};
use super::norm::axes_setting;
use super::settings::Settings;

/// A reduction over some of the draft's axes.
pub fn over(
    b: &mut Builder<'_>,
    call: &Call<'_>,
    x: &Live,
    layer: &'static str,
    axes: &[usize],
    keep: bool,
) -> Lowered<Live> {
    let rank = x.dims.len();
    // The mean of each channel of a picture has a name of its own.
    if layer == "reduce_mean" && rank == 3 && axes == [1, 2] {
        let c = x.dims.first().copied().unwrap_or(1);
        let pooled = b.layer(call, x, "global_avgpool", Settings::default(), vec![c, 1, 1])?;
        return if keep { Ok(pooled) } else { b.reshape(call, &pooled, &[c]) };
    }
    let kept = x.dims.iter().enumerate().filter(|(i, _)| keep || !axes.contains(i));
    let dims = kept.map(|(i, &d)| if axes.contains(&i) { 1 } else { d }).collect();
    let mut settings = Settings::default();
    if axes.len() != rank {
        settings = settings.with("axes", axes_setting(axes));
    }
    b.layer(call, x, layer, settings.flag_unless("keepdims", keep, true), dims)
}

/// ReduceMean, ReduceSum, ReduceMax, ReduceMin, ReduceL1, ReduceL2, ReduceSumSquare, ReduceLogSum,
/// ReduceLogSumExp.
pub fn reduce(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let keep = call.int("keepdims", 1)? != 0;
    let mut axes = Vec::new();
    for axis in reduced_axes(call, x.rank())? {
        axes.push(b.own_axis(&x, axis)?);
    }
    let op = call.node.op.as_str();
    let squares = |b: &mut Builder<'_>| b.with_value(call, &x, '*', &x);
    if axes.is_empty() {
        // No axes: each element by itself.
        return match op {
            "ReduceL1" | "ReduceL2" => b.map(call, "abs", &x),
            "ReduceSumSquare" => squares(b),
            "ReduceLogSum" => b.map(call, "log", &x),
            _ => Ok(x),
        };
    }
    match op {
        "ReduceMean" => over(b, call, &x, "reduce_mean", &axes, keep),
        "ReduceSum" => over(b, call, &x, "reduce_sum", &axes, keep),
        "ReduceMax" => over(b, call, &x, "reduce_max", &axes, keep),
        "ReduceMin" => over(b, call, &x, "reduce_min", &axes, keep),
        "ReduceL1" => {
            let all = b.map(call, "abs", &x)?;
            over(b, call, &all, "reduce_sum", &axes, keep)
        }
        "ReduceSumSquare" => {
            let squares = squares(b)?;
            over(b, call, &squares, "reduce_sum", &axes, keep)
        }
        "ReduceL2" => {
            let squares = squares(b)?;
            let sum = over(b, call, &squares, "reduce_sum", &axes, keep)?;
            b.map(call, "sqrt", &sum)
        }
        "ReduceLogSum" => {
            let sum = over(b, call, &x, "reduce_sum", &axes, keep)?;
            b.map(call, "log", &sum)
        }
        _ => {
            // log Σ eˣ = max + log Σ e^(x − max), which does not overflow.
            let most = over(b, call, &x, "reduce_max", &axes, true)?;
            let shifted = b.with_value(call, &x, '-', &most)?;
            let powers = b.map(call, "exp", &shifted)?;
            let sum = over(b, call, &powers, "reduce_sum", &axes, true)?;
            let log = b.map(call, "log", &sum)?;
            let y = b.with_value(call, &log, '+', &most)?;
            if keep {
                return Ok(y);
            }
            let left = y.dims.iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, &d)| d);
            let left: Vec<u64> = left.collect();
            b.reshape(call, &y, &left)
        }
    }
}
