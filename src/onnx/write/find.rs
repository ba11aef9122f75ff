//! Stretches of a list that occur several times.
//!
//! A stretch can be a block if it reads one value from outside, and if none of its values but the last is
//! read after it. Two stretches are alike if their nodes are the same operations wired the same way, whole
//! numbers aside. The search is greedy: the stretch that saves most becomes a block, its occurrences become
//! calls, and the search begins again on the shorter list; so blocks come to hold blocks.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::node::{Node, last_reads};
use super::params::{Params, unify};
use crate::onnx::draft::Ref;

/// The longest stretch that is looked for, in nodes.
const LONGEST: usize = 96;
/// The most parameters of a block.
const PARAMS: usize = 5;

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
        if let Some(found) = evaluate(list, &places, len, starts)
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

/// What a stretch is worth as a block: `None` if it is not worth it.
fn evaluate(
    list: &[Node],
    places: &HashMap<Ref, usize>,
    len: usize,
    candidates: Vec<usize>,
) -> Option<Repeated> {
    let mut starts: Vec<usize> = Vec::new();
    for start in candidates {
        let free = starts.last().is_none_or(|last| start >= last + len);
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
    let aligned = stretches.iter().filter(|s| super::names::common_prefix(s).is_some()).count() as i64;
    let begins_well = list[starts[0]].weighted || list[starts[0]].shape.starts_with("call");
    let saved = (count - 1) * len as i64 - 3;
    let score = saved * 4 + aligned * (len as i64).min(8) + i64::from(begins_well) * 2
        - 2 * params.names.len() as i64;
    (saved > 0).then_some(Repeated { starts, len, params, score })
}
