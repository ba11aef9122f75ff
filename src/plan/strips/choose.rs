//! Which tasks are run strip by strip, by what it saves and costs.

use std::ops::Range;

use super::rows::reads;
use super::{Along, StripRows, Strips};
use crate::kernels::ir::VECTOR_BYTES;
use crate::kernels::step::Base;
use crate::plan::values::{RUN, Storage, Values};
use crate::plan::{Buffer, BufferId, Kept, Task, TaskKind};
use crate::target::Target;

/// Tasks of a group at most, fills of halos counted.
const LONGEST: usize = 16;
/// Rows of a strip that are tried.
const HEIGHTS: [u64; 7] = [256, 128, 64, 32, 16, 8, 4];
/// Strips of a band that are tried.
const BANDS: [u64; 7] = [1, 2, 4, 8, 16, 32, 64];
/// Bands at least, so that threads have enough to share.
const FEWEST: u64 = 8;
/// Bytes a cycle between the first level and the second.
const NEAR_RATE: f64 = 24.0;
/// Bytes a cycle from beyond the second-level cache, and from memory beyond [`LAST_LEVEL`] of it.
const FAR_RATE: f64 = 12.0;
/// See [`FAR_RATE`].
const MEMORY_RATE: f64 = 4.0;
/// How many times the second-level cache a value may be to be found in a cache when it is read again.
const LAST_LEVEL: u64 = 8;
/// Vector operations a cycle.
const RATE: f64 = 1.6;
/// Cycles that a strip costs by itself: calls with short rows, and edges.
const PER_STRIP: f64 = 500.0;
/// As [`PER_STRIP`], of a plane: no row is short.
const PER_PLANE: f64 = 200.0;
/// What has to be saved, as a part of what the tasks take.
const WORTH: f64 = 0.05;

/// A group that could be fused.
struct Candidate {
    strips: Strips,
    /// Buffers that become local, and what of each is kept.
    inner: Vec<(BufferId, Kept)>,
    /// Cycles saved beyond the second-level cache.
    gain: f64,
    /// Cycles that what is handed on takes between the first level and the second, where arithmetic may hide them: of
    /// cuts that are worth it the one with less is better.
    near: f64,
}

/// Chooses groups among the run tasks and moves what they hand on to local memory: gives the groups and the
/// bytes of local memory.
pub(in crate::plan) fn fuse(values: &mut Values<'_>, target: &Target) -> (Vec<Strips>, u64) {
    let chosen = best(values, target);
    let mut local_bytes = 0;
    let mut all = Vec::new();
    for candidate in chosen {
        let mut at = 0;
        for (id, kept) in candidate.inner {
            let buffer = &mut values.buffers[id.0 as usize];
            buffer.base = Base::Local;
            buffer.kept = Some(kept);
            buffer.offset = at;
            at += buffer.bytes().next_multiple_of(64);
            let storage = &mut values.storages[values.places[id.0 as usize].0];
            *storage = Storage { base: Base::Local, bytes: buffer.bytes(), lifetime: storage.lifetime };
        }
        local_bytes = local_bytes.max(at);
        // All tasks of a group run at the same time, as far as memory goes.
        let Range { start, end } = candidate.strips.tasks;
        for number in start..end {
            let task = &values.run[number];
            for id in task.kind.reads().into_iter().chain([task.out]) {
                let storage = &mut values.storages[values.places[id.0 as usize].0];
                if let Some((first, last)) = &mut storage.lifetime {
                    *first = (*first).min(RUN + start);
                    *last = (*last).max(RUN + end - 1);
                }
            }
        }
        for task in &mut values.run[start..end] {
            if let TaskKind::Copy(copy) = &mut task.kind {
                copy.x_strides = values.buffers[copy.x.0 as usize].view().strides.to_vec();
                copy.out_strides = values.buffers[task.out.0 as usize].view().strides.to_vec();
            }
        }
        all.push(candidate.strips);
    }
    (all, local_bytes)
}

/// The groups that save most together, in order: none overlaps another.
fn best(values: &Values<'_>, target: &Target) -> Vec<Candidate> {
    let tasks = &values.run;
    let uses = Uses::of(values);
    // For each number of tasks: what is saved among them, and the last group.
    let mut saved: Vec<(f64, Option<Candidate>)> = vec![(0.0, None)];
    for end in 1..=tasks.len() {
        let mut best = (saved[end - 1].0, None);
        for along in [Along::Rows, Along::Planes] {
            for start in (end.saturating_sub(LONGEST)..end.saturating_sub(1)).rev() {
                if reads(&tasks[start], along, &values.buffers).is_none() {
                    break;
                }
                let Some(candidate) = candidate(values, &uses, start..end, along, target) else { continue };
                let sum = saved[start].0 + candidate.gain;
                if sum > best.0 {
                    best = (sum, Some(candidate));
                }
            }
        }
        saved.push(best);
    }
    let mut chosen = Vec::new();
    let mut end = tasks.len();
    while end > 0 {
        match saved[end].1.take() {
            Some(candidate) => {
                end = candidate.strips.tasks.start;
                chosen.push(candidate);
            }
            None => end -= 1,
        }
    }
    chosen.reverse();
    chosen
}

/// Tasks as a group, where they can be one and it pays.
fn candidate(
    values: &Values<'_>,
    uses: &Uses,
    tasks: Range<usize>,
    along: Along,
    target: &Target,
) -> Option<Candidate> {
    let group = &values.run[tasks.clone()];
    let last = group.last()?;
    let out = values.buffers.get(last.out.0 as usize)?;
    if matches!(last.kind, TaskKind::FillHalo(_)) || along.extent(out) < 2 * FEWEST {
        return None;
    }
    let inner = inner(values, uses, tasks.clone(), along, last.out)?;
    let l2 = u64::from(target.l2_bytes);
    // Where everything that is handed on fits the cache anyway, nothing is gained.
    let largest = inner.iter().map(|id| values.buffers[id.0 as usize].bytes()).max()?;
    if largest <= l2 / 4 {
        return None;
    }
    let group = Group {
        values,
        tasks,
        along,
        out: last.out,
        whole: group.iter().map(|task| cycles(task, &values.buffers)).sum(),
        traffic: inner.iter().map(|id| passing(values.buffers[id.0 as usize].bytes(), l2)).sum(),
        inner,
    };
    let (sizes, bands): (&[u64], &[u64]) = match along {
        Along::Rows => (&HEIGHTS, &BANDS),
        Along::Planes => (&[1], &[1]),
    };
    let cuts = sizes.iter().filter_map(|&size| group.strip(size));
    let candidates =
        cuts.flat_map(|strip| bands.iter().filter_map(move |&band| strip.candidate(band, target)));
    candidates.max_by(|a, b| (a.gain - a.near).total_cmp(&(b.gain - b.near)))
}

/// Tasks that could run strip by strip.
struct Group<'a> {
    values: &'a Values<'a>,
    tasks: Range<usize>,
    along: Along,
    out: BufferId,
    /// What is handed on.
    inner: Vec<BufferId>,
    /// Cycles of its tasks.
    whole: f64,
    /// Cycles that what is handed on takes on its way to a cache beyond the second level and back.
    traffic: f64,
}

impl Group<'_> {
    /// Cut into strips of a size.
    fn strip(&self, size: u64) -> Option<Cut<'_>> {
        let count = self.along.extent(&self.values.buffers[self.out.0 as usize]).div_ceil(size);
        if count < FEWEST {
            return None;
        }
        let strips = Strips {
            tasks: self.tasks.clone(),
            out: self.out,
            along: self.along,
            size,
            count,
            band: 1,
            reason: String::new(),
        };
        let rows = |number: u64, before: Option<&StripRows>| {
            StripRows::of(&strips, number, before, &self.values.run, &self.values.buffers)
        };
        let first = rows(count / 2, None)?;
        let second = rows(count / 2 + 1, Some(&first))?;
        let mut edges = Vec::new();
        let inside = |strip: &StripRows| strip.is_within(self.along, &self.values.buffers);
        for numbers in [&mut (0..count) as &mut dyn Iterator<Item = u64>, &mut (0..count).rev()] {
            for number in numbers {
                let strip = rows(number, None)?;
                if inside(&strip) {
                    break;
                }
                edges.push(strip);
            }
        }
        let can_run = |strip: &StripRows| strip.can_run(&strips, &self.values.run, &self.values.buffers);
        let all = edges.iter().all(can_run);
        all.then_some(Cut { group: self, strips, first, second, edges })
    }
}

/// A group in strips of a size.
struct Cut<'a> {
    group: &'a Group<'a>,
    strips: Strips,
    /// The first strip of a band in the middle, and one that goes on.
    first: StripRows,
    second: StripRows,
    /// Those at the edges: bands of their own.
    edges: Vec<StripRows>,
}

impl Cut<'_> {
    /// With so many strips in a band; none where that does not fit or does not pay.
    fn candidate(&self, band: u64, target: &Target) -> Option<Candidate> {
        let Group { along, inner, whole, traffic, .. } = self.group;
        let Strips { size, count, .. } = self.strips;
        if count / band < FEWEST {
            return None;
        }
        let kept: Vec<(BufferId, Kept)> = inner
            .iter()
            .map(|&id| {
                let count = self.kept(id, band)?;
                Some((id, if *along == Along::Rows { Kept::Rows(count) } else { Kept::Planes(count) }))
            })
            .collect::<Option<_>>()?;
        let local: u64 = kept
            .iter()
            .map(|&(id, kept)| Buffer { kept: Some(kept), ..self.buffer(id).clone() }.bytes())
            .sum();
        if local > u64::from(target.l2_bytes) / 2 {
            return None;
        }
        let again = self.again(band);
        let (per_strip, words) = match along {
            Along::Rows => (PER_STRIP, "rows"),
            Along::Planes => (PER_PLANE, "plane"),
        };
        let gain = traffic - again - per_strip * count as f64;
        if gain < WORTH * (whole + traffic) {
            return None;
        }
        let bands = if band > 1 { format!(" in bands of {band}") } else { String::new() };
        let reason = format!(
            "strips of {size} {words}{bands} stay in {} KB, save {:.1} MB of traffic and compute {:.1} % twice",
            local.div_ceil(1024),
            self.handed_on() as f64 * 2e-6,
            100.0 * again / whole.max(1.0)
        );
        let near = self.near(target);
        let strips = Strips { band, reason, ..self.strips.clone() };
        Some(Candidate { strips, inner: kept, gain, near })
    }

    fn buffer(&self, id: BufferId) -> &Buffer {
        &self.group.values.buffers[id.0 as usize]
    }

    /// Bytes of all that is handed on.
    fn handed_on(&self) -> u64 {
        self.group.inner.iter().map(|&id| self.buffer(id).bytes()).sum()
    }

    /// Cycles of what is made more than once.
    fn again(&self, band: u64) -> f64 {
        let Group { values, along, .. } = self.group;
        let again = |task: &Task| {
            let height = along.extent(self.buffer(task.out)) as f64;
            let times = (self.made(task.out, band) * self.strips.count as f64 / height).max(1.0);
            cycles(task, &values.buffers) * (times - 1.0)
        };
        values.run[self.strips.tasks.clone()].iter().map(again).sum()
    }

    /// Cycles between the first level of cache and the second: none where the first holds what a strip has in use.
    fn near(&self, target: &Target) -> f64 {
        let in_use = |id: BufferId| {
            let rows = self.second.needed(id).map_or(0, |rows| rows.end - rows.start) as u64;
            rows * self.buffer(id).bytes() / self.group.along.extent(self.buffer(id)).max(1)
        };
        match self.group.inner.iter().map(|&id| in_use(id)).sum::<u64>() > u64::from(target.l1_bytes) {
            true => 2.0 * self.handed_on() as f64 / NEAR_RATE,
            false => 0.0,
        }
    }

    /// Rows or planes of a local buffer in a band: of all its strips where these go on in it, else of one.
    fn kept(&self, id: BufferId, band: u64) -> Option<u64> {
        let (first, second) = (self.first.needed(id)?, self.second.needed(id)?);
        let goes_on = self.second.origin(id) == Some(first.start);
        let more = if goes_on { (second.end - first.end) * (band as i64 - 1) } else { 0 };
        let edges = self.edges.iter().filter_map(|strip| strip.needed(id));
        let single = edges.chain([second]).map(|rows| rows.end - rows.start).max()?;
        Some((first.end - first.start + more).max(single) as u64)
    }

    /// Rows or planes of a task's result that a strip makes, on average over a band.
    fn made(&self, id: BufferId, band: u64) -> f64 {
        let of = |strip: &StripRows| strip.fresh(id).map_or(0, |rows| rows.end - rows.start) as f64;
        (of(&self.first) + of(&self.second) * (band - 1) as f64) / band as f64
    }
}

/// The buffers that a group hands on, each made by one task and read in the group alone; none where it is
/// no group.
fn inner(
    values: &Values<'_>,
    uses: &Uses,
    tasks: Range<usize>,
    along: Along,
    out: BufferId,
) -> Option<Vec<BufferId>> {
    let mut inner: Vec<BufferId> = Vec::new();
    for task in &values.run[tasks.clone()] {
        reads(task, along, &values.buffers)?;
        if matches!(task.kind, TaskKind::FillHalo(_)) {
            // The halo of what the group has just made.
            inner.contains(&task.out).then_some(())?;
            continue;
        }
        if inner.contains(&task.out) {
            return None;
        }
        if task.out != out {
            inner.push(task.out);
        }
    }
    let local = |id: &BufferId| {
        let at = id.0 as usize;
        let within = uses.span[at].is_some_and(|(first, last)| tasks.start <= first && last < tasks.end);
        values.buffers[at].base == Base::Arena && uses.alone[at] && within
    };
    (!inner.is_empty() && inner.iter().all(local)).then_some(inner)
}

/// Who touches each buffer.
struct Uses {
    /// The first and the last run task.
    span: Vec<Option<(usize, usize)>>,
    /// Whether no other buffer lies in its memory.
    alone: Vec<bool>,
}

impl Uses {
    fn of(values: &Values<'_>) -> Uses {
        let mut span: Vec<Option<(usize, usize)>> = vec![None; values.buffers.len()];
        for (number, task) in values.run.iter().enumerate() {
            for id in task.kind.reads().into_iter().chain([task.out]) {
                let (first, _) = span[id.0 as usize].unwrap_or((number, number));
                span[id.0 as usize] = Some((first, number));
            }
        }
        let mut buffers_of = vec![0; values.storages.len()];
        for (storage, _) in &values.places {
            buffers_of[*storage] += 1;
        }
        let alone = values.places.iter().map(|(storage, _)| buffers_of[*storage] == 1).collect();
        Uses { span, alone }
    }
}

/// Cycles to write a value and read it again.
fn passing(bytes: u64, l2: u64) -> f64 {
    let rate = if bytes > LAST_LEVEL * l2 { MEMORY_RATE } else { FAR_RATE };
    if bytes <= l2 / 4 { 0.0 } else { 2.0 * bytes as f64 / rate }
}

/// About how long a task takes while its data is in a cache.
fn cycles(task: &Task, buffers: &[Buffer]) -> f64 {
    let Some(out) = buffers.get(task.out.0 as usize) else { return 0.0 };
    let vectors = out.bytes() as f64 / VECTOR_BYTES as f64;
    let channels = |id: &BufferId, groups: u64| buffers[id.0 as usize].dims[1] as f64 / groups as f64;
    let operations = match &task.kind {
        TaskKind::Contract(t) => t.taps.len() as f64 * channels(&t.x, t.groups),
        TaskKind::PlanarConv(t) => t.taps.len() as f64 * channels(&t.x, t.groups),
        TaskKind::Depthwise(t) => t.taps.len() as f64,
        TaskKind::Pool(t) => 2.0 * t.taps.len() as f64,
        TaskKind::Pointwise(t) => t.ops.len() as f64,
        TaskKind::FillHalo(_) => return 0.0,
        _ => 2.0,
    };
    vectors * (operations + 1.0) / RATE
}
