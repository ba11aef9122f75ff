//! The only place that calls machine code.
//!
//! Code reaches memory through a table of base pointers alone. [`execute`] checks every buffer against
//! the sizes the code was assembled for before it builds the table; that no address leaves a buffer of
//! those sizes was verified when the code was assembled.

#![allow(unsafe_code, reason = "calls machine code")]

use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::buffer::{AlignedBytes, AllocError, Placement};
use super::executor::Executor;
use super::map::{CodeMap, Entry};
use super::share::Share;
use super::steps::LoadedStep;
use super::{Param, Place, RunError};
use crate::code::BufferSizes;
use crate::kernels::step::Base;

/// What each part of a step needs for itself; made anew for each run in the same memory.
pub(super) struct Workspace(Vec<Desk>);

/// A part, in cache lines of its own.
#[repr(align(128))]
struct Desk {
    /// The number of the last step, counted from 1, whose part of this number was begun.
    begun: AtomicUsize,
    /// What is left of it.
    left: Share,
    /// For whoever has begun it.
    part: UnsafeCell<Part>,
}

struct Part {
    /// The table of base pointers.
    bases: Vec<*mut u8>,
    /// The arguments of calls, and [`APART`] on either side.
    args: Vec<u64>,
    /// [`Base::Local`].
    local: AlignedBytes,
}

// SAFETY: the pointers of an earlier run are never read, and the rest is plain memory.
unsafe impl Send for Workspace {}
// SAFETY: a shared workspace is touched only by `execute`, where `begin` lets one call at a time have an element.
unsafe impl Sync for Workspace {}

/// Arguments are written for every call. So many before and after them are two cache lines, so that no other
/// thread's memory is in the same ones: each call would fetch them from there.
const APART: usize = 16;

impl Workspace {
    /// For `parts` parts of steps with at most `args` arguments, the local memory of each at the placement.
    pub(super) fn new(
        parts: usize,
        sizes: &BufferSizes,
        args: usize,
        placement: Placement,
    ) -> Result<Workspace, AllocError> {
        let bytes = |count: usize, each: usize| AllocError { bytes: count as u64 * each as u64 };
        let mut all = Vec::new();
        all.try_reserve_exact(parts).map_err(|_| bytes(parts, size_of::<Desk>()))?;
        for _ in 0..parts {
            let local = AlignedBytes::zeroed(sizes.local, placement)?;
            let mut part = Part { bases: Vec::new(), args: Vec::new(), local };
            part.bases.try_reserve_exact(sizes.bases()).map_err(|_| bytes(sizes.bases(), 8))?;
            let args = args.saturating_add(2 * APART);
            part.args.try_reserve_exact(args).map_err(|_| bytes(args, 8))?;
            part.args.resize(args, 0);
            all.push(Desk {
                begun: AtomicUsize::new(0),
                left: Share::default(),
                part: UnsafeCell::new(part),
            });
        }
        Ok(Workspace(all))
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

/// Runs steps in order, the units of each in at most as many parts as the executor and the workspace have. A part that is
/// done goes on with chunks of the others.
///
/// `steps` call functions in `map` that were assembled for buffers of `sizes`: the prepare steps where
/// `buffers.sample` is none, else the run steps. Assembly has verified that prepare steps use neither
/// arena nor inputs nor outputs, and that run steps write nothing but the arena, the outputs and local memory.
/// `after` is told the number of each step once it is done.
pub(super) fn execute<P: Param>(
    map: &CodeMap,
    steps: &[LoadedStep],
    sizes: &BufferSizes,
    buffers: Buffers<'_, '_, P>,
    workspace: &mut Workspace,
    executor: &dyn Executor,
    mut after: impl FnMut(usize),
) -> Result<(), RunError> {
    let most = fill(workspace, sizes, buffers)?.min(executor.threads().max(1));
    let args = steps.iter().map(|step| step.args).max().unwrap_or(0);
    if workspace.0.iter_mut().any(|place| within(&mut place.part.get_mut().args).len() < args) {
        let bytes = 8 * args as u64;
        return Err(RunError::Length { place: Place::Scratch, index: 0, bytes: 0, expected: bytes });
    }
    let workspace = &*workspace;
    for (number, step) in steps.iter().enumerate() {
        let parts = step.work.parts(most, executor.grain());
        let chunks = if parts > 1 { step.work.chunks(parts, executor.grain()) } else { 1 };
        for (part, place) in workspace.0.iter().take(parts).enumerate() {
            place.left.set((part * chunks) as u32..((part + 1) * chunks) as u32);
        }
        let run = |part: usize| {
            if part < parts
                && let Some(place) = workspace.0.get(part)
                && place.begin(number + 1)
            {
                // SAFETY: nobody else has begun this part in this step, and before it came to this step all calls of
                // the one before had returned.
                let Part { bases, args, .. } = unsafe { &mut *place.part.get() };
                let args = within(args);
                let mut run = |some: Range<u32>| {
                    let some = some.start as usize..some.end as usize;
                    for units in step.work.of_parts(parts * chunks, some) {
                        step.run(units, bases, args, &mut |entry, args: &[u64]| call(map, entry, args));
                    }
                };
                while let Some(some) = place.left.take() {
                    run(some);
                }
                // Then what others have not come to.
                for other in (1..parts).filter_map(|next| workspace.0.get((part + next) % parts)) {
                    while let Some(some) = other.left.take() {
                        run(some);
                    }
                }
            }
        };
        if parts > 1 {
            executor.run(parts, &run);
        }
        // An executor that keeps its word has left nothing.
        (0..parts).for_each(run);
        after(number);
    }
    Ok(())
}

/// Without [`APART`] on either side.
fn within(args: &mut [u64]) -> &mut [u64] {
    let end = args.len().saturating_sub(APART);
    args.get_mut(APART..end).unwrap_or_default()
}

impl Desk {
    /// Whether nobody has begun this part in this step.
    fn begin(&self, step: usize) -> bool {
        // Executors order what parts do and what follows: they hold a borrow until all calls have returned.
        self.begun.swap(step, Ordering::Relaxed) != step
    }
}

/// Puts the base pointers of a run into every part, and gives the number of parts.
fn fill<P: Param>(
    workspace: &mut Workspace,
    sizes: &BufferSizes,
    buffers: Buffers<'_, '_, P>,
) -> Result<usize, RunError> {
    let parts = workspace.0.len();
    let Some((first, others)) = workspace.0.split_first_mut() else {
        return Err(RunError::Length { place: Place::Scratch, index: 0, bytes: 0, expected: 1 });
    };
    *first.begun.get_mut() = 0;
    let first = first.part.get_mut();
    table(&mut first.bases, sizes, buffers)?;
    let local = sizes.base_index(Base::Local);
    for place in others {
        *place.begun.get_mut() = 0;
        let part = place.part.get_mut();
        part.bases.clear();
        part.bases.extend_from_slice(&first.bases);
        part.bases[local] = local_start(&mut part.local, sizes)?;
    }
    first.bases[local] = local_start(&mut first.local, sizes)?;
    Ok(parts)
}

fn local_start(local: &mut AlignedBytes, sizes: &BufferSizes) -> Result<*mut u8, RunError> {
    at_least(local.len(), sizes.local)?;
    Ok(local.as_mut_slice().as_mut_ptr())
}

/// The table of base pointers, local memory left out.
fn table<P: Param>(
    table: &mut Vec<*mut u8>,
    sizes: &BufferSizes,
    buffers: Buffers<'_, '_, P>,
) -> Result<(), RunError> {
    let Buffers { consts, packed, params, sample } = buffers;
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
            at_least(arena.len(), sizes.arena)?;
            table.extend([arena.as_mut_slice().as_mut_ptr(), std::ptr::null_mut()]);
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
            let absent = 2 + sizes.inputs.len() + sizes.outputs.len();
            table.extend(std::iter::repeat_n(std::ptr::null_mut(), absent));
        }
    }
    count(Place::Param, params.len(), sizes.params.len())?;
    for (index, (param, &expected)) in params.iter().zip(&sizes.params).enumerate() {
        let raw = param.raw();
        check(Place::Param, index, raw.size(), expected)?;
        table.push(raw.start().cast_mut());
    }
    Ok(())
}

/// Calls a kernel. Private: [`execute`] has checked what it needs.
fn call(_mapped: &CodeMap, entry: Entry, args: &[u64]) {
    type Kernel = unsafe extern "C" fn(args: *const u64);
    // SAFETY: the entry is a kernel's first instruction, in memory that `_mapped` keeps mapped, and
    // kernels have this signature.
    let kernel = unsafe { std::mem::transmute::<*const u8, Kernel>(entry.address()) };
    // SAFETY: as many arguments as the kernel has follow, and `execute` has put a pointer to a buffer of the
    // assembled size for every base that they are derived from: no access leaves those. What the kernel writes is
    // borrowed alone, but for other units of the step, which are taken once each and write elsewhere; what it shares is borrowed for as long as it runs.
    unsafe { kernel(args.as_ptr()) }
}

fn count(place: Place, given: usize, expected: usize) -> Result<(), RunError> {
    if given == expected { Ok(()) } else { Err(RunError::Count { place, given, expected }) }
}

fn check(place: Place, index: usize, bytes: usize, expected: u64) -> Result<(), RunError> {
    let bytes = bytes as u64;
    if bytes == expected { Ok(()) } else { Err(RunError::Length { place, index, bytes, expected }) }
}

fn at_least(bytes: usize, expected: u64) -> Result<(), RunError> {
    let bytes = bytes as u64;
    if bytes >= expected {
        Ok(())
    } else {
        Err(RunError::Length { place: Place::Scratch, index: 0, bytes, expected })
    }
}
