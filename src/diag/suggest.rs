//! "did you mean"

/// Names longer than this are nobody's misspelling.
const LONGEST: usize = 64;

/// The candidate nearest to a name, if one is near: at most a third of the name's letters changed,
/// added, left out or swapped with their neighbour, and one in a short name. Capitals count as
/// small letters. Of several the first.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let wanted = lower(name);
    let limit = wanted.len().max(3) / 3;
    let mut nearest: Option<(usize, &str)> = None;
    for candidate in candidates {
        if candidate == name || candidate.len() > LONGEST {
            continue;
        }
        let distance = edit_distance(&wanted, &lower(candidate));
        // One letter for another of a name of one or two is any name at all.
        let near =
            distance <= limit && (distance < wanted.len().min(candidate.chars().count()) || distance == 0);
        if near && nearest.is_none_or(|(least, _)| distance < least) {
            nearest = Some((distance, candidate));
        }
    }
    nearest.map(|(_, candidate)| candidate)
}

fn lower(name: &str) -> Vec<char> {
    name.chars().flat_map(char::to_lowercase).collect()
}

/// The Damerau–Levenshtein distance, restricted: no letter is moved and changed at once
/// (optimal string alignment).
fn edit_distance(a: &[char], b: &[char]) -> usize {
    // Rows of the table for the letters of `a` before the last, up to the last, and up to this one.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (i, &x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        row.push(i + 1);
        let mut left = None;
        for (j, &y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut best =
                (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if j > 0 && previous == Some(y) && left == Some(x) {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
            left = Some(y);
        }
        before = std::mem::replace(&mut last, row);
        previous = Some(x);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{did_you_mean, edit_distance};

    fn distance(a: &str, b: &str) -> usize {
        edit_distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>())
    }

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("conv", "conv", 0),
            ("cnov", "conv", 1),
            ("covn", "conv", 1),
            ("ca", "abc", 3),
            ("kitten", "sitting", 3),
            ("kernal", "kernel", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let layers =
            ["conv", "maxpool", "avgpool", "batchnorm", "relu", "relu6", "gelu", "elu", "sigmoid", "H"];
        for (name, expected) in [
            ("cnov", Some("conv")),
            ("Conv", Some("conv")),
            ("Conv2d", Some("conv")),
            ("max_pool", Some("maxpool")),
            ("BatchNorm2d", Some("batchnorm")),
            ("sigmiod", Some("sigmoid")),
            ("rleu", Some("relu")),
            ("relu7", Some("relu")),
            ("h", Some("H")),
            ("linear", None),
            ("x", None),
            ("", None),
            ("relu", Some("relu6")),
        ] {
            assert_eq!(did_you_mean(name, layers), expected, "{name}");
        }
        assert_eq!(did_you_mean(&"a".repeat(1 << 20), layers), None);
        assert_eq!(did_you_mean("conv", []), None);
    }
}
