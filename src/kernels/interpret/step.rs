//! Runs steps: the loops around kernels.

use std::ops::Range;

use super::{ArgValue, Fault, FmaRounding, InterpretError, Machine, Memory, Place};
use crate::kernels::step::{CallArg, Lowered, Nest, Step};

/// Runs the prepare steps, which fill the packed weights.
///
/// # Errors
/// As [`super::run_kernel`].
pub fn run_prepare(
    lowered: &Lowered,
    memory: &mut Memory,
    rounding: FmaRounding,
) -> Result<(), InterpretError> {
    lowered.prepare.iter().try_for_each(|step| run_step(lowered, step, memory, rounding))
}

/// Runs the steps of one sample.
///
/// # Errors
/// As [`super::run_kernel`].
pub fn run(lowered: &Lowered, memory: &mut Memory, rounding: FmaRounding) -> Result<(), InterpretError> {
    lowered.run.iter().try_for_each(|step| run_step(lowered, step, memory, rounding))
}

/// Runs all units of a step.
///
/// # Errors
/// As [`super::run_kernel`].
pub fn run_step(
    lowered: &Lowered,
    step: &Step,
    memory: &mut Memory,
    rounding: FmaRounding,
) -> Result<(), InterpretError> {
    run_units(lowered, step, 0..step.units(), memory, rounding)
}

/// Runs some units of a step, as its machine code does for `begin .. end`.
///
/// # Errors
/// As [`super::run_kernel`].
pub fn run_units(
    lowered: &Lowered,
    step: &Step,
    units: Range<u64>,
    memory: &mut Memory,
    rounding: FmaRounding,
) -> Result<(), InterpretError> {
    let mut machine = Machine::new(rounding);
    let mut first = 0;
    for nest in &step.nests {
        let end = first + nest.units();
        let (from, to) = (units.start.clamp(first, end), units.end.clamp(first, end));
        for unit in from..to {
            run_unit(lowered, step, nest, unit - first, &mut Vec::new(), memory, &mut machine)?;
        }
        first = end;
    }
    Ok(())
}

fn run_unit(
    lowered: &Lowered,
    step: &Step,
    nest: &Nest,
    unit: u64,
    index: &mut Vec<u64>,
    memory: &mut Memory,
    machine: &mut Machine,
) -> Result<(), InterpretError> {
    let outer = index.len();
    index.resize(outer + nest.dims.len(), 0);
    let mut rest = unit;
    for (index, &dim) in index[outer..].iter_mut().zip(&nest.dims).rev() {
        *index = rest % dim;
        rest /= dim;
    }
    let mut args = Vec::new();
    for call in &nest.calls {
        let Some(kernel) = lowered.kernels.get(call.kernel.0 as usize) else {
            return Err(Fault::NoKernel(call.kernel.0).of(&step.name));
        };
        args.clear();
        for arg in &call.args {
            args.push(value(lowered, arg, index).ok_or_else(|| Fault::Overflow.of(&kernel.name))?);
        }
        machine.run(kernel, &args, memory).map_err(|fault| {
            let mut error = fault.of(&kernel.name);
            error.what += &format!(", in unit {index:?} of step `{}`", step.name);
            error
        })?;
    }
    for inner in &nest.inner {
        for unit in 0..inner.units() {
            run_unit(lowered, step, inner, unit, index, memory, machine)?;
        }
    }
    index.truncate(outer);
    Ok(())
}

/// An argument for a unit; nothing where a number overflows or a table has no such entry.
fn value(lowered: &Lowered, arg: &CallArg, index: &[u64]) -> Option<ArgValue> {
    match arg {
        CallArg::Int(value) => Some(ArgValue::Int(*value)),
        CallArg::Ptr { base, offset, strides, tables } => {
            let mut sum = *offset;
            for (&i, &stride) in index.iter().zip(strides) {
                sum = sum.checked_add(i64::try_from(i).ok()?.checked_mul(stride)?)?;
            }
            for table in tables {
                let entry = usize::try_from(*index.get(table.dim)?).ok()?;
                sum = sum.checked_add(*table.offsets.get(entry)?)?;
            }
            Some(ArgValue::Ptr(Place { buffer: lowered.base_index(*base), offset: sum }))
        }
    }
}
