//! Pictures are made by the `image` crate's encoders or by hand; expected values are worked out here.

use image::codecs::{jpeg::JpegEncoder, png::PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use super::*;

const MEMORY: u64 = 64 << 20;

fn png(samples: &[u8], width: u32, height: u32, color: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(samples, width, height, color).unwrap();
    bytes
}

fn jpeg(samples: &[u8], width: u32, height: u32, exif: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 100);
    if let Some(exif) = exif {
        encoder.set_exif_metadata(exif.to_vec()).unwrap();
    }
    encoder.write_image(samples, width, height, ExtendedColorType::L8).unwrap();
    bytes
}

/// A TIFF block whose only field is the orientation.
fn exif(orientation: u16) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    tiff.extend(orientation.to_le_bytes());
    tiff.extend([0; 6]);
    tiff
}

fn bytes_of(tensor: &Tensor) -> Vec<u8> {
    tensor.data().iter().map(|v| (v * 255.0).round() as u8).collect()
}

#[test]
fn rgb_is_planes_in_the_order_of_colours() {
    let picture = decode(&png(&[255, 0, 51, 0, 255, 102], 2, 1, ExtendedColorType::Rgb8), MEMORY).unwrap();
    assert_eq!(picture.tensor.shape(), [3, 1, 2]);
    assert_eq!(picture.tensor.data(), [1.0, 0.0, 0.0, 1.0, 0.2, 0.4]);
    assert!(picture.notes.is_empty());
}

#[test]
fn alpha_is_dropped_and_16_bits_are_scaled_with_a_note_each() {
    let samples: Vec<u8> = [65535u16, 0, 13107, 7].iter().flat_map(|v| v.to_ne_bytes()).collect();
    let picture = decode(&png(&samples, 1, 1, ExtendedColorType::Rgba16), MEMORY).unwrap();
    assert_eq!(picture.tensor.shape(), [3, 1, 1]);
    assert_eq!(picture.tensor.data(), [1.0, 0.0, 0.2]);
    assert_eq!(picture.notes, ["alpha was dropped", "16 bits a channel were scaled to 0..1"]);

    let picture = decode(&png(&[51, 9, 102, 9], 2, 1, ExtendedColorType::La8), MEMORY).unwrap();
    assert_eq!(picture.tensor.shape(), [1, 1, 2]);
    assert_eq!(picture.tensor.data(), [0.2, 0.4]);
    assert_eq!(picture.notes, ["alpha was dropped"]);
}

#[test]
fn every_kind_of_pnm_is_read() {
    let read = |text: &[u8]| {
        let picture = decode(text, MEMORY).unwrap();
        (picture.tensor.shape().to_vec(), bytes_of(&picture.tensor))
    };
    assert_eq!(read(b"P1\n3 1\n1 0 1\n"), (vec![1, 1, 3], vec![0, 255, 0]));
    assert_eq!(read(b"P2\n# grey\n2 1\n100\n100 50\n"), (vec![1, 1, 2], vec![255, 128]));
    assert_eq!(read(b"P3\n1 2\n255\n1 2 3  4 5 6\n"), (vec![3, 2, 1], vec![1, 4, 2, 5, 3, 6]));
    assert_eq!(read(b"P4\n9 1\n\x80\x80"), (vec![1, 1, 9], vec![0, 255, 255, 255, 255, 255, 255, 255, 0]));
    assert_eq!(read(b"P5 2 1 255\n\x07\xff"), (vec![1, 1, 2], vec![7, 255]));
    assert_eq!(read(b"P5 1 1 65535\n\x33\x33"), (vec![1, 1, 1], vec![51]));
    assert_eq!(read(b"P6\n1 1\n255\n\x01\x02\x03"), (vec![3, 1, 1], vec![1, 2, 3]));
    let pam = b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n\x01\x02\x03\x04";
    assert_eq!(read(pam), (vec![3, 1, 1], vec![1, 2, 3]));
}

#[test]
fn exif_orientation_is_applied() {
    // 16×8, left half black, right half white: blocks of 8×8, which JPEG keeps exactly.
    let samples: Vec<u8> = (0..8 * 16).map(|i| if i % 16 < 8 { 0 } else { 255 }).collect();
    let corner_and_shape = |orientation: u16| {
        let picture = decode(&jpeg(&samples, 16, 8, Some(&exif(orientation))), MEMORY).unwrap();
        let shape = picture.tensor.shape().to_vec();
        let data = bytes_of(&picture.tensor);
        (shape[1..].to_vec(), data[0], data[data.len() - 1], picture.notes.len())
    };
    assert_eq!(corner_and_shape(1), (vec![8, 16], 0, 255, 0));
    assert_eq!(corner_and_shape(2), (vec![8, 16], 255, 0, 1));
    assert_eq!(corner_and_shape(3), (vec![8, 16], 255, 0, 1));
    assert_eq!(corner_and_shape(4), (vec![8, 16], 0, 255, 1));
    // Stored so that it has to be turned clockwise: what was left is on top.
    assert_eq!(corner_and_shape(6), (vec![16, 8], 0, 255, 1));
    assert_eq!(corner_and_shape(8), (vec![16, 8], 255, 0, 1));
}

#[test]
fn claims_are_refused_before_anything_is_allocated() {
    // Signature, IHDR for 32768 × 32768 RGBA, and nothing else: 41 bytes with 8 of padding.
    let mut claim = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x80\0\0\0\x80\0\x08\x06\0\0\0".to_vec();
    claim.extend([0; 12]);
    assert_eq!(claim.len(), 41);
    assert_eq!(decode(&claim, MEMORY).unwrap_err(), PictureError::TooLarge { width: 32768, height: 32768 });

    let lying = b"P6 8192 8192 255\n\0\0\0";
    assert_eq!(
        decode(lying, u64::MAX).unwrap_err(),
        PictureError::Lying { width: 8192, height: 8192, bytes: lying.len() }
    );
    assert!(matches!(decode(b"P5 0 9 255\n", MEMORY), Err(PictureError::Empty { .. })));

    let honest = png(&[0; 4096], 64, 64, ExtendedColorType::L8);
    assert!(matches!(decode(&honest, 64 * 64), Err(PictureError::Memory { .. })));
    assert!(decode(&honest, MEMORY).is_ok());
}

#[test]
fn every_truncation_is_an_error() {
    let noise: Vec<u8> = (0..32 * 32u32).map(|i| (i.wrapping_mul(2654435761) >> 24) as u8).collect();
    for whole in [png(&noise, 32, 32, ExtendedColorType::L8), jpeg(&noise, 32, 32, None)] {
        decode(&whole, MEMORY).unwrap();
        // The last 12 bytes of a PNG are its IEND chunk, without which the picture is complete.
        for cut in (0..whole.len() - 12).step_by(7) {
            assert!(decode(&whole[..cut], MEMORY).is_err(), "{cut} of {} bytes", whole.len());
        }
    }
    assert_eq!(decode(b"P5 2 2 255\n\0\0\0", MEMORY).unwrap_err(), PictureError::Truncated);
}

#[test]
fn flipped_bits_never_panic() {
    let noise: Vec<u8> = (0..24 * 24u32).map(|i| (i.wrapping_mul(2654435761) >> 24) as u8).collect();
    let pam =
        b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n\x01\x02\x03\x04";
    let files = [png(&noise, 24, 24, ExtendedColorType::L8), jpeg(&noise, 24, 24, None), pam.to_vec()];
    for file in files {
        for bit in 0..file.len() * 8 {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let _ = decode(&damaged, MEMORY);
        }
    }
}

#[test]
fn cmyk_and_12_bit_jpegs_are_refused() {
    let mut bytes = jpeg(&[9; 64], 8, 8, None);
    let frame = bytes.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    bytes[frame + 9] = 4;
    let error = decode(&bytes, MEMORY).unwrap_err().to_string();
    assert!(error.contains("CMYK"), "{error}");
    bytes[frame + 9] = 1;
    bytes[frame + 4] = 12;
    assert!(matches!(decode(&bytes, MEMORY), Err(PictureError::Unsupported(_))));
}

#[test]
fn channels_follow_rec_601_and_repetition() {
    let rgb =
        |data: &[f32]| Picture { tensor: Tensor::new(&[3, 1, 1], data.to_vec()).unwrap(), notes: vec![] };
    let grey = with_channels(rgb(&[1.0, 0.0, 0.0]), 1).unwrap();
    assert_eq!((grey.tensor.shape(), grey.tensor.data()), (&[1, 1, 1][..], &[0.299][..]));
    assert_eq!(with_channels(rgb(&[0.0, 1.0, 0.0]), 1).unwrap().tensor.data(), [0.587]);
    assert_eq!(with_channels(rgb(&[0.0, 0.0, 1.0]), 1).unwrap().tensor.data(), [0.114]);
    let back = with_channels(grey, 3).unwrap();
    assert_eq!(back.tensor.data(), [0.299, 0.299, 0.299]);
    assert_eq!(back.notes.len(), 2);
    assert_eq!(with_channels(back, 4).unwrap_err(), PictureError::Channels(4));
}

#[test]
fn fit_gives_the_size_and_keeps_the_middle() {
    // 2 rows of 6: a gradient from left to right.
    let row: Vec<f32> = (0..6).map(|x| x as f32 / 5.0).collect();
    let wide = || Picture { tensor: Tensor::new(&[1, 2, 6], row.repeat(2)).unwrap(), notes: vec![] };
    let crop = fit(wide(), [2, 2], Fit::Crop, MEMORY).unwrap();
    assert_eq!(crop.tensor.data(), [0.4, 0.6, 0.4, 0.6]);
    let pad = fit(wide(), [6, 6], Fit::Pad, MEMORY).unwrap();
    assert_eq!(pad.tensor.data()[..12], [0.0; 12]);
    assert_eq!(pad.tensor.data()[12..18], row);
    assert_eq!(pad.tensor.data()[24..], [0.0; 12]);
    let stretch = fit(wide(), [4, 3], Fit::Stretch, MEMORY).unwrap();
    assert_eq!(stretch.tensor.shape(), [1, 4, 3]);
    let columns = &stretch.tensor.data()[..3];
    assert!(columns[0] < 0.2 && (columns[1] - 0.5).abs() < 1e-3 && columns[2] > 0.8, "{columns:?}");
    let same = fit(wide(), [2, 6], Fit::Pad, MEMORY).unwrap();
    assert!(same.notes.is_empty());
    for how in [Fit::Stretch, Fit::Crop, Fit::Pad] {
        for size in [[1, 1], [1, 50], [50, 1], [7, 3]] {
            let fitted = fit(wide(), size, how, MEMORY).unwrap();
            assert_eq!(fitted.tensor.shape(), [1, size[0] as usize, size[1] as usize]);
            assert!(fitted.tensor.data().iter().all(|v| (0.0..=1.0).contains(v)));
        }
    }
    assert!(fit(wide(), [1 << 40, 1], Fit::Stretch, MEMORY).is_err());
}

#[test]
fn pictures_written_are_read_back() {
    let data: Vec<f32> = (0..12).map(|v| (v * 20) as f32 / 255.0).collect();
    for format in [Format::Png, Format::Pnm] {
        let tensor = Tensor::new(&[3, 2, 2], data.clone()).unwrap();
        let encoded = encode(tensor.view(), format, false).unwrap();
        assert!(encoded.notes.is_empty());
        assert_eq!(decode(&encoded.bytes, MEMORY).unwrap().tensor.data(), data);
    }
    let grey = Tensor::new(&[8, 8], vec![0.2; 64]).unwrap();
    let encoded = encode(grey.view(), Format::Jpeg, false).unwrap();
    assert_eq!(bytes_of(&decode(&encoded.bytes, MEMORY).unwrap().tensor), [51; 64]);
}

#[test]
fn clipping_is_reported_and_normalize_maps_the_range() {
    let tensor = Tensor::new(&[1, 1, 4], vec![-1.0, 0.0, 1.0, 3.0]).unwrap();
    let clamped = encode(tensor.view(), Format::Png, false).unwrap();
    assert_eq!(bytes_of(&decode(&clamped.bytes, MEMORY).unwrap().tensor), [0, 0, 255, 255]);
    assert!(clamped.notes[0].starts_with("50.00 % of the values"), "{:?}", clamped.notes);
    let mapped = encode(tensor.view(), Format::Png, true).unwrap();
    assert_eq!(bytes_of(&decode(&mapped.bytes, MEMORY).unwrap().tensor), [0, 64, 128, 255]);
    let odd = Tensor::new(&[1, 1, 4], vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.2]).unwrap();
    let odd = encode(odd.view(), Format::Png, false).unwrap();
    assert_eq!(bytes_of(&decode(&odd.bytes, MEMORY).unwrap().tensor), [0, 255, 0, 51]);
    assert!(odd.notes[1].contains("NaN"));
}

#[test]
fn other_channels_become_a_contact_sheet() {
    // 6 maps of 2×2; map i holds i·10 and, at its last pixel, i·10 + 1.
    let data =
        (0..6).flat_map(|i| [10.0 * i as f32, 10.0 * i as f32, 10.0 * i as f32, 10.0 * i as f32 + 1.0]);
    let tensor = Tensor::new(&[6, 2, 2], data.collect()).unwrap();
    let sheet = encode(tensor.view(), Format::Png, false).unwrap();
    let picture = decode(&sheet.bytes, MEMORY).unwrap().tensor;
    // √6 rounds to 2 columns, so 3 rows; a pixel between maps.
    assert_eq!(picture.shape(), [1, 8, 5]);
    let grey = bytes_of(&picture);
    assert_eq!(grey[..5], [0, 0, 96, 0, 0]);
    assert_eq!(grey[5..10], [0, 255, 96, 0, 255]);
    assert_eq!(grey[10..15], [96; 5]);
    assert_eq!(grey[35..40], [0, 255, 96, 0, 255]);

    let flat = Tensor::new(&[10], vec![0.0; 10]).unwrap();
    assert!(matches!(encode(flat.view(), Format::Png, false), Err(PictureError::NotAPicture(_))));
    let wide = Tensor::new(&[1, 1, 70_000], vec![0.0; 70_000]).unwrap();
    assert!(matches!(encode(wide.view(), Format::Jpeg, false), Err(PictureError::TooLargeToWrite { .. })));
}
