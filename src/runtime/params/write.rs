//! Writing safetensors, one tensor after the other: nothing is copied as a whole.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use crate::tensor::Raw;

/// A tensor of a file.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Its key.
    pub key: String,
    /// Its axes.
    pub dims: Vec<u64>,
    /// Its elements, row-major.
    pub data: Raw<'a>,
}

/// Numbers that are made bytes at a time.
const CHUNK: usize = 1024;

/// Writes a safetensors file of f32 tensors with some notes, in the order of their keys.
///
/// # Errors
/// If two tensors have one key, or writing fails.
pub fn write_safetensors(
    entries: &mut [Entry<'_>],
    notes: &BTreeMap<String, String>,
    out: &mut impl Write,
) -> io::Result<()> {
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    if let Some([pair, _]) = entries.array_windows().find(|[a, b]| a.key == b.key) {
        return Err(io::Error::other(format!("two tensors would be called {:?}", pair.key)));
    }
    let mut header = String::from("{");
    if !notes.is_empty() {
        let notes: Vec<String> = notes.iter().map(|(k, v)| format!("{}:{}", quoted(k), quoted(v))).collect();
        let _ = write!(header, "\"__metadata__\":{{{}}},", notes.join(","));
    }
    let mut end = 0u64;
    for entry in &*entries {
        let (start, key) = (end, quoted(&entry.key));
        end += entry.data.size() as u64;
        let shape: Vec<String> = entry.dims.iter().map(u64::to_string).collect();
        let shape = shape.join(",");
        let _ = write!(
            header,
            "{key}:{{\"dtype\":\"F32\",\"shape\":[{shape}],\"data_offsets\":[{start},{end}]}},"
        );
    }
    if header.ends_with(',') {
        header.pop();
    }
    header.push('}');
    // Tensors begin at whole words.
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    let mut bytes = [0u8; 4 * CHUNK];
    for entry in &*entries {
        let numbers = match entry.data {
            Raw::Numbers(numbers) => numbers,
            Raw::Bytes(bytes) => {
                out.write_all(bytes)?;
                continue;
            }
        };
        for chunk in numbers.chunks(CHUNK) {
            for (place, value) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(chunk) {
                *place = value.to_le_bytes();
            }
            out.write_all(&bytes[..4 * chunk.len()])?;
        }
    }
    Ok(())
}

/// A string of JSON.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::params::Stored;

    #[test]
    fn keys_notes_and_numbers_come_back() {
        let data: Vec<f32> = (0..3000).map(|i| i as f32 / 7.0).collect();
        let keys = ["b \"quoted\"", "a\\b\n\u{1}é", "c"];
        let entry = |key: &str, n: usize| Entry {
            key: key.into(),
            dims: vec![n as u64, 1],
            data: Raw::Numbers(&data[..n]),
        };
        let mut entries: Vec<Entry> = keys.iter().zip([3000, 7, 0]).map(|(key, n)| entry(key, n)).collect();
        let notes = BTreeMap::from([("seed".to_owned(), "\"7\"".to_owned())]);
        let mut bytes = Vec::new();
        write_safetensors(&mut entries, &notes, &mut bytes).expect("memory takes it");
        let file = Stored::open(&bytes).expect("it is sound");
        assert_eq!(file.note("seed"), Some("\"7\""));
        for (key, n) in keys.iter().zip([3000usize, 7, 0]) {
            let mut read = vec![0.0; n];
            file.copy(key, &[n as u64, 1], &mut read).expect("it is there");
            assert_eq!(read, data[..n]);
        }
        assert_eq!(file.keys().count(), 3);
        assert!(file.copy("c", &[1], &mut [0.0]).is_err());
        let mut twice = vec![entry("c", 1), entry("c", 2)];
        assert!(write_safetensors(&mut twice, &notes, &mut Vec::new()).is_err());
    }
}
