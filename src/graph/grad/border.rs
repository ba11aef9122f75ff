//! Borders that are not zeros become paddings.

use super::conv::unpadded;
use super::{Builder, GradError};
use crate::graph::{Border, Conv, Graph, Op, PadMode, Pads, Value};

/// The same graph with every window over zeros alone: other borders are paddings of their own, whose
/// gradients go back inside.
///
/// # Errors
/// If a padded value is too large.
pub fn plain_borders(graph: &Graph) -> Result<Graph, GradError> {
    let mut map: Vec<Value> = Vec::with_capacity(graph.nodes.len());
    let mut b = Builder::new(Graph { nodes: Vec::new(), ..graph.clone() }, 'p');
    for (_, node) in graph.values() {
        let mut node = node.clone();
        for arg in &mut node.args {
            *arg = map[arg.index()];
        }
        b.at(&node.name, node.span);
        let border = match node.op {
            Op::Conv(conv) => Some((conv.border, conv.window.pad)),
            Op::Filter(window, border) => Some((border, window.pad)),
            _ => None,
        };
        if let (Some((border, pads)), Some(&x)) = (border, node.args.first())
            && let Some(mode) = mode(border)
            && pads != Pads::default()
        {
            let rank = b.dims(x).len();
            let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
            for axis in 0..2 {
                before[rank - 2 + axis] = pads.before(axis);
                after[rank - 2 + axis] = pads.after(axis);
            }
            node.args[0] = b.op(Op::Pad { before, after, mode }, &[x])?;
        }
        match &mut node.op {
            Op::Conv(conv) if conv.border != Border::Zero => {
                *conv = Conv { window: unpadded(&conv.window), border: Border::Zero, ..*conv };
            }
            Op::Filter(window, border) if *border != Border::Zero => {
                (*window, *border) = (unpadded(window), Border::Zero);
            }
            _ => {}
        }
        b.graph.nodes.push(node);
        map.push(Value(b.graph.nodes.len() as u32 - 1));
    }
    Ok(b.renumbered(&map))
}

fn mode(border: Border) -> Option<PadMode> {
    match border {
        Border::Zero => None,
        Border::Replicate => Some(PadMode::Replicate),
        Border::Reflect => Some(PadMode::Reflect),
        Border::Wrap => Some(PadMode::Wrap),
    }
}
