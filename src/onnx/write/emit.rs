//! A list of nodes as statements.

use std::collections::{BTreeMap, BTreeSet};

use super::Block;
use super::inline::inlined;
use super::names::{Names, below, word};
use super::node::{Kind, Node};
use super::text::{number, setting};
use crate::onnx::draft::{Draft, Operand, Ref, What};

/// Where statements stand.
pub(super) struct Scope<'a> {
    pub(super) draft: &'a Draft,
    pub(super) blocks: &'a [Block],
    /// What `it` is at first.
    pub(super) start: Option<Ref>,
    /// Names that values have from elsewhere: inputs, a block's argument.
    pub(super) outer: BTreeMap<Ref, String>,
    /// Values that must have a name, with the one wanted.
    pub(super) kept: BTreeMap<Ref, String>,
    /// Names that are taken.
    pub(super) taken: Names,
    /// What hints begin with here, and is left out.
    pub(super) prefix: String,
    /// The block whose body this is: numbers may be its parameters.
    pub(super) block: Option<&'a Block>,
}

/// A statement.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    /// The node whose value it gives.
    pub(super) node: usize,
    pub(super) name: Option<String>,
    pub(super) text: String,
    /// Whether it is a layer or call applied to `it`.
    pub(super) bare: bool,
    /// Whether anything but the next statement's `it` refers to it.
    pub(super) referred: bool,
}

/// Statements with the names of those nodes that have one.
pub(super) struct Emitted {
    pub(super) statements: Vec<Statement>,
    pub(super) names: BTreeMap<Ref, String>,
}

/// Writes a list.
pub(super) fn emit(list: &[Node], mut scope: Scope<'_>) -> Emitted {
    let kept: BTreeSet<Ref> = scope.kept.keys().copied().collect();
    let inside = inlined(scope.draft, list, &kept);
    let nodes: BTreeMap<Ref, &Node> = list.iter().map(|n| (n.result, n)).collect();
    let referred = referred(list, &scope, &inside, &nodes);
    let mut names = BTreeMap::new();
    // Weights first: their names are keys.
    let weighted = list.iter().filter(|n| n.weighted);
    for node in weighted.chain(list.iter().filter(|n| !n.weighted)) {
        let wanted = scope.kept.get(&node.result);
        let needed =
            node.weighted || referred.contains(&node.result) || wanted.is_some_and(|w| !w.is_empty());
        if !needed || inside.contains(&node.result) {
            continue;
        }
        let hint = match wanted.filter(|w| !node.weighted && !w.is_empty()) {
            Some(wanted) => wanted.clone(),
            None => below(&node.hint, &scope.prefix).unwrap_or_default().to_owned(),
        };
        // A bare number says nothing.
        let hint = if hint.bytes().all(|b| b.is_ascii_digit()) { String::new() } else { hint };
        let name = match (&node.kind, hint.is_empty()) {
            (_, false) => scope.taken.fresh(&hint, "value"),
            (Kind::Line(_), true) => scope.taken.counted(word(&node.shape)),
            (Kind::Call { block, .. }, true) => scope.taken.counted(&scope.blocks[*block].name),
        };
        names.insert(node.result, name);
    }
    let mut statements = Vec::new();
    let mut it = scope.start;
    for (i, node) in list.iter().enumerate().filter(|(_, n)| !inside.contains(&n.result)) {
        let writer = Writer { scope: &scope, nodes: &nodes, inside: &inside, names: &names, it, list };
        let (text, bare) = writer.statement(i);
        let parameter = matches!(&node.kind, Kind::Line(l) if scope.draft.lines[*l].what == What::Param);
        statements.push(Statement {
            node: i,
            name: names.get(&node.result).filter(|_| !parameter).cloned(),
            text,
            bare,
            referred: referred.contains(&node.result)
                || scope.kept.get(&node.result).is_some_and(|wanted| !wanted.is_empty()),
        });
        if !parameter {
            it = Some(node.result);
        }
    }
    Emitted { statements, names }
}

/// The values that statements refer to by name.
fn referred(
    list: &[Node],
    scope: &Scope<'_>,
    inside: &BTreeSet<Ref>,
    nodes: &BTreeMap<Ref, &Node>,
) -> BTreeSet<Ref> {
    let mut referred = BTreeSet::new();
    let mut it = scope.start;
    for node in list.iter().filter(|n| !inside.contains(&n.result)) {
        let mut wanted = vec![node];
        while let Some(next) = wanted.pop() {
            for read in &next.reads {
                match nodes.get(read) {
                    Some(within) if inside.contains(read) => wanted.push(within),
                    _ if Some(*read) == it => {}
                    _ => {
                        referred.insert(*read);
                    }
                }
            }
        }
        if !matches!(&node.kind, Kind::Line(l) if scope.draft.lines[*l].what == What::Param) {
            it = Some(node.result);
        }
    }
    referred
}

struct Writer<'a> {
    scope: &'a Scope<'a>,
    list: &'a [Node],
    nodes: &'a BTreeMap<Ref, &'a Node>,
    inside: &'a BTreeSet<Ref>,
    names: &'a BTreeMap<Ref, String>,
    it: Option<Ref>,
}

impl Writer<'_> {
    /// The text of a statement after its name, and whether it is a layer or call applied to `it`.
    fn statement(&self, index: usize) -> (String, bool) {
        let node = &self.list[index];
        match &node.kind {
            Kind::Call { block, .. } => {
                let block = &self.scope.blocks[*block];
                let arguments: Vec<String> = block
                    .params
                    .order()
                    .into_iter()
                    .filter_map(|p| {
                        let value = self.whole(index, p)?;
                        let usual = block.params.defaults[p].map(|d| d.to_string());
                        (Some(&value) != usual.as_ref()).then(|| format!("{}={value}", block.params.names[p]))
                    })
                    .collect();
                self.applied(node.reads.first().copied(), &call(&block.name, &arguments))
            }
            Kind::Line(line) => {
                let line = &self.scope.draft.lines[*line];
                match &line.what {
                    What::Param => {
                        let axes: Vec<String> =
                            (0..line.dims.len()).filter_map(|d| self.whole(index, d)).collect();
                        let name = self.names.get(&node.result).map_or("", String::as_str);
                        (format!("param {name} [{}]", axes.join(", ")), false)
                    }
                    What::Layer { x, layer, .. } if !self.inside.contains(x) => {
                        self.applied(Some(*x), &call(layer, &self.settings(index)))
                    }
                    _ => (self.expression(node).0, false),
                }
            }
        }
    }

    fn applied(&self, x: Option<Ref>, layer: &str) -> (String, bool) {
        match x {
            Some(x) if Some(x) != self.it => (format!("{} |> {layer}", self.name(x)), false),
            _ => (layer.to_owned(), true),
        }
    }

    /// The name of a value.
    fn name(&self, value: Ref) -> String {
        let own = self.names.get(&value).or_else(|| self.scope.outer.get(&value));
        own.cloned().unwrap_or_else(|| "it".to_owned())
    }

    /// A whole number of a node, or the parameter that it is.
    fn whole(&self, node: usize, place: usize) -> Option<String> {
        let values = &self.list.get(node)?.wholes.get(place)?.values;
        let slot = self.scope.block.and_then(|b| Some((b, b.params.slots.get(&(node, place))?)));
        Some(match slot {
            Some((block, (param, 1))) => block.params.names.get(*param)?.clone(),
            Some((block, (param, factor))) => format!("{factor} * {}", block.params.names.get(*param)?),
            None => values.first()?.to_string(),
        })
    }

    /// The settings of a line as it has them, and those that are left out but are parameters.
    fn settings(&self, index: usize) -> Vec<String> {
        let node = &self.list[index];
        let Kind::Line(line) = node.kind else { return Vec::new() };
        let (What::Layer { settings, .. } | What::Function { settings, .. }) =
            &self.scope.draft.lines[line].what
        else {
            return Vec::new();
        };
        let place = |name: &str| node.wholes.iter().position(|w| w.setting == name);
        let is_param = |p: usize| self.scope.block.is_some_and(|b| b.params.slots.contains_key(&(index, p)));
        let mut all: Vec<String> = settings
            .iter()
            .map(|(name, value)| {
                let whole = place(name).and_then(|p| self.whole(index, p));
                format!("{name}={}", whole.unwrap_or_else(|| setting(value)))
            })
            .collect();
        for whole in &node.wholes {
            let given = settings.iter().any(|(name, _)| *name == whole.setting);
            if !given
                && let Some(p) = place(&whole.setting).filter(|p| is_param(*p))
                && let Some(text) = self.whole(index, p)
            {
                all.push(format!("{}={text}", whole.setting));
            }
        }
        all
    }

    /// A node as an expression, with how tightly its outermost operator binds.
    fn expression(&self, node: &Node) -> (String, u8) {
        let Kind::Line(line) = node.kind else { return (self.name(node.result), 3) };
        let index = self.list.iter().position(|n| n.result == node.result).unwrap_or(0);
        match &self.scope.draft.lines[line].what {
            What::Layer { x, layer, .. } => {
                let mut arguments = vec![self.value(*x).0];
                arguments.extend(self.settings(index));
                (call(layer, &arguments), 3)
            }
            What::Function { function, operands, .. } => {
                let mut arguments: Vec<String> = operands.iter().map(|o| self.operand(o).0).collect();
                arguments.extend(self.settings(index));
                (call(function, &arguments), 3)
            }
            What::Operator(op, a, b) => {
                let own = if matches!(op, '+' | '-') { 1 } else { 2 };
                let (a, of_a) = self.operand(a);
                let (b, of_b) = self.operand(b);
                let a = if of_a < own { format!("({a})") } else { a };
                let b = if of_b <= own { format!("({b})") } else { b };
                (format!("{a} {op} {b}"), own)
            }
            What::Param => (self.name(node.result), 3),
        }
    }

    fn operand(&self, operand: &Operand) -> (String, u8) {
        match operand {
            Operand::Value(value) => self.value(*value),
            // A sign binds loosely; in brackets it cannot be misread.
            Operand::Number(n) if n.is_sign_negative() => (number(*n), 0),
            Operand::Number(n) => (number(*n), 3),
        }
    }

    fn value(&self, value: Ref) -> (String, u8) {
        match self.nodes.get(&value) {
            Some(node) if self.inside.contains(&value) => self.expression(node),
            _ if Some(value) == self.it => ("it".to_owned(), 3),
            _ => (self.name(value), 3),
        }
    }
}

/// `name(arguments)`, or the name alone.
fn call(name: &str, arguments: &[String]) -> String {
    if arguments.is_empty() { name.to_owned() } else { format!("{name}({})", arguments.join(", ")) }
}
