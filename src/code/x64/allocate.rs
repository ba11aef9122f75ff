//! Linear scan: a register or a stack slot for every live range.

use super::flat::Class;
use super::live::Range;

/// Where a range's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// A register, by the machine's number.
    Register(u8),
    /// A stack slot of its class.
    Slot(u32),
}

/// What became of the ranges of one class.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    /// Bit r: register r is used.
    pub used: u16,
    /// Stack slots.
    pub slots: u32,
}

/// A range of more than one class's worth of registers was live at once and none may be in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoRegister;

/// Assigns homes to the ranges of a class, from `registers`, preferring the first.
///
/// Where registers run out, the range that costs least for the time it lasts goes to memory.
pub(super) fn assign(
    ranges: &[Range],
    class: Class,
    registers: &[u8],
    homes: &mut [Home],
) -> Result<Outcome, NoRegister> {
    let order = by_start(ranges, |range| range.class == class);
    let mut outcome = Outcome::default();
    // Ranges that hold a register, and which of `registers` it is.
    let mut active: Vec<(usize, usize)> = Vec::with_capacity(registers.len());
    let mut free = (1_u32 << registers.len()) - 1;
    let mut spilled = Vec::new();
    for &number in &order {
        let range = &ranges[number];
        active.retain(|&(other, register)| {
            let keep = ranges[other].end >= range.start;
            free |= u32::from(!keep) << register;
            keep
        });
        let register = if free != 0 {
            // A copy whose source ends here takes over its register.
            let source = match homes.get(range.copy_of as usize) {
                Some(Home::Register(r)) => registers.iter().position(|x| x == r),
                _ => None,
            };
            source.filter(|r| free >> r & 1 == 1).unwrap_or(free.trailing_zeros() as usize)
        } else {
            let Some(victim) = cheapest(ranges, &active, number) else { return Err(NoRegister) };
            spilled.push(victim);
            if victim == number {
                continue;
            }
            let Some(at) = active.iter().position(|&(other, _)| other == victim) else {
                return Err(NoRegister);
            };
            active.swap_remove(at).1
        };
        free &= !(1 << register);
        active.push((number, register));
        homes[number] = Home::Register(registers[register]);
    }
    for number in spilled.iter().copied() {
        homes[number] = Home::Slot(0);
    }
    for &number in &order {
        if let Home::Register(register) = homes[number] {
            outcome.used |= 1 << register;
        }
    }
    outcome.slots = assign_slots(ranges, &spilled, homes);
    Ok(outcome)
}

/// How many ranges of a class live at once at the most.
pub(super) fn pressure(ranges: &[Range], class: Class) -> u32 {
    let of_class = || ranges.iter().filter(|range| range.class == class);
    let mut starts: Vec<u32> = of_class().map(|range| range.start).collect();
    let mut ends: Vec<u32> = of_class().map(|range| range.end).collect();
    starts.sort_unstable();
    ends.sort_unstable();
    let (mut ended, mut most) = (0, 0);
    for (begun, &start) in starts.iter().enumerate() {
        while ends.get(ended).is_some_and(|&end| end < start) {
            ended += 1;
        }
        most = most.max(begun + 1 - ended);
    }
    most as u32
}

fn by_start(ranges: &[Range], mut choose: impl FnMut(&Range) -> bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ranges.len()).filter(|&number| choose(&ranges[number])).collect();
    order.sort_unstable_by_key(|&number| (ranges[number].start, number));
    order
}

/// Of `number` and the active ranges, the one that loses least in memory per time it occupies a register.
fn cheapest(ranges: &[Range], active: &[(usize, usize)], number: usize) -> Option<usize> {
    let candidates = active.iter().map(|&(other, _)| other).chain([number]);
    candidates.filter(|&n| !ranges[n].pinned).min_by(|&a, &b| {
        let length = |n: usize| u128::from(ranges[n].end - ranges[n].start + 1);
        let cost = |n: usize, m: usize| u128::from(ranges[n].weight) * length(m);
        cost(a, b).cmp(&cost(b, a)).then(a.cmp(&b))
    })
}

/// Slots for the spilled ranges; ranges that do not overlap may share one.
fn assign_slots(ranges: &[Range], spilled: &[usize], homes: &mut [Home]) -> u32 {
    let mut order = spilled.to_vec();
    order.sort_unstable_by_key(|&number| (ranges[number].start, number));
    // The end of the last range in each slot.
    let mut ends: Vec<u32> = Vec::new();
    for number in order {
        let range = &ranges[number];
        let slot = ends.iter().position(|&end| end < range.start).unwrap_or(ends.len());
        match ends.get_mut(slot) {
            Some(end) => *end = range.end,
            None => ends.push(range.end),
        }
        homes[number] = Home::Slot(slot as u32);
    }
    ends.len() as u32
}
