//! Pools: of windows, and of everything.

use super::super::call::{Call, Live};
use super::super::draft::Setting;
use super::super::error::OnnxError;
use super::builder::{Builder, Lowered};
use super::settings::Settings;
use super::window::{Padding, Window, chw, picture, spatial, two, unpicture, with_chw};

fn exponent(call: &Call<'_>) -> Result<u64, OnnxError> {
    // A float in the first version of the operator.
    let p = match call.int("p", 2) {
        Ok(p) => p,
        Err(_) => call.float("p", 2.0)? as i64,
    };
    u64::try_from(p).ok().filter(|&p| p > 0).ok_or_else(|| call.invalid(format!("its p is {p}")))
}

/// MaxPool, AveragePool, LpPool.
pub fn pool(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    call.only_first("which gives places instead of values; only the values of a pool are computed")?;
    let x = b.live(call, 0)?;
    let spatial = spatial(call, &x)?;
    if call.ints("kernel_shape")?.is_none() {
        return Err(call.invalid("it has no kernel_shape").into());
    }
    let kernel = two(call, "kernel_shape", spatial, 1)?;
    let window = Window::of(call, spatial, kernel)?;
    let ceil = call.flag("ceil_mode")? && matches!(window.padding, Padding::Sides(_));
    let ceil = ceil && call.text("auto_pad", "NOTSET")? != "VALID";
    let picture = picture(b, call, &x)?;
    let (window, picture) = window.cropped(b, call, &picture)?;
    let [c, h, w] = chw(call, &picture)?;
    let [oh, ow] = window.output(call, [h, w], ceil)?;
    let dims = with_chw(&picture, [c, oh, ow]);
    let mut settings = Settings::default().pair("kernel", kernel);
    let op = call.node.op.as_str();
    if op == "LpPool" {
        settings = settings.whole_unless("p", exponent(call)?, 2);
    }
    let settings = window.pad(settings.pair_unless("stride", window.stride, kernel));
    let dilation = |settings: Settings| settings.pair_unless("dilation", window.dilation, [1, 1]);
    let (layer, settings) = match op {
        "MaxPool" => ("maxpool", dilation(settings).flag_unless("ceil_mode", ceil, false)),
        "LpPool" => ("lppool", dilation(settings).flag_unless("ceil_mode", ceil, false)),
        _ => {
            let padded = window.padding != Padding::Sides([[0; 2]; 2]);
            let count = call.flag("count_include_pad")? || !padded;
            let settings = dilation(settings).flag_unless("ceil_mode", ceil, false);
            ("avgpool", settings.flag_unless("count_include_pad", count, true))
        }
    };
    let y = b.layer(call, &picture, layer, settings, dims)?;
    unpicture(b, call, x.rank(), y)
}

/// GlobalAveragePool, GlobalMaxPool, GlobalLpPool.
pub fn global(b: &mut Builder<'_>, call: &Call<'_>) -> Lowered<Live> {
    let x = b.live(call, 0)?;
    let spatial = spatial(call, &x)?;
    let picture = picture(b, call, &x)?;
    let [c, ..] = chw(call, &picture)?;
    let (layer, settings) = match call.node.op.as_str() {
        "GlobalAveragePool" => ("global_avgpool", Settings::default()),
        "GlobalMaxPool" => ("global_maxpool", Settings::default()),
        _ => match exponent(call)? {
            2 => ("global_lppool", Settings::default()),
            p => ("global_lppool", Settings::default().with("p", Setting::Whole(p as i64))),
        },
    };
    let y = b.layer(call, &picture, layer, settings, with_chw(&picture, [c, 1, 1]))?;
    let rank = spatial + 2;
    unpicture(b, call, rank, y)
}
