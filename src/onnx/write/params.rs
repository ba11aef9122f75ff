//! The parameters of a block: the numbers in which its occurrences differ.

use std::collections::BTreeMap;

use super::node::Node;

/// A number within a block's body: its node, and its place among the node's whole numbers.
pub(super) type Slot = (usize, usize);

/// The parameters of a block and where they stand.
#[derive(Clone, Debug, Default)]
pub(super) struct Params {
    /// Their names; unique.
    pub(super) names: Vec<String>,
    /// For each, the value that a call may leave out.
    pub(super) defaults: Vec<Option<i64>>,
    /// For each occurrence its values.
    pub(super) values: Vec<Vec<i64>>,
    /// The numbers that are parameters, each the parameter times a factor.
    pub(super) slots: BTreeMap<Slot, (usize, i64)>,
}

impl Params {
    /// The order in which a definition and its calls list them: those that must be given first.
    pub(super) fn order(&self) -> Vec<usize> {
        let (must, may): (Vec<usize>, Vec<usize>) =
            (0..self.names.len()).partition(|&p| self.defaults.get(p).is_none_or(Option::is_none));
        must.into_iter().chain(may).collect()
    }
}

/// Finds in what the occurrences of a block differ. Numbers that differ alike are one parameter, and so are
/// whole multiples of one.
pub(super) fn unify(stretches: &[&[Node]]) -> Params {
    let mut params = Params { values: vec![Vec::new(); stretches.len()], ..Params::default() };
    let Some(first) = stretches.first() else { return params };
    for (i, node) in first.iter().enumerate() {
        for (j, whole) in node.wholes.iter().enumerate() {
            let column: Vec<i64> =
                stretches.iter().filter_map(|s| s.get(i)?.wholes.get(j)?.values.first().copied()).collect();
            let same = column.windows(2).all(|w| w[0] == w[1]);
            if same || column.len() != stretches.len() {
                continue;
            }
            let known = (0..params.names.len()).find_map(|p| Some((p, multiple(&params, p, &column)?)));
            let (param, factor) = known.unwrap_or_else(|| {
                let name = unused(&whole.setting, &params.names);
                params.names.push(name);
                params.defaults.push(default(&whole.setting, &column));
                params.values.iter_mut().zip(&column).for_each(|(row, v)| row.push(*v));
                (params.names.len() - 1, 1)
            });
            params.slots.insert((i, j), (param, factor));
        }
    }
    params
}

/// By what a parameter must be multiplied to give a column, where one whole number does.
fn multiple(params: &Params, param: usize, column: &[i64]) -> Option<i64> {
    let base = params.values.first()?.get(param)?;
    let factor = column.first()?.checked_div(*base)?;
    let fits = params
        .values
        .iter()
        .zip(column)
        .all(|(row, v)| row.get(param).and_then(|p| p.checked_mul(factor)) == Some(*v));
    (factor >= 1 && fits).then_some(factor)
}

fn unused(setting: &str, names: &[String]) -> String {
    let stem = setting.trim_end_matches(|c: char| c.is_ascii_digit());
    let base = if stem.is_empty() { "channels" } else { stem };
    let mut name = base.to_owned();
    let mut n = 1;
    while names.contains(&name) {
        n += 1;
        name = format!("{base}{n}");
    }
    name
}

/// What most occurrences have, of settings that usually are left out.
fn default(setting: &str, column: &[i64]) -> Option<i64> {
    let usual = match setting {
        "stride" | "dilation" | "groups" => 1,
        "pad" | "output_pad" => 0,
        _ => return None,
    };
    column.contains(&usual).then_some(usual)
}
