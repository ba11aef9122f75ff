//! Resize and Upsample.

use super::super::call::{Call, Live};
use super::super::draft::Setting;
use super::super::error::OnnxError;
use super::super::shapes;
use super::builder::{Builder, Lowered};
use super::settings::Settings;
use crate::limits;

/// How an axis is resampled.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Along {
    /// The factor that the file gives; none where it gives the size.
    scale: Option<f64>,
    /// Elements of the result.
    size: u64,
    /// Start and end of the part that is looked at.
    roi: [f32; 2],
}

/// What a node says about how elements are combined.
struct How {
    mode: &'static str,
    coordinates: &'static str,
    nearest: &'static str,
    cubic: f32,
    exclude: bool,
    antialias: bool,
    extrapolation: f32,
}

/// The shortest decimal of an f32, as an f64: what was meant.
fn meant(v: f32) -> f64 {
    v.to_string().parse().unwrap_or_else(|_| f64::from(v))
}

fn scaled(call: &Call<'_>, n: u64, scale: f32) -> Result<u64, OnnxError> {
    // In f32, as ONNX Runtime does: 10 · 0.7 is 7.
    let out = (n as f32 * scale).floor();
    if out >= 1.0 && out <= limits::DIM as f32 && scale > 0.0 {
        return Ok(out as u64);
    }
    Err(call.invalid(format!("{n} elements scaled by {scale} are none or too many")))
}

/// One of the names that ONNX and the language share.
fn word(
    call: &Call<'_>,
    attribute: &str,
    default: &'static str,
    known: &[&'static str],
) -> Result<&'static str, OnnxError> {
    let found = call.text(attribute, default)?;
    let word = known.iter().find(|k| **k == found);
    word.copied().ok_or_else(|| call.unsupported(format!("its {attribute} is {found:?}")))
}

fn how(call: &Call<'_>) -> Result<How, OnnxError> {
    let mode = match call.text("mode", "nearest")? {
        "nearest" => "nearest",
        "linear" | "bilinear" => "linear",
        "cubic" | "bicubic" => "cubic",
        other => return Err(call.unsupported(format!("its mode is {other:?}"))),
    };
    if old(call) {
        let (coordinates, nearest) = ("asymmetric", "floor");
        return Ok(How {
            mode,
            coordinates,
            nearest,
            cubic: -0.75,
            exclude: false,
            antialias: false,
            extrapolation: 0.0,
        });
    }
    Ok(How {
        mode,
        coordinates: word(
            call,
            "coordinate_transformation_mode",
            "half_pixel",
            &[
                "half_pixel",
                "half_pixel_symmetric",
                "pytorch_half_pixel",
                "tf_half_pixel_for_nn",
                "asymmetric",
                "align_corners",
                "tf_crop_and_resize",
            ],
        )?,
        nearest: word(
            call,
            "nearest_mode",
            "round_prefer_floor",
            &["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"],
        )?,
        cubic: call.float("cubic_coeff_a", -0.75)?,
        exclude: call.flag("exclude_outside")?,
        antialias: call.flag("antialias")?,
        extrapolation: call.float("extrapolation_value", 0.0)?,
    })
}

/// Whether the node is of the versions whose coordinates were fixed.
fn old(call: &Call<'_>) -> bool {
    call.node.op == "Upsample" || call.opset() < 11
}

/// The scales of a node, one for each of the axes that it lists.
fn scales(call: &Call<'_>) -> Result<Option<Vec<f32>>, OnnxError> {
    if let Some(list) = call.floats("scales")? {
        return Ok(Some(list.to_vec()));
    }
    let index = if old(call) { 1 } else { 2 };
    let given = call.known(index, "the scales")?.filter(|s| !s.is_empty());
    Ok(given.map(|s| s.to_floats().into_owned()))
}

/// How each axis of ONNX is resampled.
fn along(call: &Call<'_>, shape: &[u64], crops: bool) -> Result<Vec<Along>, OnnxError> {
    let rank = shape.len();
    let axes = match call.ints("axes")? {
        Some(axes) if !old(call) => call.rule(shapes::axes(axes, rank))?,
        _ => (0..rank).collect(),
    };
    let mut all: Vec<Along> =
        shape.iter().map(|&size| Along { scale: None, size, roi: [0.0, 1.0] }).collect();
    let fits = |len: usize, what: &str| {
        let text = || call.invalid(format!("its {len} {what} are not one for each of {} axes", axes.len()));
        if len == axes.len() { Ok(()) } else { Err(text()) }
    };
    if crops {
        let roi = call.must_know(1, "the region of interest")?.to_floats().into_owned();
        fits(roi.len() / 2, "regions")?;
        let (starts, ends) = roi.split_at(roi.len() / 2);
        for ((&axis, &start), &end) in axes.iter().zip(starts).zip(ends) {
            if !start.is_finite() || !end.is_finite() {
                return Err(call.invalid("its region of interest is not finite"));
            }
            if let Some(slot) = all.get_mut(axis) {
                slot.roi = [start, end];
            }
        }
    }
    if let Some(scales) = scales(call)? {
        fits(scales.len(), "scales")?;
        for (&axis, &scale) in axes.iter().zip(&scales) {
            let Some(slot) = all.get_mut(axis) else { continue };
            let [start, end] = slot.roi;
            slot.size = scaled(call, slot.size, if crops { scale * (end - start) } else { scale })?;
            slot.scale = Some(meant(scale));
        }
        return Ok(all);
    }
    let sizes = call.known(3, "the sizes")?.filter(|s| !s.is_empty());
    let sizes = sizes.ok_or_else(|| call.invalid("it has neither scales nor sizes"))?;
    let sizes = sizes.integers().ok_or_else(|| call.invalid("its sizes are not whole numbers"))?;
    fits(sizes.len(), "sizes")?;
    let ratio = |&(&axis, &size): &(&usize, &i64)| {
        let n = shape.get(axis).copied().unwrap_or(1);
        size as f64 / n as f64
    };
    let ratios = axes.iter().zip(sizes).map(|pair| ratio(&pair));
    let policy = match call.text("keep_aspect_ratio_policy", "stretch")? {
        "stretch" => None,
        "not_larger" => Some(ratios.fold(f64::INFINITY, f64::min)),
        "not_smaller" => Some(ratios.fold(0.0, f64::max)),
        other => return Err(call.invalid(format!("its keep_aspect_ratio_policy is {other:?}"))),
    };
    for (&axis, &size) in axes.iter().zip(sizes) {
        let Some(slot) = all.get_mut(axis) else { continue };
        let size = match policy {
            Some(scale) => (slot.size as f64 * scale + 0.5).floor() as i64,
            None => size,
        };
        let size = u64::try_from(size).ok().filter(|&s| s > 0 && s <= limits::DIM);
        slot.size = size.ok_or_else(|| call.invalid(format!("its sizes {sizes:?} are none or too many")))?;
        slot.scale = policy;
    }
    Ok(all)
}

/// Resize and Upsample.
pub fn resize(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let shape = b.shape(&x);
    let how = how(call)?;
    let crops = how.coordinates == "tf_crop_and_resize";
    let mut all = along(call, &shape, crops)?;
    let unchanged =
        |a: &Along, n: u64| a.size == n && a.scale.is_none_or(|s| s == 1.0) && a.roi == [0.0, 1.0];
    let rank = shape.len();
    for (axis, (a, &n)) in all.iter().zip(&shape).enumerate() {
        if axis + 2 < rank && !unchanged(a, n) || x.batched && axis == 0 && !unchanged(a, n) {
            let what = format!(
                "it changes axis {axis} of {rank}; only rows and columns, the last two, can be resampled"
            );
            return Err(call.unsupported(what).into());
        }
    }
    if all.iter().zip(&shape).all(|(a, &n)| unchanged(a, n)) {
        return Ok(x);
    }
    if x.batched {
        all.remove(0);
    }
    // Rows and columns stand last of at least three axes.
    let missing = 3usize.saturating_sub(x.dims.len());
    let seen: Vec<u64> = std::iter::repeat_n(1, missing).chain(x.dims.iter().copied()).collect();
    let still = Along { scale: None, size: 1, roi: [0.0, 1.0] };
    all.splice(0..0, std::iter::repeat_n(still, missing));
    let picture = b.reshape(call, &x, &seen)?;
    let ([.., rows, columns], [.., h, w]) = (all.as_slice(), seen.as_slice()) else {
        return Err(call.invalid("it has no axes").into());
    };
    let (pair, n) = ([*rows, *columns], [*h, *w]);
    let y = if old(call) && how.mode == "nearest" && call.node.op == "Resize" {
        shrink_or_grow(b, call, &picture, how, pair, n)?
    } else {
        one(b, call, &picture, &how, pair, n)?
    };
    let dims = y.dims.get(missing..).unwrap_or_default().to_vec();
    b.reshape(call, &y, &dims)
}

/// Version 10 rounds coordinates up along axes that shrink, and down along others (as ONNX Runtime
/// does; the text of the version does not say).
fn shrink_or_grow(
    b: &mut Builder<'_>,
    call: &Call<'_>,
    x: &Live,
    mut how: How,
    [rows, columns]: [Along; 2],
    [h, w]: [u64; 2],
) -> Lowered<Live> {
    let (less_h, less_w) = (rows.size < h, columns.size < w);
    let settled = |a: Along, n: u64| a.size == n;
    if less_h == less_w || settled(rows, h) || settled(columns, w) {
        how.nearest = if less_h || less_w { "ceil" } else { "floor" };
        return one(b, call, x, &how, [rows, columns], [h, w]);
    }
    let still = |size: u64| Along { scale: None, size, roi: [0.0, 1.0] };
    how.nearest = if less_h { "ceil" } else { "floor" };
    let tall = one(b, call, x, &how, [rows, still(w)], [h, w])?;
    how.nearest = if less_w { "ceil" } else { "floor" };
    one(b, call, &tall, &how, [still(rows.size), columns], [rows.size, w])
}

/// Whether both sides grow by a whole number.
fn whole_factors(n: [u64; 2], pair: &[Along; 2]) -> bool {
    n.iter().zip(pair).all(|(n, a)| {
        a.size.is_multiple_of(*n)
            && a.scale.is_none_or(|s| s.fract() == 0.0 && s * *n as f64 == a.size as f64)
    })
}

/// One line that resamples rows and columns of `n` elements.
fn one(
    b: &mut Builder<'_>,
    call: &Call<'_>,
    x: &Live,
    how: &How,
    pair: [Along; 2],
    n: [u64; 2],
) -> Lowered<Live> {
    let rank = x.dims.len();
    let mut dims = x.dims.clone();
    let size = pair.map(|a| a.size);
    for (slot, size) in dims.iter_mut().skip(rank.saturating_sub(2)).zip(size) {
        *slot = size;
    }
    let crops = how.coordinates == "tf_crop_and_resize";
    // An axis that stays has the factor 1.
    let scale = pair.iter().zip(n).map(|(a, n)| a.scale.or((a.size == n).then_some(1.0)));
    let scale: Option<Vec<f64>> = scale.collect();
    let given = scale.filter(|_| pair.iter().any(|a| a.scale.is_some()) && !crops);
    let follows = |scale: &[f64]| {
        scale.iter().zip(n).zip(size).all(|((s, n), size)| (n as f64 * s).floor() == size as f64)
    };
    let mut settings = Settings::default();
    let mut both = false;
    match given.as_deref() {
        Some(&[y, x]) => {
            settings = settings.with("scale", Setting::Numbers([y, x]));
            both = !follows(&[y, x]);
        }
        _ => both |= true,
    }
    if both {
        settings = settings.pair("size", size);
    }
    let plain = !(how.exclude || how.antialias || both && given.is_some());
    let usual = match (how.mode, how.coordinates) {
        ("nearest", "asymmetric") if how.nearest == "floor" => Some((None, false)),
        // With a whole factor no position lies halfway, so that both ways of rounding are floor(o/s).
        ("nearest", "half_pixel") if how.nearest.starts_with("round") && whole_factors(n, &pair) => {
            Some((None, false))
        }
        ("linear", "half_pixel") => Some((Some("bilinear"), false)),
        ("cubic", "half_pixel") if how.cubic == -0.75 => Some((Some("bicubic"), false)),
        // The same, but where a side becomes a single element.
        ("linear", "pytorch_half_pixel") if !size.contains(&1) => Some((Some("bilinear"), false)),
        ("cubic", "pytorch_half_pixel") if how.cubic == -0.75 && !size.contains(&1) => {
            Some((Some("bicubic"), false))
        }
        ("linear", "align_corners") => Some((Some("bilinear"), true)),
        ("cubic", "align_corners") if how.cubic == -0.75 => Some((Some("bicubic"), true)),
        _ => None,
    };
    if let Some((mode, align)) = usual.filter(|_| plain) {
        if let Some(mode) = mode {
            settings = settings.with("mode", Setting::Word(mode));
        }
        return b.layer(call, x, "upsample", settings.flag_unless("align_corners", align, false), dims);
    }
    settings = settings.word_unless("mode", how.mode, "nearest").word_unless(
        "coordinates",
        how.coordinates,
        "half_pixel",
    );
    if how.mode == "nearest" {
        settings = settings.word_unless("nearest", how.nearest, "round_prefer_floor");
    }
    if how.mode == "cubic" {
        settings = settings.number_unless("cubic_a", how.cubic, -0.75);
    }
    if how.mode != "nearest" {
        settings = settings.flag_unless("exclude_outside", how.exclude, false).flag_unless(
            "antialias",
            how.antialias,
            false,
        );
    }
    if crops {
        settings = settings.with("roi", Setting::Spans(pair.map(|a| a.roi))).number_unless(
            "extrapolation",
            how.extrapolation,
            0.0,
        );
    }
    b.layer(call, x, "resize", settings, dims)
}
