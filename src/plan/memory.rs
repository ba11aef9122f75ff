//! Where in the arena and in the packed weights each storage lies.

use super::build::PlanError;
use super::values::{Storage, Values};
use super::{Plan, verify};
use crate::kernels::step::Base;
use crate::target::Target;

/// Storages start on cache lines.
const ALIGN: u64 = 64;

/// Gives every storage its offset: packed weights one after the other, the arena by lifetimes,
/// the largest first, each at the lowest place that is free while it lives.
pub(super) fn place(values: Values<'_>, target: &Target) -> Result<Plan, PlanError> {
    let storages = &values.storages;
    let mut offsets = vec![0u64; storages.len()];
    let mut packed_bytes = 0;
    for (storage, offset) in storages.iter().zip(&mut offsets) {
        if storage.base == Base::Packed {
            *offset = packed_bytes;
            packed_bytes += storage.bytes.next_multiple_of(ALIGN);
        }
    }
    let mut order: Vec<usize> = (0..storages.len()).filter(|&i| storages[i].base == Base::Arena).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(storages[i].bytes), i));
    let mut placed: Vec<usize> = Vec::new();
    let mut arena_bytes = 0;
    for &i in &order {
        let mut taken: Vec<(u64, u64)> = placed
            .iter()
            .filter(|&&j| overlap(&storages[i], &storages[j]))
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
        arena_bytes = arena_bytes.max(at + size);
        placed.push(i);
    }
    let mut buffers = values.buffers;
    for (buffer, (storage, at)) in buffers.iter_mut().zip(&values.places) {
        buffer.offset = offsets[*storage] + at;
    }
    let plan = Plan {
        graph: values.graph.clone(),
        target: *target,
        buffers,
        prepare: values.prepare,
        run: values.run,
        consts: values.consts,
        packed_bytes,
        arena_bytes,
    };
    debug_assert_eq!(verify(&plan), Vec::<String>::new());
    Ok(plan)
}

fn overlap(a: &Storage, b: &Storage) -> bool {
    match (a.lifetime, b.lifetime) {
        (Some((from, to)), Some((start, end))) => from <= end && start <= to,
        // Never touched by a run task: it needs no room of its own, but costs none either.
        _ => false,
    }
}
