//! Lines that nothing depends on are left out.

use super::super::draft::{Draft, Operand, Ref, What};

/// The draft without lines that no output depends on.
pub fn prune(mut draft: Draft) -> Draft {
    let mut wanted = vec![false; draft.lines.len()];
    let mark = |wanted: &mut Vec<bool>, value: Ref| {
        if let Ref::Line(i) = value
            && let Some(slot) = wanted.get_mut(i as usize)
        {
            *slot = true;
        }
    };
    for (_, value) in &draft.outputs {
        mark(&mut wanted, *value);
    }
    for (i, line) in draft.lines.iter().enumerate().rev() {
        if wanted.get(i) == Some(&true) {
            for value in line.refs() {
                mark(&mut wanted, value);
            }
        }
    }
    let mut next = 0u32;
    let numbers: Vec<u32> = wanted
        .iter()
        .map(|&kept| {
            let own = next;
            next += u32::from(kept);
            own
        })
        .collect();
    let moved = |value: &mut Ref| {
        if let Ref::Line(i) = value
            && let Some(&number) = numbers.get(*i as usize)
        {
            *i = number;
        }
    };
    let mut kept = wanted.iter();
    draft.lines.retain(|_| kept.next() == Some(&true));
    for line in &mut draft.lines {
        match &mut line.what {
            What::Layer { x, .. } => moved(x),
            What::Function { operands, .. } => {
                for operand in operands {
                    if let Operand::Value(value) = operand {
                        moved(value);
                    }
                }
            }
            What::Operator(_, a, b) => {
                for operand in [a, b] {
                    if let Operand::Value(value) = operand {
                        moved(value);
                    }
                }
            }
            What::Param => {}
        }
    }
    for (_, value) in &mut draft.outputs {
        moved(value);
    }
    draft
}
