//! Windows: kernel, stride, dilation and padding as ONNX's attributes give them.

use super::super::call::{Call, Live};
use super::super::draft::Setting;
use super::super::error::OnnxError;
use super::builder::{Builder, Lowered};
use super::settings::Settings;
use crate::limits;

/// How a window is padded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Padding {
    /// So many elements before and after each axis, `[[top, bottom], [left, right]]`; may be negative.
    Sides([[i64; 2]; 2]),
    /// As many as make the output ceil(n/s), the larger half before.
    SameLower,
    /// The same, the larger half after.
    SameUpper,
}

/// A window on rows and columns.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Taps.
    pub kernel: [u64; 2],
    /// Steps.
    pub stride: [u64; 2],
    /// Steps between taps.
    pub dilation: [u64; 2],
    /// What is assumed around the input.
    pub padding: Padding,
}

/// How many axes a window of this node moves along: those of the value less samples and channels.
pub fn spatial(call: &Call<'_>, x: &Live) -> Result<usize, OnnxError> {
    match x.rank() {
        3 => Ok(1),
        4 => Ok(2),
        rank => {
            let axes = rank.saturating_sub(2);
            Err(call.unsupported(format!("its input has {axes} spatial axes; 1 and 2 are supported")))
        }
    }
}

/// Numbers for rows and columns; one for a single spatial axis, which is that of columns.
pub fn two(call: &Call<'_>, name: &str, spatial: usize, default: u64) -> Result<[u64; 2], OnnxError> {
    let Some(list) = call.ints(name)? else { return Ok([default; 2]) };
    let wrong = || call.invalid(format!("its {name} {list:?} do not fit {spatial} spatial axes"));
    let number = |v: i64| {
        let v = u64::try_from(v).ok().filter(|&v| v <= limits::WINDOW);
        v.ok_or_else(|| call.invalid(format!("its {name} {list:?} are not from 0 to {}", limits::WINDOW)))
    };
    match (spatial, list) {
        (1, [x]) => Ok([default, number(*x)?]),
        (2, [y, x]) => Ok([number(*y)?, number(*x)?]),
        _ => Err(wrong()),
    }
}

/// ONNX's `pads`, as sides.
pub fn sides(call: &Call<'_>, spatial: usize) -> Result<[[i64; 2]; 2], OnnxError> {
    let Some(list) = call.ints("pads")? else { return Ok([[0; 2]; 2]) };
    let limit = limits::WINDOW as i64;
    if list.iter().any(|v| !(-limit..=limit).contains(v)) {
        return Err(call.invalid(format!("its pads {list:?} are more than {limit}")));
    }
    match (spatial, list) {
        (1, [left, right]) => Ok([[0; 2], [*left, *right]]),
        (2, [top, left, bottom, right]) => Ok([[*top, *bottom], [*left, *right]]),
        _ => Err(call.invalid(format!("its pads {list:?} do not fit {spatial} spatial axes"))),
    }
}

impl Window {
    /// The window of a node with a kernel that is known.
    pub fn of(call: &Call<'_>, spatial: usize, kernel: [u64; 2]) -> Result<Window, OnnxError> {
        let stride = two(call, "strides", spatial, 1)?;
        let dilation = two(call, "dilations", spatial, 1)?;
        let padding = match call.text("auto_pad", "NOTSET")? {
            "NOTSET" | "" => Padding::Sides(sides(call, spatial)?),
            "VALID" => Padding::Sides([[0; 2]; 2]),
            "SAME_LOWER" => Padding::SameLower,
            "SAME_UPPER" => Padding::SameUpper,
            other => return Err(call.invalid(format!("its auto_pad is {other:?}"))),
        };
        let window = Window { kernel, stride, dilation, padding };
        if [kernel, stride, dilation].iter().flatten().any(|&v| v == 0 || v > limits::WINDOW) {
            return Err(call.invalid(format!(
                "its kernel {kernel:?}, strides {stride:?} and dilations {dilation:?} are not all from 1 to {}",
                limits::WINDOW
            )));
        }
        Ok(window)
    }

    /// Rows or columns from the first tap to the last, with both.
    pub fn effective(&self, axis: usize) -> i64 {
        let (k, d) = (self.kernel.get(axis).copied(), self.dilation.get(axis).copied());
        let taps = k.unwrap_or(1).saturating_sub(1).saturating_mul(d.unwrap_or(1));
        i64::try_from(taps.saturating_add(1)).unwrap_or(i64::MAX)
    }

    /// The window without negative padding, and the value without what that cuts off.
    pub fn cropped(self, b: &mut Builder<'_>, call: &Call<'_>, x: &Live) -> Lowered<(Window, Live)> {
        let Padding::Sides(sides) = self.padding else { return Ok((self, x.clone())) };
        if sides.iter().flatten().all(|&v| v >= 0) {
            return Ok((self, x.clone()));
        }
        let cut = sides.map(|side| side.map(|v| v.min(0).unsigned_abs()));
        let x = super::cut::crop(b, call, x, cut)?;
        let left = sides.map(|side| side.map(|v| v.max(0)));
        Ok((Window { padding: Padding::Sides(left), ..self }, x))
    }

    /// Rows and columns of what the window makes of `n` rows and columns.
    pub fn output(&self, call: &Call<'_>, n: [u64; 2], ceil: bool) -> Result<[u64; 2], OnnxError> {
        let mut out = [0u64; 2];
        for (axis, slot) in out.iter_mut().enumerate() {
            let at = |v: [u64; 2]| v.get(axis).copied().unwrap_or(1);
            let (n, s) = (at(n), at(self.stride));
            *slot = match self.padding {
                Padding::SameLower | Padding::SameUpper => n.div_ceil(s),
                Padding::Sides(sides) => {
                    let [before, after] = sides.get(axis).copied().unwrap_or_default();
                    self.count(call, n as i64, s as i64, (before, after), (axis, ceil))?
                }
            };
        }
        Ok(out)
    }

    fn count(
        &self,
        call: &Call<'_>,
        n: i64,
        s: i64,
        (before, after): (i64, i64),
        (axis, ceil): (usize, bool),
    ) -> Result<u64, OnnxError> {
        let effective = self.effective(axis);
        let room = n.saturating_add(before).saturating_add(after).saturating_sub(effective);
        if room < 0 {
            let name = ["rows", "columns"].get(axis).copied().unwrap_or_default();
            return Err(call.invalid(format!(
                "its window of {effective} {name} is larger than its input of {n} with {before} + {after} of padding"
            )));
        }
        let mut count = room / s + 1;
        if ceil && room % s != 0 && count * s < n.saturating_add(before) {
            // A window that would start past the input is left out.
            count += 1;
        }
        Ok(count.unsigned_abs())
    }

    /// Adds the setting `pad`, where there is padding.
    pub fn pad(&self, settings: Settings) -> Settings {
        match self.padding {
            Padding::SameLower => settings.with("pad", Setting::Word("same_lower")),
            Padding::SameUpper => settings.with("pad", Setting::Word("same_upper")),
            Padding::Sides([[0, 0], [0, 0]]) => settings,
            Padding::Sides(sides) => settings.with("pad", Setting::Sides(sides)),
        }
    }
}

/// A value as pictures: one with a single spatial axis becomes one of a single row.
pub fn picture(b: &mut Builder<'_>, call: &Call<'_>, x: &Live) -> Lowered<Live> {
    if x.rank() != 3 {
        return Ok(x.clone());
    }
    let mut dims = x.dims.clone();
    dims.insert(dims.len().saturating_sub(1), 1);
    b.reshape(call, x, &dims)
}

/// Undoes [`picture`] on a result for a value of so many axes.
pub fn unpicture(b: &mut Builder<'_>, call: &Call<'_>, rank: usize, y: Live) -> Lowered<Live> {
    if rank != 3 {
        return Ok(y);
    }
    let mut dims = y.dims.clone();
    if dims.len() >= 2 {
        dims.remove(dims.len() - 2);
    }
    b.reshape(call, &y, &dims)
}

/// Channels, rows and columns: the last three axes.
pub fn chw(call: &Call<'_>, x: &Live) -> Result<[u64; 3], OnnxError> {
    match x.dims.as_slice() {
        [.., c, h, w] => Ok([*c, *h, *w]),
        _ => Err(call.invalid(format!("its input {:?} is no picture", x.dims))),
    }
}

/// A value's axes with other channels, rows and columns.
pub fn with_chw(x: &Live, chw: [u64; 3]) -> Vec<u64> {
    let before = x.dims.get(..x.dims.len().saturating_sub(3)).unwrap_or_default();
    [before, &chw].concat()
}
