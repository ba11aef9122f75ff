//! Elements of tensors that lie in other files, beneath the model's folder.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::error::OnnxError;
use super::proto::StringStringEntry;
use crate::io::FileError;
use crate::io::safe_file;
use crate::pages::large_vec;

/// The files that a model's tensors lie in, with how much was read of each.
pub struct External<'a> {
    folder: Option<&'a Path>,
    read: BTreeMap<PathBuf, u64>,
}

impl<'a> External<'a> {
    /// External data beneath a folder; none may be used where there is no folder.
    pub fn beneath(folder: Option<&'a Path>) -> Self {
        External { folder, read: BTreeMap::new() }
    }

    /// The `length` bytes that a tensor's entries point to.
    ///
    /// # Errors
    /// If the file is not beneath the folder, is too short, or is used for more than twice its length
    /// in all: a small file must not stand for a large memory.
    pub fn load(
        &mut self,
        tensor: &str,
        entries: &[StringStringEntry],
        length: u64,
    ) -> Result<Vec<u8>, OnnxError> {
        let wrong = |what: String| OnnxError::Malformed(format!("the external data of {tensor:?} {what}"));
        let entry = |key: &str| {
            let found = entries.iter().find(|e| e.key.as_deref() == Some(key));
            found.and_then(|e| e.value.as_deref())
        };
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(text) => match text.parse::<u64>() {
                Ok(n) => Ok(Some(n)),
                Err(_) => Err(wrong(format!("has the {key} {text:?}, which is not a number"))),
            },
        };
        let location = entry("location").ok_or_else(|| wrong("has no location".to_owned()))?;
        let offset = number("offset")?.unwrap_or(0);
        if let Some(given) = number("length")?.filter(|&given| given != length) {
            return Err(wrong(format!("has {given} bytes, and its axes ask for {length}")));
        }
        let folder = self
            .folder
            .ok_or_else(|| wrong(format!("is in {location:?}, and the model does not come from a folder")))?;
        let path = safe_file::beneath(folder, location, false)?;
        let (mut file, size) = safe_file::open(&path)?;
        if offset.checked_add(length).is_none_or(|end| end > size) {
            let text = format!("is {length} bytes from {offset} on of {location:?}, which has {size}");
            return Err(wrong(text));
        }
        let read = self.read.entry(path.clone()).or_insert(0);
        *read = read.saturating_add(length);
        let limit = size.saturating_mul(2);
        if *read > limit {
            let what = format!("the bytes that tensors use of {location:?}");
            return Err(OnnxError::Limit { what, found: *read, limit });
        }
        let failed = |e: std::io::Error| FileError::Open { path: path.clone(), reason: e.to_string() };
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        let room = usize::try_from(length).ok().and_then(large_vec);
        let mut bytes =
            room.ok_or_else(|| wrong(format!("has {length} bytes, more than the memory holds")))?;
        file.take(length).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 != length {
            return Err(wrong("changed while it was read".to_owned()));
        }
        Ok(bytes)
    }
}
