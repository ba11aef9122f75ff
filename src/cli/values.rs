//! Values of flags: their types and how they are read.

use crate::code::Backend;
use crate::model::Math;

/// `H=480,W=640`: each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes(pub(super) Vec<(String, u64)>);

#[derive(clap::Args)]
struct SizeOptions {
    /// Sizes that the model leaves open, such as H=480,W=640; may be repeated
    #[arg(long = "size", value_name = "SIZES", value_parser = sizes)]
    given: Vec<Sizes>,
}

impl clap::FromArgMatches for Sizes {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Sizes, clap::Error> {
        let mut sizes = Sizes::default();
        for size in SizeOptions::from_arg_matches(matches)?.given.into_iter().flat_map(|s| s.0) {
            let twice = |text| clap::Error::raw(clap::error::ErrorKind::ValueValidation, text);
            sizes.add(size).map_err(|text| twice(format!("--size: {text}")))?;
        }
        Ok(sizes)
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        *self = Sizes::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for Sizes {
    fn augment_args(command: clap::Command) -> clap::Command {
        SizeOptions::augment_args(command)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        SizeOptions::augment_args_for_update(command)
    }
}

impl Sizes {
    fn add(&mut self, (name, value): (String, u64)) -> Result<(), String> {
        if self.0.iter().any(|(n, _)| *n == name) {
            return Err(format!("{name} is given twice"));
        }
        self.0.push((name, value));
        Ok(())
    }
}

/// Reads [`Sizes`].
fn sizes(text: &str) -> Result<Sizes, String> {
    let mut sizes = Sizes::default();
    for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (name, value) =
            part.split_once('=').ok_or_else(|| format!("`{part}` is not NAME=NUMBER, like H=480"))?;
        let (name, value) = (name.trim(), value.trim());
        let value: u64 = value.parse().map_err(|_| format!("`{value}` is not a number of elements"))?;
        if !is_name(name) {
            return Err(format!("`{name}` is not a name"));
        }
        if value == 0 || value > crate::limits::DIM {
            return Err(format!("{name}={value} is outside 1..{}", crate::limits::DIM));
        }
        sizes.add((name.to_owned(), value))?;
    }
    if sizes.0.is_empty() { Err("no size is given".to_owned()) } else { Ok(sizes) }
}

/// Whether a text is a name of the language, with the dots of names in blocks.
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

/// `NAME=FILE`, or `FILE` alone. `./a=b.png` is a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The name before the `=`.
    pub(super) name: Option<String>,
    /// The file.
    pub(super) file: std::path::PathBuf,
}

/// Reads [`Named`] from any text the system can pass.
pub(super) fn named() -> impl clap::builder::TypedValueParser<Value = Named> {
    use clap::builder::TypedValueParser as _;
    clap::builder::OsStringValueParser::new().try_map(|text| {
        let split = text.to_str().and_then(|t| t.split_once('=')).filter(|(name, _)| is_name(name));
        match split {
            Some((name, "")) => Err(format!("`{name}=` names no file")),
            Some((name, file)) => Ok(Named { name: Some(name.to_owned()), file: file.into() }),
            None => Ok(Named { name: None, file: text.into() }),
        }
    })
}

/// Bytes: `512M`, `1.5G`, `800MiB`, `65536`. Prefixes are powers of 1024.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        other => return Err(format!("`{other}` is no unit; there are K, M, G and T")),
    };
    let bad = || format!("`{text}` is not a size like 512M or 2G");
    let number: f64 = number.parse().map_err(|_| bad())?;
    let bytes = number * (1u64 << shift) as f64;
    if bytes >= 1.0 && bytes < 2f64.powi(63) { Ok(bytes as u64) } else { Err(bad()) }
}

/// Which emitter makes the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum BackendName {
    /// AVX2 and FMA, also AVX-512 (the default where the processor has them)
    X64,
    /// 128-bit vectors by Cranelift, on any host
    Cranelift,
}

impl From<BackendName> for Backend {
    fn from(name: BackendName) -> Backend {
        match name {
            BackendName::X64 => Backend::X64,
            BackendName::Cranelift => Backend::Cranelift,
        }
    }
}

/// Which liberties arithmetic may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum MathName {
    /// Faster algorithms with their own, stated error bounds are allowed
    Default,
    /// Every sum as it is written; equal on every backend with FMA
    Strict,
}

impl From<MathName> for Math {
    fn from(name: MathName) -> Math {
        match name {
            MathName::Default => Math::Default,
            MathName::Strict => Math::Strict,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_names_with_numbers() {
        let two = |a, b| Ok(Sizes(vec![("H".to_owned(), a), ("W".to_owned(), b)]));
        assert_eq!(sizes("H=480,W=640"), two(480, 640));
        assert_eq!(sizes(" H = 1 , W=2,"), two(1, 2));
        for bad in
            ["", "H", "H=", "H=0", "H=-1", "H=1,H=2", "=3", "H=99999999999999999999", "1=2", "H=4294967296"]
        {
            assert!(sizes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn byte_sizes_know_prefixes_and_refuse_nonsense() {
        assert_eq!(bytes("65536"), Ok(65536));
        assert_eq!(bytes("512M"), Ok(512 << 20));
        assert_eq!(bytes("1.5 GiB"), Ok(3 << 29));
        assert_eq!(bytes("2kb"), Ok(2048));
        for bad in ["", "G", "-1", "0", "1x", "1..2M", "1e9", "99999999T", "inf", "nan"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
