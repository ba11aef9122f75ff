//! What a model is given: files read, assigned to its inputs, made to fit.

mod assign;
mod bind;
mod load;

pub(super) use assign::{Inputs, Origin};
pub(super) use bind::{Axis, Bound, Content, Conversion, Declared, Ready, bind_defaults};
pub(super) use load::{load, load_one};

use super::console::Console;
use super::failure::Failure;
use super::models::Opened;
use super::values::Named;

/// Reads the inputs and binds the sizes that are open. Where no file is given, inputs are random.
pub(super) fn read(
    model: &Opened,
    given: &[Named],
    bound: &mut Bound,
    conversion: Conversion,
    seed: u64,
    console: &Console,
) -> Result<Inputs, Failure> {
    let reading = assign::Reading {
        folder: model.folder(),
        conversion,
        seed,
        dims: &|input, sizes| model.input_dims(input, sizes, console),
    };
    assign::read(model.inputs(), given, bound, &reading)
}
