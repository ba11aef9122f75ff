//! Linear scan: a register or a stack slot for every live range.
//!
//! Where registers run out, a value goes to memory: from here on, if no loop carries it around (its
//! range is split), else for its whole range. Items that use values in memory then need registers to
//! load them to; they are added, and the scan is repeated until nothing more goes to memory.
//!
//! Vectors and wide vectors share one file of registers, of which either class may have its own part. Wide
//! ones never go to memory.

use super::flat::{Class, Flat, NO_RANGE, Op};
use super::live::{Kind, Range};
use crate::kernels::ir::{Inst, Spills};

/// Where a range's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Home {
    /// A register, by the machine's number.
    Register(u8),
    /// A stack slot of its class.
    Slot(u32),
}

/// A value that goes from its register to memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Save {
    /// Before this item.
    pub item: u32,
    /// The range that is in the register.
    pub from: u32,
    /// The range that is in memory.
    pub to: u32,
}

/// Registers that classes share, for each class in the order of preference. Only values of the first class go
/// to memory.
pub(super) type File<'a> = &'a [(Class, &'a [u8])];

/// What became of the ranges of a file.
#[derive(Default)]
pub(super) struct Outcome {
    /// Bit r: register r is used.
    pub used: u32,
    /// Stack slots.
    pub slots: u32,
    /// In the order of items.
    pub saves: Vec<Save>,
    /// For each item, ranges of registers that values in memory are loaded to; [`NO_RANGE`] for none.
    /// Empty where nothing is in memory.
    pub scratch: Vec<[u32; 2]>,
}

/// Registers ran out where no value may go to memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoRegister;

/// Assigns homes to the ranges of the classes of a file.
///
/// With [`Spills::Refused`], no value that a contraction's loop uses goes to memory.
pub(super) fn assign(
    flat: &mut Flat<'_>,
    ranges: &mut Vec<Range>,
    file: File<'_>,
    spills: Spills,
    homes: &mut Vec<Home>,
) -> Result<Outcome, NoRegister> {
    let class = file.first().ok_or(NoRegister)?.0;
    let mut allocator = Allocator {
        touching: Vec::new(),
        flat,
        ranges,
        file,
        class,
        spills,
        saves: Vec::new(),
        scratch: Vec::new(),
    };
    loop {
        homes.resize(allocator.ranges.len(), Home::Slot(0));
        if !allocator.scan(homes)? {
            break;
        }
        allocator.add_scratch();
    }
    let Allocator { ranges, mut saves, scratch, .. } = allocator;
    saves.sort_unstable_by_key(|save| (save.item, save.from));
    let of_class = |range: &Range| file.iter().any(|&(class, _)| range.class == class);
    let mut used = 0;
    for (range, home) in ranges.iter().zip(&*homes) {
        if let (true, Kind::Value | Kind::Temp, Home::Register(register)) =
            (of_class(range), range.kind, home)
        {
            used |= 1 << register;
        }
    }
    Ok(Outcome { used, slots: assign_slots(ranges, class, homes), saves, scratch })
}

/// How many ranges of a file live at once at the most.
pub(super) fn pressure(ranges: &[Range], file: File<'_>) -> u32 {
    let in_file = |range: &&Range| file.iter().any(|&(class, _)| range.class == class);
    let of_class = || ranges.iter().filter(in_file).filter(|range| range.kind != Kind::Gone);
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

struct Allocator<'a, 'k> {
    flat: &'a mut Flat<'k>,
    ranges: &'a mut Vec<Range>,
    file: File<'a>,
    /// The one whose values may go to memory.
    class: Class,
    spills: Spills,
    saves: Vec<Save>,
    scratch: Vec<[u32; 2]>,
    /// For each range the items that access it, once for each access; none before something goes to memory.
    touching: Vec<Vec<u32>>,
}

/// The items that access each of `ranges` ranges.
fn touching(flat: &Flat<'_>, ranges: usize) -> Vec<Vec<u32>> {
    let mut touching = vec![Vec::new(); ranges];
    for (number, item) in (0..).zip(&flat.items) {
        for access in flat.accesses(item) {
            if let Some(items) = touching.get_mut(access.range as usize) {
                items.push(number);
            }
        }
    }
    touching
}

/// A way to free a register: what it loses, by how long it frees it.
#[derive(Clone, Copy)]
struct Spill {
    range: usize,
    /// In memory before this item already; the whole range if it starts there.
    item: u32,
    cost: u64,
    length: u64,
}

impl Allocator<'_, '_> {
    /// One pass over the ranges in the order of their starts; whether a value went to memory.
    fn scan(&mut self, homes: &mut [Home]) -> Result<bool, NoRegister> {
        let file = self.file;
        let registers_of =
            |class: Class| file.iter().find(|(other, _)| *other == class).map(|&(_, registers)| registers);
        let in_registers = |range: &Range| {
            registers_of(range.class).is_some() && matches!(range.kind, Kind::Value | Kind::Temp)
        };
        let mut order: Vec<usize> =
            (0..self.ranges.len()).filter(|&number| in_registers(&self.ranges[number])).collect();
        order.sort_unstable_by_key(|&number| (self.ranges[number].start, number));
        // Ranges that hold a register, and which.
        let mut active: Vec<(usize, u8)> = Vec::new();
        let mut free = u32::MAX;
        let mut changed = false;
        for number in order {
            let range = self.ranges[number];
            if range.kind == Kind::Gone {
                continue;
            }
            active.retain(|&(other, register)| {
                let keep = self.ranges[other].end >= range.start;
                free |= u32::from(!keep) << register;
                keep
            });
            let registers = registers_of(range.class).unwrap_or(&[]);
            let is_free = |register: &u8| free >> register & 1 == 1;
            let register = if let Some(&first) = registers.iter().find(|register| is_free(register)) {
                // A copy whose source ends here takes over its register.
                match homes.get(range.copy_of as usize) {
                    Some(Home::Register(source)) if registers.contains(source) && is_free(source) => *source,
                    _ => first,
                }
            } else {
                if self.touching.is_empty() {
                    self.touching = touching(self.flat, self.ranges.len());
                }
                let fits = active.iter().filter(|(_, register)| registers.contains(register));
                let candidates = fits.map(|&(other, _)| other).chain([number]);
                let ways = candidates.filter_map(|candidate| self.way(candidate, range.start));
                let compare = |a: &Spill, b: &Spill| {
                    let cost = |a: &Spill, b: &Spill| u128::from(a.cost) * u128::from(b.length);
                    cost(a, b).cmp(&cost(b, a)).then(a.range.cmp(&b.range))
                };
                let spill = ways.min_by(compare).ok_or(NoRegister)?;
                self.spill(spill);
                changed = true;
                if spill.range == number {
                    continue;
                }
                let at = active.iter().position(|&(other, _)| other == spill.range).ok_or(NoRegister)?;
                active.swap_remove(at).1
            };
            free &= !(1 << register);
            active.push((number, register));
            homes[number] = Home::Register(register);
        }
        Ok(changed)
    }

    /// How a range that holds, or wants, a register at `time` could go to memory.
    fn way(&self, number: usize, time: u32) -> Option<Spill> {
        let range = &self.ranges[number];
        if range.kind != Kind::Value || range.class != self.class {
            return None;
        }
        let now = time / 2;
        // A loop around that carries the value would expect it in the register again.
        let carried = |shape: &super::flat::LoopShape| range.start <= 2 * shape.start + 1;
        let splits =
            range.start < 2 * now && !self.flat.loops_around(&self.flat.items[now as usize]).any(carried);
        let item = if splits { now } else { range.start / 2 };
        let mut cost = 0_u64;
        let touched = item..=range.end / 2;
        let accessed = self.touching.get(number).into_iter().flatten().filter(|item| touched.contains(item));
        for &item in accessed {
            let item = &self.flat.items[item as usize];
            if self.spills == Spills::Refused && self.flat.loops_around(item).any(|shape| shape.contracts) {
                return None;
            }
            let depth = self.flat.loops_around(item).next().map_or(0, |shape| shape.depth + 1);
            cost = cost.saturating_add(1 << (3 * depth.min(12)));
        }
        let from = if splits { 2 * now } else { range.start };
        Some(Spill { range: number, item, cost, length: u64::from(range.end - from) + 1 })
    }

    fn spill(&mut self, spill: Spill) {
        let (number, item) = (spill.range as u32, spill.item);
        let range = self.ranges[spill.range];
        let moved = item..=range.end / 2;
        // A range that was split before goes to memory earlier than thought.
        let earlier = self.saves.iter().position(|save| save.from == number);
        let whole = range.start >= 2 * item;
        let to = match earlier {
            Some(save) => self.saves[save].to,
            None if whole => {
                self.ranges[spill.range].kind = Kind::Memory;
                return;
            }
            None => {
                self.ranges.push(Range { kind: Kind::Memory, start: 2 * item, copy_of: NO_RANGE, ..range });
                let to = self.ranges.len() as u32 - 1;
                self.saves.push(Save { item, from: number, to });
                to
            }
        };
        self.touching.resize(self.ranges.len(), Vec::new());
        let (moved, kept): (Vec<u32>, Vec<u32>) =
            self.touching[spill.range].iter().partition(|item| moved.contains(item));
        for &item in &moved {
            let item = self.flat.items[item as usize];
            for access in &mut self.flat.accesses[item.first as usize..item.end as usize] {
                if access.range == number {
                    access.range = to;
                }
            }
        }
        self.touching[spill.range] = kept;
        self.touching[to as usize].extend(moved);
        if whole {
            self.ranges[to as usize].start = range.start;
            self.ranges[spill.range].kind = Kind::Gone;
            self.saves.retain(|save| save.from != number);
        } else {
            self.ranges[to as usize].start = 2 * item;
            self.ranges[spill.range].end = 2 * item - 1;
            if let Some(save) = earlier {
                self.saves[save].item = item;
            }
        }
    }

    /// Gives each item that uses values in memory the registers to load them to.
    fn add_scratch(&mut self) {
        self.scratch.resize(self.flat.items.len(), [NO_RANGE; 2]);
        for (p, (item, scratch)) in (0..).zip(self.flat.items.iter().zip(&mut self.scratch)) {
            let in_memory = |range: u32| {
                let range = self.ranges.get(range as usize);
                range.is_some_and(|range| range.class == self.class && range.kind == Kind::Memory)
            };
            let wanted = match self.flat.accesses(item).iter().filter(|a| in_memory(a.range)).count() {
                0 => 0,
                _ if self.class == Class::General => 1,
                _ if matches!(item.op, Op::Inst(Inst::Transpose { .. })) => 2,
                count => count.min(2),
            };
            for range in scratch.iter_mut().take(wanted).filter(|range| **range == NO_RANGE) {
                *range = self.ranges.len() as u32;
                self.ranges.push(Range {
                    class: self.class,
                    start: 2 * p,
                    end: 2 * p + 1,
                    kind: Kind::Temp,
                    copy_of: NO_RANGE,
                });
            }
        }
    }
}

/// Slots for the ranges in memory; ranges that do not overlap may share one.
fn assign_slots(ranges: &[Range], class: Class, homes: &mut [Home]) -> u32 {
    let in_memory = |range: &Range| range.class == class && range.kind == Kind::Memory;
    let mut order: Vec<usize> = (0..ranges.len()).filter(|&number| in_memory(&ranges[number])).collect();
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
