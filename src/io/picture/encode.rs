//! Tensor → picture file.

use image::codecs::{
    jpeg::JpegEncoder, png::PngEncoder, pnm::PnmEncoder, pnm::PnmSubtype, pnm::SampleEncoding,
};
use image::{ExtendedColorType, ImageEncoder};

use super::{Format, PictureError, sheet};
use crate::limits::{PICTURE_PIXELS, PICTURE_SIDE};
use crate::tensor::TensorView;

/// A picture file in memory.
#[derive(Debug)]
pub struct Encoded {
    /// The file.
    pub bytes: Vec<u8>,
    /// What was done to the values, one sentence each, without a full stop.
    pub notes: Vec<String>,
}

/// Quality of JPEG files, of 100.
const JPEG_QUALITY: u8 = 95;

/// Encodes `[C, H, W]` or `[H, W]`. One or three channels are a grey or RGB picture: values are clamped
/// to 0..1 or, with `normalize`, mapped from their range to it. Any other number becomes a contact sheet
/// of feature maps, each mapped from its own range.
///
/// # Errors
/// If the shape is no picture's, or the picture would be too large for the format.
pub fn encode(tensor: TensorView<'_>, format: Format, normalize: bool) -> Result<Encoded, PictureError> {
    let not_a_picture = || PictureError::NotAPicture(tensor.shape().to_vec());
    let (channels, height, width) = match *tensor.shape() {
        [h, w] => (1, h, w),
        [c, h, w] => (c, h, w),
        _ => return Err(not_a_picture()),
    };
    if tensor.data().is_empty() {
        return Err(not_a_picture());
    }
    let mut notes = Vec::new();
    match channels {
        1 | 3 => {
            check(height, width, format)?;
            let samples = quantise(tensor.data(), channels, normalize, &mut notes);
            let bytes = write(&samples, width, height, channels, format)?;
            Ok(Encoded { bytes, notes })
        }
        _ => {
            let grid = sheet::Grid::new(channels, height, width);
            let (height, width) = (grid.height(), grid.width());
            check(height, width, format)?;
            notes.push(format!(
                "the output has {channels} channels: drawn as a contact sheet of {} columns and {} rows, \
                 each map from its own range",
                grid.columns, grid.rows
            ));
            let samples = grid.draw(tensor.data());
            let bytes = write(&samples, width, height, 1, format)?;
            Ok(Encoded { bytes, notes })
        }
    }
}

fn check(height: usize, width: usize, format: Format) -> Result<(), PictureError> {
    // A JPEG's sizes are 16-bit fields.
    let (side, name) = match format {
        Format::Png => (PICTURE_SIDE as usize, "PNG"),
        Format::Jpeg => (65_535, "JPEG"),
        Format::Pnm => (PICTURE_SIDE as usize, "PNM"),
    };
    let fits = height.checked_mul(width).is_some_and(|n| n as u64 <= PICTURE_PIXELS);
    if height > side || width > side || !fits {
        return Err(PictureError::TooLargeToWrite {
            width: width as u64,
            height: height as u64,
            format: name,
        });
    }
    Ok(())
}

/// Planes of numbers → interleaved bytes.
fn quantise(data: &[f32], channels: usize, normalize: bool, notes: &mut Vec<String>) -> Vec<u8> {
    let (low, high) = range(data);
    let pixels = data.len() / channels;
    let interleaved = (0..pixels).flat_map(|p| (0..channels).filter_map(move |c| data.get(c * pixels + p)));
    let bytes = if normalize {
        notes.push(format!("values from {} to {} were mapped to 0..1", show(low), show(high)));
        interleaved.map(|&v| byte(unit(v, low, high))).collect()
    } else {
        let clipped = data.iter().filter(|v| **v < 0.0 || **v > 1.0).count();
        if clipped > 0 {
            notes.push(format!(
                "{} of the values lie outside 0..1 (they go from {} to {}) and were clipped; --normalize maps the \
                 range instead",
                share(clipped, data.len()),
                show(low),
                show(high)
            ));
        }
        interleaved.map(|&v| byte(v)).collect()
    };
    let nans = data.iter().filter(|v| v.is_nan()).count();
    if nans > 0 {
        notes.push(format!("{} of the values are NaN and were written as 0", share(nans, data.len())));
    }
    bytes
}

/// The smallest and the largest finite value; 0 and 0 if there is none.
pub(super) fn range(data: &[f32]) -> (f32, f32) {
    let finite = data.iter().copied().filter(|v| v.is_finite());
    let (low, high) = finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low <= high { (low, high) } else { (0.0, 0.0) }
}

/// Maps `low..high` to 0..1; a range of one value goes to 0. In f64, so that no range overflows.
pub(super) fn unit(v: f32, low: f32, high: f32) -> f32 {
    let (v, low, high) = (f64::from(v), f64::from(low), f64::from(high));
    if high > low { ((v - low) / (high - low)) as f32 } else { 0.0 }
}

/// The nearest of 256 steps, clamped; NaN is 0.
pub(super) fn byte(v: f32) -> u8 {
    (v.clamp(0.0, 1.0) * 255.0).round() as u8
}

fn share(part: usize, of: usize) -> String {
    let percent = 100.0 * part as f64 / of.max(1) as f64;
    if percent < 0.01 { "less than 0.01 %".to_owned() } else { format!("{percent:.2} %") }
}

fn show(v: f32) -> String {
    if v == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e6).contains(&v.abs()) { format!("{v:.3e}") } else { format!("{v:.4}") }
}

fn write(
    samples: &[u8],
    width: usize,
    height: usize,
    channels: usize,
    format: Format,
) -> Result<Vec<u8>, PictureError> {
    let color = if channels == 3 { ExtendedColorType::Rgb8 } else { ExtendedColorType::L8 };
    let mut bytes = Vec::new();
    let result = match format {
        Format::Png => PngEncoder::new(&mut bytes).write_image(samples, width as u32, height as u32, color),
        Format::Jpeg => JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY).write_image(
            samples,
            width as u32,
            height as u32,
            color,
        ),
        Format::Pnm => {
            let subtype = match channels {
                3 => PnmSubtype::Pixmap(SampleEncoding::Binary),
                _ => PnmSubtype::Graymap(SampleEncoding::Binary),
            };
            PnmEncoder::new(&mut bytes).with_subtype(subtype).write_image(
                samples,
                width as u32,
                height as u32,
                color,
            )
        }
    };
    result.map_err(|e| PictureError::Encode(e.to_string()))?;
    Ok(bytes)
}
