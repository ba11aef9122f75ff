//! x
mod formula;
mod table;
use super::console::{Console, Format};
use super::failure::{Failure, Outcome};
#[derive(clap::Args)]
pub(super) struct Args {}
impl Args { pub(super) fn format(&self) -> Format { Format::Text } }
pub(super) fn execute(_: &Args, _: &mut Console) -> Result<Outcome, Failure> { todo!() }
