//! Bytes → picture.

use std::io::Cursor;

use image::codecs::{jpeg::JpegDecoder, png::PngDecoder, pnm::PnmDecoder};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, Limits};

use super::{Picture, PictureError, jpeg};
use crate::limits::{PICTURE_PIXELS, PICTURE_SIDE};
use crate::tensor::Tensor;

/// Whether the first bytes are those of a format that [`decode`] reads.
pub fn looks_like_picture(bytes: &[u8]) -> bool {
    kind(bytes).is_some()
}

#[derive(Clone, Copy)]
enum Kind {
    Png,
    Jpeg,
    Pnm,
}

fn kind(bytes: &[u8]) -> Option<Kind> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some(Kind::Png),
        [0xff, 0xd8, 0xff, ..] => Some(Kind::Jpeg),
        [b'P', b'1'..=b'7', b'\t' | b'\n' | b'\r' | b' ' | b'#', ..] => Some(Kind::Pnm),
        _ => None,
    }
}

/// Decodes a file that is in memory, spending at most `memory` bytes beside it.
///
/// # Errors
/// If the format is unknown or unsupported, the picture is damaged, truncated or claims more pixels
/// than its bytes can hold, or a limit is exceeded.
pub fn decode(bytes: &[u8], memory: u64) -> Result<Picture, PictureError> {
    let cursor = Cursor::new(bytes);
    match kind(bytes).ok_or(PictureError::UnknownFormat)? {
        Kind::Png => {
            let (width, height) = png_size(bytes)?;
            // Deflate codes at most 258 bytes in 2 bits, and a pixel takes at least one bit.
            check_claim(width, height, bytes, 8 * 1032)?;
            check_memory(width, height, 16, memory)?;
            let limits = limits(memory);
            let decoder = PngDecoder::with_limits(cursor, limits).map_err(decoding)?;
            let animated = decoder.is_apng().unwrap_or(false);
            let mut picture = finish(decoder, memory)?;
            if animated {
                picture.notes.push("the picture is animated: its first frame was taken".to_owned());
            }
            Ok(picture)
        }
        Kind::Jpeg => {
            let frame = jpeg::walk(bytes)?;
            check_side(frame.width, frame.height)?;
            match frame {
                jpeg::Frame { components: 4, .. } => {
                    return Err(PictureError::Unsupported(
                        "the JPEG is CMYK, and without its printer's profile the colours would be a guess: \
                         convert it to RGB first"
                            .to_owned(),
                    ));
                }
                jpeg::Frame { components: 1 | 3, bits: 8, .. } => {}
                jpeg::Frame { components, bits, .. } => {
                    return Err(PictureError::Unsupported(format!(
                        "JPEGs of 1 or 3 components with 8 bits are read; this one has {components} with {bits} bits"
                    )));
                }
            }
            // A block of 8×8 pixels takes at least one bit, of its DC coefficient.
            check_claim(frame.width, frame.height, bytes, 8 * 64)?;
            check_memory(frame.width, frame.height, 16, memory)?;
            finish(JpegDecoder::new(cursor).map_err(decoding)?, memory)
        }
        Kind::Pnm => {
            let decoder = PnmDecoder::new(cursor).map_err(decoding)?;
            let (width, height) = decoder.dimensions();
            check_claim(width, height, bytes, 8)?;
            check_memory(width, height, 16, memory)?;
            finish(decoder, memory)
        }
    }
}

/// Width and height from the IHDR chunk, which comes first.
fn png_size(bytes: &[u8]) -> Result<(u32, u32), PictureError> {
    let field = |at: usize| {
        let four = bytes.get(at..at + 4)?;
        Some(u32::from_be_bytes(four.try_into().ok()?))
    };
    match (bytes.get(12..16), field(16), field(20)) {
        (Some(b"IHDR"), Some(width), Some(height)) => Ok((width, height)),
        (Some(b"IHDR") | None, ..) => Err(PictureError::Truncated),
        _ => Err(PictureError::Damaged("a PNG starts with an IHDR chunk, this one does not".to_owned())),
    }
}

fn check_side(width: u32, height: u32) -> Result<(), PictureError> {
    if width == 0 || height == 0 {
        return Err(PictureError::Empty { width, height });
    }
    let pixels = u64::from(width) * u64::from(height);
    if width > PICTURE_SIDE || height > PICTURE_SIDE || pixels > PICTURE_PIXELS {
        return Err(PictureError::TooLarge { width, height });
    }
    Ok(())
}

/// Checks the claimed size against the limits and against the most pixels that a byte can stand for.
fn check_claim(width: u32, height: u32, bytes: &[u8], pixels_per_byte: u64) -> Result<(), PictureError> {
    check_side(width, height)?;
    let most = (bytes.len() as u64).saturating_mul(pixels_per_byte);
    if u64::from(width) * u64::from(height) > most {
        return Err(PictureError::Lying { width, height, bytes: bytes.len() });
    }
    Ok(())
}

/// `scratch` is what the decoder may take a pixel, its result included; a turned copy and 3 planes of
/// f32 come on top.
fn check_memory(width: u32, height: u32, scratch: u64, limit: u64) -> Result<(), PictureError> {
    let needed = u64::from(width) * u64::from(height) * (scratch + 12);
    if needed > limit {
        return Err(PictureError::Memory { width: width.into(), height: height.into(), needed, limit });
    }
    Ok(())
}

fn limits(memory: u64) -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(PICTURE_SIDE);
    limits.max_image_height = Some(PICTURE_SIDE);
    limits.max_alloc = Some(memory);
    limits
}

fn decoding(error: image::ImageError) -> PictureError {
    match error {
        image::ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            PictureError::Truncated
        }
        other => PictureError::Damaged(other.to_string()),
    }
}

fn finish(mut decoder: impl ImageDecoder, memory: u64) -> Result<Picture, PictureError> {
    decoder.set_limits(limits(memory)).map_err(decoding)?;
    // A damaged EXIF block is no reason to refuse the picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(decoding)?;
    let mut notes = Vec::new();
    if orientation != Orientation::NoTransforms {
        image.apply_orientation(orientation);
        notes.push(format!("the EXIF orientation was applied: {}", describe(orientation)));
    }
    let color = image.color();
    if color.has_alpha() {
        notes.push("alpha was dropped".to_owned());
    }
    if color.bytes_per_pixel() > color.channel_count() {
        notes.push("16 bits a channel were scaled to 0..1".to_owned());
    }
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (channels, data) = match &image {
        DynamicImage::ImageLuma8(i) => (1, planes(i, 1, 1)),
        DynamicImage::ImageLumaA8(i) => (1, planes(i, 2, 1)),
        DynamicImage::ImageRgb8(i) => (3, planes(i, 3, 3)),
        DynamicImage::ImageRgba8(i) => (3, planes(i, 4, 3)),
        DynamicImage::ImageLuma16(i) => (1, planes(i, 1, 1)),
        DynamicImage::ImageLumaA16(i) => (1, planes(i, 2, 1)),
        DynamicImage::ImageRgb16(i) => (3, planes(i, 3, 3)),
        DynamicImage::ImageRgba16(i) => (3, planes(i, 4, 3)),
        other => {
            return Err(PictureError::Unsupported(format!(
                "pixels of type {:?} are not read",
                other.color()
            )));
        }
    };
    let tensor =
        Tensor::new(&[channels, height, width], data).map_err(|e| PictureError::Damaged(e.to_string()))?;
    Ok(Picture { tensor, notes })
}

/// A sample as a number in 0..1.
trait Sample: Copy {
    fn unit(self) -> f32;
}

impl Sample for u8 {
    fn unit(self) -> f32 {
        f32::from(self) / 255.0
    }
}

impl Sample for u16 {
    fn unit(self) -> f32 {
        f32::from(self) / 65535.0
    }
}

/// Interleaved samples, `stride` a pixel, as planes of the first `keep`.
fn planes<S: Sample>(samples: &[S], stride: usize, keep: usize) -> Vec<f32> {
    let mut data = Vec::with_capacity(samples.len() / stride * keep);
    for channel in 0..keep {
        data.extend(samples.iter().skip(channel).step_by(stride).map(|s| s.unit()));
    }
    data
}

fn describe(orientation: Orientation) -> &'static str {
    match orientation {
        Orientation::NoTransforms => "nothing",
        Orientation::Rotate90 => "turned by 90° clockwise",
        Orientation::Rotate180 => "turned by 180°",
        Orientation::Rotate270 => "turned by 90° anticlockwise",
        Orientation::FlipHorizontal => "mirrored left to right",
        Orientation::FlipVertical => "mirrored top to bottom",
        Orientation::Rotate90FlipH => "turned by 90° clockwise and mirrored",
        Orientation::Rotate270FlipH => "turned by 90° anticlockwise and mirrored",
    }
}
