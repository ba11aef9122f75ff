//! Names of values, blocks and their calls.

use std::collections::BTreeSet;

use super::node::Node;

/// The dotted prefix that the named nodes of a stretch share, if there is one: that of the module that it
/// was. Names of nodes without weights may be of no module.
pub(super) fn common_prefix(stretch: &[Node]) -> Option<String> {
    let weighted = stretch.iter().filter(|n| n.weighted && !n.hint.is_empty());
    let mut names = weighted.map(|n| n.hint.split('.').collect::<Vec<_>>());
    let first = names.next()?;
    let mut common = first.len().saturating_sub(1);
    let mut several = false;
    for name in names {
        several = true;
        let same = first.iter().zip(&name).take_while(|(a, b)| a == b).count();
        common = common.min(same).min(name.len().saturating_sub(1));
    }
    (several && common > 0).then(|| first[..common].join("."))
}

/// A name below a prefix.
pub(super) fn below<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    if prefix.is_empty() {
        return (!name.is_empty()).then_some(name);
    }
    name.strip_prefix(prefix)?.strip_prefix('.').filter(|rest| !rest.is_empty())
}

/// Names that are taken in a scope.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// Takes a name.
    pub(super) fn take(&mut self, name: &str) {
        self.0.insert(name.to_owned());
    }

    /// Takes the wanted name or one like it, made such that nothing misreads it.
    pub(super) fn fresh(&mut self, wanted: &str, fallback: &str) -> String {
        let wanted = sound(wanted).unwrap_or_else(|| sound(fallback).unwrap_or_else(|| "value".to_owned()));
        let mut name = wanted.clone();
        let mut n = 1;
        while self.clashes(&name) {
            n += 1;
            name = format!("{wanted}_{n}");
        }
        self.0.insert(name.clone());
        name
    }

    /// Whether a name is taken, means something, or would be the beginning of another's parts: weights of
    /// `a` and of `a.weight` would share keys.
    fn clashes(&self, name: &str) -> bool {
        let reserved = !name.contains('.') && crate::graph::check::is_word(name);
        let dotted = format!("{name}.");
        let inside = self.0.range(dotted.clone()..).next().is_some_and(|other| other.starts_with(&dotted));
        let around = name.match_indices('.').any(|(i, _)| self.0.contains(&name[..i]));
        reserved || self.0.contains(name) || inside || around
    }
}

/// A dotted name of the language: words joined by dots, the first beginning with a letter.
fn sound(name: &str) -> Option<String> {
    let clean = |part: &str| -> String {
        part.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
    };
    let parts: Vec<String> = name.split('.').map(clean).filter(|p| !p.is_empty()).collect();
    let first = parts.first()?.chars().next()?;
    let name = parts.join(".");
    let name = if first.is_ascii_alphabetic() { name } else { format!("n{name}") };
    (name.len() <= 200).then_some(name)
}

/// A word for what a node does, to name it by.
pub(super) fn word(shape: &str) -> &str {
    let word = shape.split(' ').next().unwrap_or_default();
    match word {
        "+" => "sum",
        "-" => "difference",
        "*" => "product",
        "/" => "quotient",
        "batchnorm" => "bn",
        "linear" => "fc",
        other => other,
    }
}

/// A name for a block, by what is in it.
pub(super) fn block_name(body: &[Node]) -> String {
    let has = |what: &str| body.iter().any(|n| word(&n.shape) == what);
    let depthwise = body.iter().any(|n| {
        n.shape.starts_with("conv") && n.wholes.iter().any(|w| w.setting == "groups" && w.values[0] > 1)
    });
    let argument = body.first().and_then(|n| n.reads.first()).copied();
    let last_sum = body.iter().rev().find(|n| word(&n.shape) == "sum");
    let residual = last_sum.is_some_and(|n| n.reads.iter().any(|r| Some(*r) == argument));
    let readers = body.iter().filter(|n| n.reads.iter().any(|r| Some(*r) == argument)).count();
    let words: Vec<&str> = body.iter().map(|n| word(&n.shape)).collect();
    match () {
        () if depthwise && residual => "inverted_residual".to_owned(),
        () if residual => "residual".to_owned(),
        () if last_sum.is_some() && readers > 1 => "downsample".to_owned(),
        () if depthwise => "separable".to_owned(),
        () if has("concat") && readers > 1 => "dense".to_owned(),
        () if has("concat") => "branches".to_owned(),
        () if words.len() <= 3 && words.iter().all(|w| w.chars().all(|c| c.is_ascii_alphanumeric())) => {
            words.join("_")
        }
        () => "stage".to_owned(),
    }
}
