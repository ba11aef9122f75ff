//! Why an ONNX file cannot be imported.

use std::fmt;

use crate::io::FileError;

/// Which node of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeName {
    /// Its place in the file, counted from 0.
    pub number: usize,
    /// Its name; empty where it has none.
    pub name: String,
    /// Its operator, with the domain where that is not ONNX's own.
    pub op: String,
}

/// `node 12 "conv1" (Conv)`; names are escaped.
impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {}", self.number)?;
        if !self.name.is_empty() {
            write!(f, " {:?}", self.name)?;
        }
        write!(f, " ({})", self.op.escape_debug())
    }
}

/// An operator that is not known, and how often it occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownOperator {
    /// The first node that uses it.
    pub first: NodeName,
    /// How many nodes use it.
    pub count: usize,
    /// Why it is left out, where there is a reason to give.
    pub why: Option<&'static str>,
}

/// Why an ONNX file cannot be imported.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OnnxError {
    /// The bytes are not a model, or contradict themselves.
    #[error("this is not a sound ONNX file: {0}")]
    Malformed(String),
    /// A limit on what untrusted files may ask for.
    #[error("{what} ask for {found}, and at most {limit} are allowed")]
    Limit {
        /// What is counted.
        what: String,
        /// How many the file asks for, as far as it was counted.
        found: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// Memory that was refused.
    #[error("there is no memory for its weights, up to {bytes} bytes")]
    Memory {
        /// What the weights take at the most.
        bytes: u64,
    },
    /// A file of external data.
    #[error("external data: {0}")]
    File(#[from] FileError),
    /// Operators of a version before 7, whose broadcasting was different.
    #[error(
        "the file uses version {version} of ONNX's operators, and versions before 7 are not read; \
         `onnx.version_converter.convert_version(model, 13)` in Python makes a newer one"
    )]
    OldOperators {
        /// The version.
        version: i64,
    },
    /// Operators that are not known.
    #[error("{}", unknown(.0))]
    Unknown(Vec<UnknownOperator>),
    /// A node that says something that cannot be expressed.
    #[error("{node}: {what}{}", other_nodes(*.others, &.node.op))]
    Unsupported {
        /// The node.
        node: NodeName,
        /// What is not supported, and why.
        what: String,
        /// How many other nodes have this operator.
        others: usize,
    },
    /// A node that breaks the rules of its operator.
    #[error("{node}: {what}")]
    Invalid {
        /// The node.
        node: NodeName,
        /// What is wrong.
        what: String,
    },
    /// A size that must be known.
    #[error("input {input:?}: the size {symbol:?} is open, and is needed to import the network")]
    OpenSize {
        /// The input.
        input: String,
        /// The symbol, as [`super::InputAxis::Open`] has it.
        symbol: String,
    },
    /// An input, or what was bound to it.
    #[error("input {input:?}: {what}")]
    Input {
        /// The input.
        input: String,
        /// What is wrong.
        what: String,
    },
    /// An output that cannot be given.
    #[error("output {output:?}: {what}")]
    Output {
        /// The output.
        output: String,
        /// What is wrong.
        what: String,
    },
}

fn other_nodes(count: usize, op: &str) -> String {
    match count {
        0 => String::new(),
        1 => format!(" (1 other node is {})", op.escape_debug()),
        n => format!(" ({n} other nodes are {})", op.escape_debug()),
    }
}

fn unknown(kinds: &[UnknownOperator]) -> String {
    let mut text = String::from("operators that cannot be imported:");
    for (i, kind) in kinds.iter().enumerate() {
        let sep = if i == 0 { " " } else { "; " };
        text.push_str(&format!("{sep}{}", kind.first));
        match kind.count {
            0 | 1 => {}
            2 => text.push_str(" and 1 other"),
            n => text.push_str(&format!(" and {} others", n - 1)),
        }
        if let Some(why) = kind.why {
            text.push_str(&format!(": {why}"));
        }
    }
    text
}
