//! The only place that calls machine code.
//!
//! Code reaches memory through a table of base pointers alone. [`execute`] checks every buffer against
//! the sizes the code was assembled for before it builds the table; that no address leaves a buffer of
//! those sizes was verified when the code was assembled.

#![allow(unsafe_code, reason = "calls machine code")]

use super::buffer::{AlignedBytes, AllocError};
use super::executor::Executor;
use super::map::{CodeMap, Entry};
use super::{Place, RunError};
use crate::code::BufferSizes;

/// A step that can be called.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoadedStep {
    /// Its driver.
    pub(super) entry: Entry,
    /// How many units it has.
    pub(super) units: u64,
}

/// The table of base pointers, made anew for each run in the same memory.
pub(super) struct Bases(Vec<*mut u8>);

// SAFETY: the pointers of an earlier run are never read.
unsafe impl Send for Bases {}
// SAFETY: a shared table is not read at all.
unsafe impl Sync for Bases {}

impl Bases {
    /// Room for `count` pointers.
    pub(super) fn with_capacity(count: usize) -> Result<Bases, AllocError> {
        let mut pointers = Vec::new();
        pointers.try_reserve_exact(count).map_err(|_| AllocError { bytes: 8 * count as u64 })?;
        Ok(Bases(pointers))
    }
}

/// What the steps work on.
pub(super) struct Buffers<'a, 'o, P> {
    pub(super) consts: &'a AlignedBytes,
    pub(super) packed: PackedBytes<'a>,
    pub(super) params: &'a [P],
    /// What only a run has.
    pub(super) sample: Option<Sample<'a, 'o>>,
}

/// The packed weights.
pub(super) enum PackedBytes<'a> {
    /// Being packed, by prepare steps.
    Fill(&'a mut AlignedBytes),
    /// In use.
    Read(&'a AlignedBytes),
}

/// The buffers of one run.
pub(super) struct Sample<'a, 'o> {
    pub(super) arena: &'a mut AlignedBytes,
    pub(super) inputs: &'a [&'a [f32]],
    pub(super) outputs: &'a mut [&'o mut [f32]],
}

/// Runs steps in order.
///
/// `steps` are drivers in `map` that were assembled for buffers of `sizes`: the prepare steps where
/// `buffers.sample` is none, else the run steps. Assembly has verified that prepare steps use neither
/// arena nor inputs nor outputs, and that run steps write nothing but the arena and the outputs.
pub(super) fn execute<P: AsRef<[f32]>>(
    map: &CodeMap,
    steps: &[LoadedStep],
    sizes: &BufferSizes,
    buffers: Buffers<'_, '_, P>,
    bases: &mut Bases,
    executor: &dyn Executor,
) -> Result<(), RunError> {
    let Buffers { consts, packed, params, sample } = buffers;
    let table = &mut bases.0;
    table.clear();
    table.push(consts.as_slice().as_ptr().cast_mut());
    let packed = match packed {
        PackedBytes::Fill(bytes) => bytes.as_mut_slice().as_mut_ptr_range(),
        PackedBytes::Read(bytes) => {
            let range = bytes.as_slice().as_ptr_range();
            range.start.cast_mut()..range.end.cast_mut()
        }
    };
    check(Place::Packed, 0, packed.end as usize - packed.start as usize, sizes.packed)?;
    table.push(packed.start);
    match sample {
        Some(Sample { arena, inputs, outputs }) => {
            if (arena.len() as u64) < sizes.arena {
                return Err(RunError::Length {
                    place: Place::Scratch,
                    index: 0,
                    bytes: arena.len() as u64,
                    expected: sizes.arena,
                });
            }
            table.push(arena.as_mut_slice().as_mut_ptr());
            count(Place::Input, inputs.len(), sizes.inputs.len())?;
            for (index, (input, &expected)) in inputs.iter().zip(&sizes.inputs).enumerate() {
                check(Place::Input, index, size_of_val(*input), expected)?;
                table.push(input.as_ptr().cast_mut().cast());
            }
            count(Place::Output, outputs.len(), sizes.outputs.len())?;
            for (index, (output, &expected)) in outputs.iter_mut().zip(&sizes.outputs).enumerate() {
                check(Place::Output, index, size_of_val(*output), expected)?;
                table.push(output.as_mut_ptr().cast());
            }
        }
        None => {
            let absent = 1 + sizes.inputs.len() + sizes.outputs.len();
            table.extend(std::iter::repeat_n(std::ptr::null_mut(), absent));
        }
    }
    count(Place::Param, params.len(), sizes.params.len())?;
    for (index, (param, &expected)) in params.iter().zip(&sizes.params).enumerate() {
        let param = param.as_ref();
        check(Place::Param, index, size_of_val(param), expected)?;
        table.push(param.as_ptr().cast_mut().cast());
    }

    let shared = Shared(table.as_ptr());
    for step in steps {
        let call = |begin, end| call(map, step.entry, &shared, begin, end);
        executor.run(step.units, &call);
    }
    Ok(())
}

/// The table of one run, shared by its threads.
struct Shared(*const *mut u8);

// SAFETY: the table is only read while steps run, and the units of a step, which the executor keeps
// disjoint, write disjoint memory.
unsafe impl Sync for Shared {}

/// Calls a driver. Private: [`execute`] has checked what it needs.
fn call(_mapped: &CodeMap, entry: Entry, bases: &Shared, begin: u64, end: u64) {
    type Driver = unsafe extern "C" fn(bases: *const *mut u8, begin: u64, end: u64);
    // SAFETY: the entry is a driver's first instruction, in memory that `_mapped` keeps mapped, and
    // drivers have this signature.
    let driver = unsafe { std::mem::transmute::<*const u8, Driver>(entry.address()) };
    // SAFETY: `execute` has put a pointer to a buffer of the assembled size for every base that the step
    // uses. Those it writes are borrowed alone, those it shares are borrowed for as long as it runs.
    unsafe { driver(bases.0, begin, end) }
}

fn count(place: Place, given: usize, expected: usize) -> Result<(), RunError> {
    if given == expected { Ok(()) } else { Err(RunError::Count { place, given, expected }) }
}

fn check(place: Place, index: usize, bytes: usize, expected: u64) -> Result<(), RunError> {
    let bytes = bytes as u64;
    if bytes == expected { Ok(()) } else { Err(RunError::Length { place, index, bytes, expected }) }
}
