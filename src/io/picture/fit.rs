//! Fitting a picture to the size that a model asks for.

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Luma};

use super::{Picture, PictureError};
use crate::tensor::Tensor;

/// How a picture of another size becomes one of the size asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Both sides resized by their own factor.
    Stretch,
    /// Resized to cover the size, the middle kept.
    Crop,
    /// Resized to lie within the size, black around it.
    Pad,
}

/// Fits a picture `[C, H, W]` to `[C, height, width]`. Resizing is by Catmull-Rom's cubic, widened when
/// it shrinks, so that no pixel is left out; results are clamped to 0..1.
///
/// # Errors
/// If a size is 0, past what the resizer can address, or past `memory` bytes.
pub fn fit(picture: Picture, size: [u64; 2], how: Fit, memory: u64) -> Result<Picture, PictureError> {
    let Picture { tensor, mut notes } = picture;
    let &[channels, height, width] = tensor.shape() else {
        return Err(PictureError::NotAPicture(tensor.shape().to_vec()));
    };
    let has = [height as u64, width as u64];
    if has == size {
        return Ok(Picture { tensor, notes });
    }
    let scaled = match how {
        Fit::Stretch => size,
        Fit::Crop => scaled(has, size, true),
        Fit::Pad => scaled(has, size, false),
    };
    check(channels, scaled, size, memory)?;
    let mut data = Vec::with_capacity(channels * (size[0] * size[1]) as usize);
    for plane in tensor.data().chunks_exact(height * width) {
        let resized = resize(plane, has, scaled)?;
        data.extend(place(&resized, scaled, size));
    }
    let verb = match how {
        Fit::Stretch => "stretched",
        Fit::Crop => "resized and cropped",
        Fit::Pad => "resized and padded",
    };
    notes.push(format!("the picture of {}×{} was {verb} to {}×{}", width, height, size[1], size[0]));
    let shape = [channels, size[0] as usize, size[1] as usize];
    let tensor = Tensor::new(&shape, data).map_err(|e| PictureError::NotAPicture(e.shape))?;
    Ok(Picture { tensor, notes })
}

/// The size of the same aspect that covers `size` (or lies within it), rounded, at least one pixel.
fn scaled(has: [u64; 2], size: [u64; 2], cover: bool) -> [u64; 2] {
    let factor = |axis: usize| size[axis] as f64 / has[axis] as f64;
    let by_height = (factor(0) >= factor(1)) == cover;
    let axis = if by_height { 0 } else { 1 };
    let other = 1 - axis;
    let mut scaled = size;
    let length = (has[other] as f64 * factor(axis)).round() as u64;
    scaled[other] = if cover { length.max(size[other]) } else { length.clamp(1, size[other].max(1)) };
    scaled
}

fn check(channels: usize, scaled: [u64; 2], size: [u64; 2], memory: u64) -> Result<(), PictureError> {
    let [height, width] = size;
    let side = u64::from(crate::limits::PICTURE_SIDE);
    let area = |[h, w]: [u64; 2]| h.saturating_mul(w);
    if height == 0 || width == 0 {
        return Err(PictureError::Empty { width: width as u32, height: height as u32 });
    }
    // The resizer keeps a plane of 4-component intermediate pixels.
    let needed =
        area(scaled).saturating_mul(24).saturating_add(area(size).saturating_mul(4 * channels as u64));
    if scaled.iter().any(|&n| n > side) || needed > memory {
        return Err(PictureError::Memory { width, height, needed, limit: memory });
    }
    Ok(())
}

fn resize(plane: &[f32], from: [u64; 2], to: [u64; 2]) -> Result<Vec<f32>, PictureError> {
    if from == to {
        return Ok(plane.to_vec());
    }
    let image: ImageBuffer<Luma<f32>, &[f32]> = ImageBuffer::from_raw(from[1] as u32, from[0] as u32, plane)
        .ok_or_else(|| PictureError::NotAPicture(vec![from[0] as usize, from[1] as usize]))?;
    let resized = imageops::resize(&image, to[1] as u32, to[0] as u32, FilterType::CatmullRom);
    Ok(resized.into_raw().into_iter().map(|v| v.clamp(0.0, 1.0)).collect())
}

/// The plane `from` centred in one of size `to`: cropped where it is larger, zeros where it is smaller.
fn place(plane: &[f32], from: [u64; 2], to: [u64; 2]) -> Vec<f32> {
    let offset = |axis: usize| (from[axis] as i64 - to[axis] as i64).div_euclid(2);
    let (dy, dx) = (offset(0), offset(1));
    let at = |y: i64, x: i64| {
        let inside = y >= 0 && x >= 0 && (y as u64) < from[0] && (x as u64) < from[1];
        if inside {
            plane.get(y as usize * from[1] as usize + x as usize).copied().unwrap_or(0.0)
        } else {
            0.0
        }
    };
    (0..to[0] as i64)
        .flat_map(|y| (0..to[1] as i64).map(move |x| (y, x)))
        .map(|(y, x)| at(y + dy, x + dx))
        .collect()
}
