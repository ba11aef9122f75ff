//! The header: a dictionary in Python's syntax.

use std::io;

use super::NpyError;

const MAGIC: &[u8] = b"\x93NUMPY";
/// A real header has about 100 bytes.
const MAX_HEADER: usize = 16 << 10;
/// NumPy's own limit.
const MAX_RANK: usize = 64;

/// What the header says.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    pub(super) descr: String,
    pub(super) element: Element,
    pub(super) big_endian: bool,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<u64>,
}

/// The types of elements that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    F32,
    F64,
}

impl Element {
    /// Bytes of one.
    pub(super) fn size(self) -> usize {
        match self {
            Element::Bool | Element::U8 | Element::I8 => 1,
            Element::U16 | Element::I16 | Element::F16 => 2,
            Element::U32 | Element::I32 | Element::F32 => 4,
            Element::U64 | Element::I64 | Element::F64 => 8,
        }
    }
}

/// Splits a file into its header and its data.
pub(super) fn parse(bytes: &[u8]) -> Result<(Header, &[u8]), NpyError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(NpyError::Magic)?;
    let (length, rest) = match rest {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => {
            let length = u32::from_le_bytes([*a, *b, *c, *d]);
            (usize::try_from(length).map_err(|_| NpyError::Length)?, rest)
        }
        [major, minor, ..] if !(1..=3).contains(major) => return Err(NpyError::Version(*major, *minor)),
        _ => return Err(NpyError::Length),
    };
    if length > MAX_HEADER {
        return Err(NpyError::Length);
    }
    let (text, data) = rest.split_at_checked(length).ok_or(NpyError::Length)?;
    let text = std::str::from_utf8(text).map_err(|_| NpyError::Header("it is not text"))?;
    Ok((dictionary(text)?, data))
}

/// `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`
fn dictionary(text: &str) -> Result<Header, NpyError> {
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    let mut text = Text(text);
    text.expect('{')?;
    while !text.skip('}') {
        let key = text.string()?;
        text.expect(':')?;
        match key {
            "descr" if text.next_is('[') => {
                return Err(NpyError::Type { descr: "[…]".into(), what: "records" });
            }
            "descr" => descr = Some(text.string()?),
            "fortran_order" => fortran_order = Some(text.boolean()?),
            "shape" => shape = Some(text.tuple()?),
            _ => return Err(NpyError::Header("it has an unknown key")),
        }
        if !text.skip(',') {
            text.expect('}')?;
            break;
        }
    }
    let missing = NpyError::Header("a key is missing");
    let (Some(descr), Some(fortran_order), Some(shape)) = (descr, fortran_order, shape) else {
        return Err(missing);
    };
    let (element, big_endian) = element(descr)?;
    Ok(Header { descr: descr.to_owned(), element, big_endian, fortran_order, shape })
}

/// The type behind `<f4` and its like, and whether its bytes are in big-endian order.
fn element(descr: &str) -> Result<(Element, bool), NpyError> {
    let (order, name) = match descr.as_bytes() {
        [order @ (b'<' | b'>' | b'|' | b'='), name @ ..] => (*order, name),
        name => (b'=', name),
    };
    let element = match name {
        b"b1" => Element::Bool,
        b"u1" => Element::U8,
        b"i1" => Element::I8,
        b"u2" => Element::U16,
        b"i2" => Element::I16,
        b"u4" => Element::U32,
        b"i4" => Element::I32,
        b"u8" => Element::U64,
        b"i8" => Element::I64,
        b"f2" => Element::F16,
        b"f4" => Element::F32,
        b"f8" => Element::F64,
        _ => {
            let what = match name.first() {
                Some(b'O') => "Python objects",
                Some(b'c') => "complex numbers",
                Some(b'S' | b'a' | b'U') => "strings",
                Some(b'M' | b'm') => "dates or times",
                Some(b'V') => "records",
                _ => "elements of an unknown type",
            };
            return Err(NpyError::Type { descr: descr.escape_debug().take(40).collect(), what });
        }
    };
    let native_big = order == b'=' && cfg!(target_endian = "big");
    Ok((element, order == b'>' || native_big))
}

/// What is left of the header's text.
struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    fn next_is(&mut self, c: char) -> bool {
        self.0 = self.0.trim_start();
        self.0.starts_with(c)
    }

    fn skip(&mut self, c: char) -> bool {
        let found = self.next_is(c);
        if let (true, Some(rest)) = (found, self.0.strip_prefix(c)) {
            self.0 = rest;
        }
        found
    }

    fn expect(&mut self, c: char) -> Result<(), NpyError> {
        if self.skip(c) { Ok(()) } else { Err(NpyError::Header("it is not a dictionary")) }
    }

    /// A string in single or double quotes, without escapes: none of the keys and types has any.
    fn string(&mut self) -> Result<&'a str, NpyError> {
        let error = NpyError::Header("a string is missing");
        let quote = if self.skip('\'') {
            '\''
        } else if self.skip('"') {
            '"'
        } else {
            return Err(error);
        };
        let (string, rest) = self.0.split_once(quote).ok_or(error)?;
        self.0 = rest;
        Ok(string)
    }

    fn boolean(&mut self) -> Result<bool, NpyError> {
        self.0 = self.0.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.0.strip_prefix(word) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err(NpyError::Header("`fortran_order` is neither True nor False"))
    }

    /// `()`, `(3,)`, `(3, 4)`; Python 2 wrote `3L`.
    fn tuple(&mut self) -> Result<Vec<u64>, NpyError> {
        let error = NpyError::Header("`shape` is not a list of sizes");
        if !self.skip('(') {
            return Err(error);
        }
        let mut sizes = Vec::new();
        while !self.skip(')') {
            self.0 = self.0.trim_start();
            let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
            let (digits, rest) = self.0.split_at(end);
            sizes.push(digits.parse().map_err(|_| error.clone())?);
            if sizes.len() > MAX_RANK {
                return Err(error);
            }
            self.0 = rest.strip_prefix('L').unwrap_or(rest);
            if !self.skip(',') {
                if self.skip(')') {
                    break;
                }
                return Err(error);
            }
        }
        Ok(sizes)
    }
}

/// The bytes in front of the data for f32 of a shape, padded to a multiple of 64.
pub(super) fn write(shape: &[usize]) -> io::Result<Vec<u8>> {
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let mut text =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{comma}), }}", sizes.join(", "));
    let before = MAGIC.len() + 4;
    let total = (before + text.len() + 1).next_multiple_of(64);
    text.extend(std::iter::repeat_n(' ', total - before - text.len() - 1));
    text.push('\n');
    let length = u16::try_from(text.len()).map_err(io::Error::other)?;
    Ok([MAGIC, &[1, 0], &length.to_le_bytes(), text.as_bytes()].concat())
}
