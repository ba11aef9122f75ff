//! How many threads compute.

use super::failure::Failure;
use crate::model::Options;

/// The variable that gives the number where the flag does not.
const VARIABLE: &str = "CONVC_THREADS";
const MOST: u32 = 1024;

/// The argument of every command that runs models.
#[derive(clap::Args)]
pub(super) struct Threads {
    /// Threads to compute with; results do not depend on it. Default: CONVC_THREADS, or as many as the
    /// processors that this process may use
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST)))]
    threads: Option<u32>,
}

impl Threads {
    /// Sets the number, where it is given.
    pub(super) fn set(&self, options: Options) -> Result<Options, Failure> {
        let given = match self.threads {
            Some(threads) => Some(threads),
            None => from_variable(std::env::var_os(VARIABLE))?,
        };
        Ok(match given {
            Some(threads) => options.threads(threads as usize),
            None => options,
        })
    }
}

/// What the variable says; nothing where it is not set or empty.
fn from_variable(value: Option<std::ffi::OsString>) -> Result<Option<u32>, Failure> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    let number = value.to_str().and_then(|text| text.trim().parse().ok());
    match number.filter(|number| (1..=MOST).contains(number)) {
        Some(number) => Ok(Some(number)),
        None => Err(Failure::usage(format!(
            "{VARIABLE} is `{}`, not a number of threads in 1..{MOST}",
            super::console::escaped(&value.to_string_lossy())
        ))),
    }
}
