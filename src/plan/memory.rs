//! Where in the arena and in the packed weights each storage lies.

use super::build::PlanError;
use super::values::{RUN, Storage, Values};
use super::{Plan, verify};
use crate::kernels::step::Base;
use crate::target::Target;

/// Storages start on cache lines.
const ALIGN: u64 = 64;

/// Gives every storage its offset. In the arena, and among what preparing leaves and needs, storages
/// share memory where their lifetimes allow.
pub(super) fn place(mut values: Values<'_>, target: &Target) -> Result<Plan, PlanError> {
    let (strips, local_bytes) = super::strips::fuse(&mut values, target);
    super::in_place::share(&mut values, &strips);
    let storages = &values.storages;
    let mut offsets = vec![0u64; storages.len()];
    // What a run reads stays for good: other runs will read it too.
    let kept =
        |s: &Storage| s.lifetime.map(|(first, last)| (first, if last >= RUN { usize::MAX } else { last }));
    let packed_bytes = pack(storages, Base::Packed, kept, &mut offsets);
    let arena_bytes = pack(storages, Base::Arena, |s| s.lifetime, &mut offsets);
    let mut buffers = values.buffers;
    for (buffer, (storage, at)) in buffers.iter_mut().zip(&values.places) {
        // Where a strip's buffers lie was found with the strips.
        if buffer.base != Base::Local {
            buffer.offset = offsets[*storage] + at;
        }
    }
    let plan = Plan {
        graph: values.graph.clone(),
        target: *target,
        buffers,
        prepare: values.prepare,
        run: values.run,
        strips,
        consts: values.consts,
        packed_bytes,
        arena_bytes,
        local_bytes,
    };
    debug_assert_eq!(verify(&plan), Vec::<String>::new());
    Ok(plan)
}

/// Places the storages of one base, the largest first, each at the lowest place that is free while it
/// lives. Gives the bytes that they take together.
fn pack(
    storages: &[Storage],
    base: Base,
    lifetime: impl Fn(&Storage) -> Option<(usize, usize)>,
    offsets: &mut [u64],
) -> u64 {
    let mut order: Vec<usize> = (0..storages.len()).filter(|&i| storages[i].base == base).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(storages[i].bytes), i));
    let mut placed: Vec<usize> = Vec::new();
    let mut total = 0;
    for &i in &order {
        // What no task touches needs no room.
        let Some((from, to)) = lifetime(&storages[i]) else { continue };
        let mut taken: Vec<(u64, u64)> = placed
            .iter()
            .filter(|&&j| lifetime(&storages[j]).is_some_and(|(start, end)| from <= end && start <= to))
            .map(|&j| (offsets[j], offsets[j] + storages[j].bytes.next_multiple_of(ALIGN)))
            .collect();
        taken.sort_unstable();
        let size = storages[i].bytes.next_multiple_of(ALIGN);
        let mut at = 0;
        for (start, end) in taken {
            if start >= at + size {
                break;
            }
            at = at.max(end);
        }
        offsets[i] = at;
        total = total.max(at + size);
        placed.push(i);
    }
    total
}
