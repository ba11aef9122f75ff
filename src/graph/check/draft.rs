//! The graph while it is being made: some shapes and operations may not be known yet.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::thing::{Id, Shape};
use crate::graph::{Const, Graph, Input, Node, Op, Output, Param, Value};
use crate::source::Span;

/// A node of the draft.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// What is computed; `None` where it failed or waits for a size.
    pub op: Option<Op>,
    /// From what.
    pub args: Vec<Id>,
    /// `None` is Unknown: it silences what follows.
    pub shape: Option<Shape>,
    /// Unique.
    pub name: String,
    /// The layer or expression.
    pub span: Span,
    /// Whether it is the result of a statement, which should be used.
    pub result: bool,
}

/// Everything made so far.
#[derive(Default)]
pub(super) struct Drafts {
    pub nodes: Vec<Draft>,
    pub consts: Vec<Const>,
    pub params: Vec<Param>,
    pub inputs: Vec<Input>,
    /// The draft node of each parameter key, and whether its layer was given it by `key=`.
    pub keys: BTreeMap<String, (Id, bool)>,
    /// Constants with the same contents are one node. Looked up, never iterated over.
    known_consts: HashMap<(Vec<u64>, Vec<u32>), Id>,
    names: BTreeSet<String>,
    counters: BTreeMap<String, u32>,
}

impl Drafts {
    /// The shape of a value, where it is known.
    pub fn shape(&self, id: Id) -> Option<&Shape> {
        self.nodes.get(id.index()).and_then(|n| n.shape.as_ref())
    }

    /// Adds a node as it is.
    pub fn push(&mut self, node: Draft) -> Id {
        let id = Id(self.nodes.len() as u32);
        self.nodes.push(node);
        id
    }

    /// A constant's node.
    pub fn constant(&mut self, dims: Vec<u64>, data: Vec<f32>, span: Span) -> Id {
        let key = (dims, data.iter().map(|v| v.to_bits()).collect::<Vec<u32>>());
        if let Some(&id) = self.known_consts.get(&key) {
            return id;
        }
        let index = self.consts.len() as u32;
        let name = self.generated("const");
        let id = self.push(Draft {
            op: Some(Op::Const(index)),
            args: Vec::new(),
            shape: Some(Shape::plain(&key.0)),
            name,
            span,
            result: false,
        });
        self.consts.push(Const { dims: key.0.clone(), data });
        self.known_consts.insert(key, id);
        id
    }

    /// A parameter's node, its key not taken yet.
    pub fn param(&mut self, param: Param, explicit: bool) -> Id {
        let index = self.params.len() as u32;
        let name = self.named(&param.key);
        let id = self.push(Draft {
            op: Some(Op::Param(index)),
            args: Vec::new(),
            shape: Some(Shape::plain(&param.dims)),
            name,
            span: param.span,
            result: false,
        });
        self.keys.insert(param.key.clone(), (id, explicit));
        self.params.push(param);
        id
    }

    /// A name that no node has yet: `wanted` itself, or `wanted_2`.
    pub fn named(&mut self, wanted: &str) -> String {
        if self.names.insert(wanted.to_owned()) {
            return wanted.to_owned();
        }
        self.generated(wanted)
    }

    /// A name made from an operation: `relu_1`.
    pub fn generated(&mut self, stem: &str) -> String {
        loop {
            let count = self.counters.entry(stem.to_owned()).or_insert(0);
            *count += 1;
            let name = format!("{stem}_{count}");
            if self.names.insert(name.clone()) {
                return name;
            }
        }
    }

    /// Whether no node has that name.
    pub fn free(&self, name: &str) -> bool {
        !self.names.contains(name)
    }

    /// Takes a name.
    pub fn take(&mut self, name: String) {
        self.names.insert(name);
    }

    /// Which nodes the outputs depend on.
    pub fn reachable(&self, outputs: &[(String, Id)]) -> Vec<bool> {
        let mut reached = vec![false; self.nodes.len()];
        for (_, id) in outputs {
            if let Some(flag) = reached.get_mut(id.index()) {
                *flag = true;
            }
        }
        for i in (0..self.nodes.len()).rev() {
            if reached[i] {
                for arg in &self.nodes[i].args {
                    reached[arg.index()] = true;
                }
            }
        }
        reached
    }

    /// The graph, without what no output needs; `None` if something in it is not known.
    pub fn finish(self, name: &str, outputs: Vec<(String, Id)>) -> Option<Graph> {
        let reached = self.reachable(&outputs);
        let mut places: Vec<Option<Value>> = vec![None; self.nodes.len()];
        let mut graph = Graph {
            name: name.to_owned(),
            nodes: Vec::new(),
            inputs: Vec::new(),
            consts: Vec::new(),
            params: Vec::new(),
            outputs: Vec::new(),
            weights: None,
            labels: None,
        };
        for (i, draft) in self.nodes.into_iter().enumerate() {
            // An input is part of how a program is called, used or not.
            if !reached[i] && !matches!(draft.op, Some(Op::Input(_))) {
                continue;
            }
            let value = Value(graph.nodes.len() as u32);
            let op = match draft.op? {
                Op::Input(index) => {
                    let input = self.inputs.get(index as usize)?;
                    graph.inputs.push(Input { value, ..input.clone() });
                    Op::Input(graph.inputs.len() as u32 - 1)
                }
                Op::Const(index) => {
                    graph.consts.push(self.consts.get(index as usize)?.clone());
                    Op::Const(graph.consts.len() as u32 - 1)
                }
                Op::Param(index) => {
                    graph.params.push(self.params.get(index as usize)?.clone());
                    Op::Param(graph.params.len() as u32 - 1)
                }
                op => op,
            };
            let args = draft.args.iter().map(|a| places.get(a.index()).copied().flatten());
            let args = args.collect::<Option<Vec<Value>>>()?;
            let ty = draft.shape?.concrete()?;
            places[i] = Some(value);
            graph.nodes.push(Node { op, args, ty, name: draft.name, span: draft.span });
        }
        for (name, id) in outputs {
            let value = places.get(id.index()).copied().flatten()?;
            graph.outputs.push(Output { name, value });
        }
        Some(graph)
    }
}
