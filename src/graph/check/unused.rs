//! Warnings about what nothing uses.

use std::collections::BTreeMap;

use super::scope::Checker;
use super::thing::Id;
use crate::diag::{Code, Diagnostic};
use crate::graph::Op;
use crate::source::Span;
use crate::syntax::ast;

/// Reports unused values, inputs, kernels and blocks of a model without errors: beside an error, what
/// is unused is often its consequence.
pub(super) fn warn(checker: &mut Checker<'_>, file: &ast::File, outputs: &[(String, Id)]) {
    if checker.reports.has_errors() || checker.scope.broken || checker.broken {
        return;
    }
    values(checker, outputs);
    // With several models, another may use what this one does not.
    if super::signature::models(file).count() == 1 {
        definitions(checker);
    }
}

fn values(checker: &mut Checker<'_>, outputs: &[(String, Id)]) {
    let mut used = vec![false; checker.drafts.nodes.len()];
    let args = checker.drafts.nodes.iter().flat_map(|n| &n.args);
    for id in args.chain(outputs.iter().map(|(_, id)| id)) {
        if let Some(flag) = used.get_mut(id.index()) {
            *flag = true;
        }
    }
    // A statement that runs several times is unused if it is in every round.
    let mut places: BTreeMap<Span, (bool, Option<(Declared, String)>)> = BTreeMap::new();
    for (node, used) in checker.drafts.nodes.iter().zip(&used) {
        let declared = match node.op {
            Some(Op::Input(_)) => Some(Declared::Input),
            Some(Op::Param(_)) if node.result => Some(Declared::Param),
            _ => None,
        };
        if node.shape.is_none() || !(node.result || declared.is_some()) {
            continue;
        }
        let named = declared.map(|what| (what, node.name.clone()));
        let place = places.entry(node.span).or_insert((false, named));
        place.0 |= used;
    }
    for (span, (used, declared)) in places {
        if used {
            continue;
        }
        let diagnostic = match declared {
            Some((Declared::Param, name)) => {
                Diagnostic::warning(Code::UnusedValue, span, format!("the parameter `{name}` is never used"))
            }
            Some((Declared::Input, name)) => {
                Diagnostic::warning(Code::UnusedInput, span, format!("the input `{name}` is never used"))
            }
            None => Diagnostic::warning(Code::UnusedValue, span, "this value is never used")
                .help("`output a, b` names the outputs, if it is meant as one"),
        };
        checker.reports.add(diagnostic);
    }
}

/// What a statement declares rather than computes.
#[derive(Clone, Copy)]
enum Declared {
    Input,
    Param,
}

fn definitions(checker: &mut Checker<'_>) {
    let mut found = Vec::new();
    for (name, kernel) in checker.kernels.iter().filter(|(_, k)| !k.used) {
        let text = format!("the kernel `{name}` is never used");
        found.push(Diagnostic::warning(Code::UnusedKernel, kernel.def.name.span, text));
    }
    for (name, block) in checker.blocks.iter().filter(|(_, b)| !b.used) {
        let text = format!("the block `{name}` is never used");
        found.push(Diagnostic::warning(Code::UnusedBlock, block.def.name.span, text));
    }
    for diagnostic in found {
        checker.reports.add(diagnostic);
    }
}
