//! A walk over the segments of a JPEG file.
//!
//! The decoder fills what is missing with grey and guesses at colours it does not know; the walk finds
//! both out beforehand: whether the picture is complete, and what its frame header says.

use super::PictureError;

/// What the frame header (SOF) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) components: u8,
    pub(super) bits: u8,
}

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const TEM: u8 = 0x01;

/// Whether a marker is a start of frame; DHT, JPG and DAC lie in the same range and are not.
fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

/// Finds the frame header, and checks that the file goes on to the end-of-image marker.
pub(super) fn walk(bytes: &[u8]) -> Result<Frame, PictureError> {
    let mut frame = None;
    let mut at = 2; // after SOI
    loop {
        let marker = next_marker(bytes, &mut at).ok_or(PictureError::Truncated)?;
        match marker {
            EOI => break,
            SOI | TEM | 0xd0..=0xd7 => continue, // no length follows
            _ => {}
        }
        let length = be16(bytes, at).ok_or(PictureError::Truncated)?;
        if length < 2 {
            return Err(PictureError::Damaged(format!("a segment has the length {length}")));
        }
        if is_frame(marker) && frame.is_none() {
            frame = Some(frame_header(bytes, at).ok_or(PictureError::Truncated)?);
        }
        at += length;
        if marker == SOS {
            skip_scan(bytes, &mut at);
        }
    }
    frame.ok_or_else(|| PictureError::Damaged("it has no frame header".to_owned()))
}

/// The next marker's code; `at` is left behind it. Bytes between segments are skipped, as decoders do.
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        let rest = bytes.get(*at..)?;
        let step = rest.iter().position(|&b| b == 0xff)?;
        *at += step + 1;
        match bytes.get(*at)? {
            0x00 => *at += 1,
            0xff => {} // a fill byte: look again from it
            &code => {
                *at += 1;
                return Some(code);
            }
        }
    }
}

/// Skips entropy-coded data up to the next marker that is no restart; stuffed zeros belong to the data.
fn skip_scan(bytes: &[u8], at: &mut usize) {
    while let Some(step) = bytes.get(*at..).and_then(|r| r.iter().position(|&b| b == 0xff)) {
        *at += step;
        match bytes.get(*at + 1) {
            Some(0x00 | 0xd0..=0xd7) => *at += 2,
            Some(0xff) => *at += 1,
            _ => return,
        }
    }
    *at = bytes.len();
}

/// The frame header whose length field is at `at`: length, bits, height, width, components.
fn frame_header(bytes: &[u8], at: usize) -> Option<Frame> {
    Some(Frame {
        bits: *bytes.get(at + 2)?,
        height: be16(bytes, at + 3)? as u32,
        width: be16(bytes, at + 5)? as u32,
        components: *bytes.get(at + 7)?,
    })
}

fn be16(bytes: &[u8], at: usize) -> Option<usize> {
    let pair: [u8; 2] = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
    Some(u16::from_be_bytes(pair).into())
}
