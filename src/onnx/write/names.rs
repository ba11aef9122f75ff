//! Names of values, blocks and their calls.

use std::collections::{BTreeMap, BTreeSet};

use super::node::Node;

/// What joins the parts of a name: dots, or the underscores of those who have no dots.
const JOINTS: [char; 2] = ['.', '_'];

/// The prefix that the named nodes of a stretch share, if there is one: that of the module that it was.
/// Names of nodes without weights may be of no module.
pub(super) fn common_prefix(stretch: &[Node]) -> Option<String> {
    let mut names = stretch.iter().filter(|n| n.weighted && !n.hint.is_empty()).map(|n| n.hint.as_str());
    let first = names.next()?;
    // Where a prefix may end: before a joint.
    let mut ends: Vec<usize> = first.match_indices(JOINTS).map(|(i, _)| i).filter(|i| *i > 0).collect();
    let mut several = false;
    for name in names {
        several = true;
        ends.retain(|&end| {
            name.as_bytes().get(..end) == first.as_bytes().get(..end) && name[end..].starts_with(JOINTS)
        });
    }
    let end = *ends.last().filter(|_| several)?;
    Some(first[..end].to_owned())
}

/// The prefixes of stretches whose weighted nodes have the same names below them, as modules do; `None`
/// where a block would have to give other names.
pub(super) fn module_prefixes(stretches: &[&[Node]]) -> Option<Vec<String>> {
    let prefixes: Vec<String> = stretches.iter().map(|s| common_prefix(s)).collect::<Option<_>>()?;
    let first = stretches.first()?;
    let weighted = first.iter().enumerate().filter(|(_, n)| n.weighted);
    for (i, _) in weighted {
        let mut names =
            stretches.iter().zip(&prefixes).map(|(s, p)| s.get(i).and_then(|n| below(&n.hint, p)));
        let name = names.next().flatten()?;
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || names.any(|other| other != Some(name)) {
            return None;
        }
    }
    Some(prefixes)
}

/// Whether a stretch has names that PyTorch's modules give, which are kept whatever it costs.
pub(super) fn has_module_names(stretch: &[Node]) -> bool {
    stretch.iter().any(|n| n.modular)
}

/// A name below a prefix.
pub(super) fn below<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    if prefix.is_empty() {
        return (!name.is_empty()).then_some(name);
    }
    name.strip_prefix(prefix)?.strip_prefix(JOINTS).filter(|rest| !rest.is_empty())
}

/// Names that are taken in a scope.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    taken: BTreeSet<String>,
    /// The last number that was put behind a name, so that many like it are not tried one by one.
    numbers: BTreeMap<String, usize>,
}

impl Names {
    /// Takes a name.
    pub(super) fn take(&mut self, name: &str) {
        self.taken.insert(name.to_owned());
    }

    /// Whether a name can be taken.
    pub(super) fn free(&self, name: &str) -> bool {
        !self.clashes(name)
    }

    /// Takes a name that is counted: `stage1`, `stage2`, ….
    pub(super) fn counted(&mut self, stem: &str) -> String {
        let joint = if stem.ends_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
        let mut n = 1u64;
        while self.clashes(&format!("{stem}{joint}{n}")) {
            n += 1;
        }
        let name = format!("{stem}{joint}{n}");
        self.taken.insert(name.clone());
        name
    }

    /// Takes the wanted name or one like it, made such that nothing misreads it.
    pub(super) fn fresh(&mut self, wanted: &str, fallback: &str) -> String {
        let wanted = sound(wanted).unwrap_or_else(|| sound(fallback).unwrap_or_else(|| "value".to_owned()));
        // No number helps a name that stands below one that is taken.
        let wanted = if self.stands_below(&wanted) { wanted.replace('.', "_") } else { wanted };
        let mut name = wanted.clone();
        let mut n = self.numbers.get(&wanted).copied().unwrap_or(1);
        while self.clashes(&name) {
            n += 1;
            name = format!("{wanted}_{n}");
        }
        if n > 1 {
            self.numbers.insert(wanted, n);
        }
        self.taken.insert(name.clone());
        name
    }

    /// Whether a name is taken, means something, or would be the beginning of another's parts: weights of
    /// `a` and of `a.weight` would share keys.
    fn clashes(&self, name: &str) -> bool {
        let reserved = !name.contains('.') && crate::graph::check::is_word(name);
        let dotted = format!("{name}.");
        let inside =
            self.taken.range(dotted.clone()..).next().is_some_and(|other| other.starts_with(&dotted));
        reserved || self.taken.contains(name) || inside || self.stands_below(name)
    }

    /// Whether a beginning of the name, up to a dot, is a name that is taken.
    fn stands_below(&self, name: &str) -> bool {
        name.match_indices('.').any(|(i, _)| self.taken.contains(&name[..i]))
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
        () if words.len() <= 3
            && words.iter().all(|w| *w != "call" && w.chars().all(char::is_alphanumeric)) =>
        {
            words.join("_")
        }
        () => "stage".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn names_below_a_name_and_names_like_many_others_are_found_soon() {
        let mut names = Names::default();
        assert_eq!(names.fresh("ln", "x"), "ln");
        assert_eq!(names.fresh("ln.weight", "x"), "ln_weight");
        assert_eq!(names.fresh("ln.weight", "x"), "ln_weight_2");
        assert_eq!(names.fresh("a.b", "x"), "a.b");
        assert_eq!(names.fresh("a", "x"), "a_2");
        for i in 1..20_000 {
            let name = names.fresh("many", "x");
            assert_eq!(name, if i == 1 { "many".to_owned() } else { format!("many_{i}") });
        }
    }
}
