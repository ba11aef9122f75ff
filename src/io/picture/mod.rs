//! Pictures: PNG, JPEG and PNM in and out.
//!
//! A decoded picture is a tensor `[C, H, W]` of values in 0..1 with C = 1 (grey) or 3 (RGB). Whatever
//! was done to get there, and could surprise, is a sentence in `notes` ("alpha was dropped").
//! Decoders never see a picture whose header claims more than the file can hold or memory allows.

mod decode;
mod encode;
mod fit;
mod jpeg;
mod sheet;

#[cfg(test)]
mod tests;

pub use decode::{decode, looks_like_picture};
pub use encode::{Encoded, encode};
pub use fit::{Fit, fit};

use crate::tensor::Tensor;

/// A decoded picture.
#[derive(Debug)]
pub struct Picture {
    /// `[C, H, W]` in 0..1, C = 1 (grey) or 3 (RGB).
    pub tensor: Tensor,
    /// What was done to it that could surprise, one sentence each, without a full stop.
    pub notes: Vec<String>,
}

/// File formats that pictures are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Lossless, 8 bits.
    Png,
    /// Lossy, quality 95.
    Jpeg,
    /// Portable any map: binary PGM (1 channel) or PPM (3 channels).
    Pnm,
}

impl Format {
    /// The format that a file's ending stands for.
    pub fn of_extension(extension: &str) -> Option<Format> {
        match extension.to_ascii_lowercase().as_str() {
            "png" => Some(Format::Png),
            "jpg" | "jpeg" => Some(Format::Jpeg),
            "pnm" | "ppm" | "pgm" => Some(Format::Pnm),
            _ => None,
        }
    }
}

/// Why a picture could not be read, converted or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// The first bytes are those of no known format.
    #[error("it is not a PNG, JPEG or PNM picture")]
    UnknownFormat,
    /// One of its sides is 0.
    #[error("the picture is {width}×{height}, it has no pixels")]
    Empty {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The header claims more than is ever read.
    #[error(
        "the picture says it is {width}×{height}; the limits are {} pixels a side and {} in all",
        crate::limits::PICTURE_SIDE,
        crate::limits::PICTURE_PIXELS
    )]
    TooLarge {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The header claims more than so many bytes can hold.
    #[error("the picture says it is {width}×{height}, which {bytes} bytes cannot hold")]
    Lying {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// Bytes of the file.
        bytes: usize,
    },
    /// Decoding, conversion or encoding would need more memory than is allowed.
    #[error("a picture of {width}×{height} needs {needed} bytes of memory, more than the limit of {limit}")]
    Memory {
        /// Pixels in a row.
        width: u64,
        /// Rows.
        height: u64,
        /// Bytes needed.
        needed: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The file ends in the middle of the picture.
    #[error("the file ends before the picture does")]
    Truncated,
    /// A kind of picture that is not read: CMYK, 12 bits a sample.
    #[error("{0}")]
    Unsupported(String),
    /// The decoder's own complaint.
    #[error("the picture is damaged: {0}")]
    Damaged(String),
    /// A picture has 1 or 3 channels and the model wants another number.
    #[error("a picture has 1 or 3 channels, not {0}")]
    Channels(u64),
    /// The tensor to be written has no rows and columns.
    #[error("a tensor of shape {0:?} is not a picture")]
    NotAPicture(Vec<usize>),
    /// The picture to be written would be too large for any format here.
    #[error("a picture of {width}×{height} is too large to be written as {format}")]
    TooLargeToWrite {
        /// Pixels in a row.
        width: u64,
        /// Rows.
        height: u64,
        /// The format's name.
        format: &'static str,
    },
    /// The encoder's own complaint.
    #[error("the picture could not be encoded: {0}")]
    Encode(String),
}

/// Converts to the number of channels a model wants: 1 by Rec. 601 luma, 3 by repeating grey.
///
/// # Errors
/// If `channels` is neither 1 nor 3.
pub fn with_channels(picture: Picture, channels: u64) -> Result<Picture, PictureError> {
    let Picture { tensor, mut notes } = picture;
    let &[has, height, width] = tensor.shape() else {
        return Err(PictureError::NotAPicture(tensor.shape().to_vec()));
    };
    let pixels = height * width;
    let data = match (has, channels) {
        (1, 1) | (3, 3) => return Ok(Picture { tensor, notes }),
        (1, 3) => {
            notes.push("the picture is grey: repeated for 3 channels".to_owned());
            tensor.data().repeat(3)
        }
        (3, 1) => {
            notes.push("the picture is RGB: converted to grey by Rec. 601 luma".to_owned());
            let (r, gb) = tensor.data().split_at(pixels);
            let (g, b) = gb.split_at(pixels);
            r.iter().zip(g).zip(b).map(|((r, g), b)| luma(*r, *g, *b)).collect()
        }
        _ => return Err(PictureError::Channels(channels)),
    };
    let shape = [if channels == 1 { 1 } else { 3 }, height, width];
    let tensor = Tensor::new(&shape, data).map_err(|e| PictureError::NotAPicture(e.shape))?;
    Ok(Picture { tensor, notes })
}

/// Rec. 601: `Y = 0.299 R + 0.587 G + 0.114 B`.
fn luma(r: f32, g: f32, b: f32) -> f32 {
    0.299 * r + 0.587 * g + 0.114 * b
}
