//! Stretches of a list that occur several times.
//!
//! A stretch can be a block if it reads one value from outside, and if none of its values but the last is
//! read after it. Two stretches are alike if their nodes are the same operations wired the same way, whole
//! numbers aside. The search is greedy: the stretch that saves most becomes a block, its occurrences become
//! calls, and the search begins again on the shorter list; so blocks come to hold blocks.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::names::{common_prefix, has_module_names, module_prefixes};
use super::node::{Node, last_reads};
use super::params::{Params, unify};
use crate::onnx::draft::Ref;

/// The longest stretch that is looked for, in nodes.
const LONGEST: usize = 96;
/// The most parameters of a block.
const PARAMS: usize = 4;

/// A stretch that occurs several times.
#[derive(Debug)]
pub(super) struct Repeated {
    /// Where its occurrences begin, in order; they do not overlap.
    pub(super) starts: Vec<usize>,
    /// How many nodes it has.
    pub(super) len: usize,
    /// What differs between the occurrences.
    pub(super) params: Params,
    score: i64,
}

/// The stretch that saves most lines, if any saves some. `kept` are values that are needed after the list.
pub(super) fn most_repeated(list: &[Node], kept: &[Ref]) -> Option<Repeated> {
    let mut groups: HashMap<(usize, u64), Vec<usize>> = HashMap::new();
    let last = last_reads(list, kept);
    let places: HashMap<Ref, usize> = list.iter().enumerate().map(|(i, n)| (n.result, i)).collect();
    let read_last = |node: &Node| last.get(&node.result).copied();
    for start in 0..list.len() {
        let mut hasher = DefaultHasher::new();
        let mut outside: Option<Ref> = None;
        // The last read of any value but that of the last node.
        let mut reach = 0;
        for (len, node) in list[start..].iter().enumerate().take(LONGEST).map(|(i, n)| (i + 1, n)) {
            let end = start + len;
            if !note(node, start, end - 1, &places, &mut outside, &mut hasher) {
                break;
            }
            if len >= 2 && reach < end && outside.is_some() {
                groups.entry((len, hasher.finish())).or_default().push(start);
            }
            // A value that nothing reads is none that a block can leave out.
            reach = reach.max(read_last(node).unwrap_or(usize::MAX));
        }
    }
    let modules = Modules::of(list);
    let mut best: Option<Repeated> = None;
    // Hashes have no order that means anything; the places have.
    let mut groups: Vec<((usize, u64), Vec<usize>)> =
        groups.into_iter().filter(|(_, s)| s.len() > 1).collect();
    groups.sort_by(|a, b| (b.0.0, &a.1).cmp(&(a.0.0, &b.1)));
    for ((len, _), starts) in groups {
        let most = (starts.len() as i64 - 1) * len as i64 * 4 + starts.len() as i64 * len as i64;
        if best.as_ref().is_some_and(|b| b.score >= most) {
            continue;
        }
        if let Some(found) = evaluate(list, &places, &modules, len, starts)
            && best.as_ref().is_none_or(|b| found.score > b.score)
        {
            best = Some(found);
        }
    }
    best
}

/// Adds a node to a stretch's signature; false if the stretch now reads two values from outside.
fn note(
    node: &Node,
    start: usize,
    at: usize,
    places: &HashMap<Ref, usize>,
    outside: &mut Option<Ref>,
    hasher: &mut impl Hasher,
) -> bool {
    node.shape.hash(hasher);
    node.wholes.len().hash(hasher);
    for read in &node.reads {
        match places.get(read) {
            Some(&place) if place >= start => (at - place).hash(hasher),
            _ => {
                if outside.is_some_and(|o| o != *read) {
                    return false;
                }
                *outside = Some(*read);
                usize::MAX.hash(hasher);
            }
        }
    }
    true
}

fn alike(list: &[Node], places: &HashMap<Ref, usize>, a: usize, b: usize, len: usize) -> bool {
    let relative = |start: usize, read: &Ref| places.get(read).and_then(|p| p.checked_sub(start));
    list[a..a + len].iter().zip(&list[b..b + len]).all(|(x, y)| {
        x.shape == y.shape
            && x.wholes.len() == y.wholes.len()
            && x.wholes.iter().zip(&y.wholes).all(|(p, q)| p.setting == q.setting)
            && x.reads.len() == y.reads.len()
            && x.reads.iter().zip(&y.reads).all(|(p, q)| relative(a, p) == relative(b, q))
    })
}

/// Where the modules of a list lie, by the prefixes of names.
struct Modules<'a>(HashMap<&'a str, (usize, usize)>);

impl<'a> Modules<'a> {
    fn of(list: &'a [Node]) -> Modules<'a> {
        let mut spans: HashMap<&str, (usize, usize)> = HashMap::new();
        for (i, node) in list.iter().enumerate().filter(|(_, n)| n.weighted) {
            for (end, _) in node.hint.match_indices('.') {
                let span = spans.entry(&node.hint[..end]).or_insert((i, i));
                *span = (span.0.min(i), span.1.max(i));
            }
        }
        Modules(spans)
    }

    /// Whether a stretch does not tear a module apart: what has its prefix lies within.
    fn whole(&self, list: &[Node], start: usize, len: usize) -> bool {
        let prefix = common_prefix(&list[start..start + len]);
        let span = prefix.and_then(|p| self.0.get(p.as_str()));
        span.is_none_or(|(first, last)| *first >= start && *last < start + len)
    }
}

/// About how many lines a stretch takes: operators and functions go into one.
fn lines(stretch: &[Node]) -> i64 {
    let inside =
        |n: &Node| matches!(super::names::word(&n.shape), "sum" | "difference" | "product" | "quotient");
    let operators = stretch.iter().filter(|n| inside(n)).count();
    (stretch.len() - operators + operators.div_ceil(3)) as i64
}

/// What a stretch is worth as a block: `None` if it is not worth it.
fn evaluate(
    list: &[Node],
    places: &HashMap<Ref, usize>,
    modules: &Modules<'_>,
    len: usize,
    candidates: Vec<usize>,
) -> Option<Repeated> {
    let mut starts: Vec<usize> = Vec::new();
    for start in candidates {
        let free = starts.last().is_none_or(|last| start >= last + len) && modules.whole(list, start, len);
        if free && starts.first().is_none_or(|&first| alike(list, places, first, start, len)) {
            starts.push(start);
        }
    }
    if starts.len() < 2 {
        return None;
    }
    let stretches: Vec<&[Node]> = starts.iter().map(|&s| &list[s..s + len]).collect();
    let params = unify(&stretches);
    let count = starts.len() as i64;
    if params.names.len() > PARAMS {
        return None;
    }
    let named = module_prefixes(&stretches).is_some();
    if !named && stretches.iter().any(|s| has_module_names(s)) {
        return None;
    }
    let aligned = if named { count } else { 0 };
    let begins_well = list[starts[0]].weighted || list[starts[0]].shape.starts_with("call");
    let lines = lines(stretches[0]);
    if lines < 3 {
        return None;
    }
    let saved = (count - 1) * lines - 3;
    let score = saved * 4 + aligned * (len as i64).min(8) + i64::from(begins_well) * 2
        - 2 * params.names.len() as i64;
    (saved > 0).then_some(Repeated { starts, len, params, score })
}
