//! What decoding an ONNX file will take in memory, found without decoding it.
//!
//! In protobuf a message of two bytes becomes a structure of hundreds, so a file's size alone bounds
//! nothing useful. This walks the fields that [`super::proto`] reads and adds up what they become.

use std::mem::size_of;

use super::error::OnnxError;
use super::proto::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetId, StringStringEntry,
    TensorProto, ValueInfoProto,
};
use crate::limits;

/// The messages that repeat.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    /// One without repeated fields, of so many bytes.
    Leaf(usize),
}

/// What a field of a message holds.
enum Field {
    Message(Message),
    Text,
    /// Numbers, each of so many bytes in memory.
    Numbers(u64),
    /// Not read, or a single number.
    Other,
}

impl Message {
    fn size(self) -> u64 {
        let size = match self {
            Message::Model => size_of::<ModelProto>(),
            Message::Graph => size_of::<GraphProto>(),
            Message::Node => size_of::<NodeProto>(),
            Message::Attribute => size_of::<AttributeProto>(),
            Message::Tensor => size_of::<TensorProto>(),
            Message::ValueInfo => size_of::<ValueInfoProto>(),
            Message::Type | Message::TensorType | Message::Shape => 0,
            Message::Leaf(size) => size,
        };
        size as u64
    }

    fn field(self, number: u64) -> Field {
        match (self, number) {
            (Message::Model, 7) => Field::Message(Message::Graph),
            (Message::Model, 8) => Field::Message(Message::Leaf(size_of::<OperatorSetId>())),
            (Message::Model, 25) => Field::Message(Message::Leaf(size_of::<FunctionProto>())),
            (Message::Graph, 1) => Field::Message(Message::Node),
            (Message::Graph, 5) | (Message::Attribute, 5) => Field::Message(Message::Tensor),
            (Message::Graph, 11..=13) => Field::Message(Message::ValueInfo),
            (Message::Node, 1 | 2) | (Message::Attribute, 9) => Field::Text,
            (Message::Node, 5) => Field::Message(Message::Attribute),
            (Message::Attribute, 7) | (Message::Tensor, 4 | 5) => Field::Numbers(4),
            (Message::Attribute, 8) | (Message::Tensor, 1 | 7 | 10 | 11) => Field::Numbers(8),
            (Message::Tensor, 13) => Field::Message(Message::Leaf(size_of::<StringStringEntry>())),
            (Message::ValueInfo, 2) => Field::Message(Message::Type),
            (Message::Type, 1) => Field::Message(Message::TensorType),
            (Message::TensorType, 2) => Field::Message(Message::Shape),
            // `Dimension`: a number and a string.
            (Message::Shape, 1) => Field::Message(Message::Leaf(40)),
            _ => Field::Other,
        }
    }
}

struct Walk {
    limit: u64,
    bytes: u64,
    nodes: u64,
}

/// Checks that a file will decode within the limits.
///
/// # Errors
/// If the fields do not fit into each other, there are too many nodes, or decoding would take more
/// memory than the file's size justifies.
pub fn check(bytes: &[u8]) -> Result<(), OnnxError> {
    let limit =
        (bytes.len() as u64).saturating_mul(limits::ONNX_RATIO).saturating_add(limits::ONNX_FREE_BYTES);
    Walk { limit, bytes: 0, nodes: 0 }.message(Message::Model, bytes)
}

impl Walk {
    // Messages nest as `Message::field` says, six deep at the most.
    fn message(&mut self, kind: Message, mut bytes: &[u8]) -> Result<(), OnnxError> {
        // A vector that grows holds up to twice what is in it.
        self.take(kind.size().saturating_mul(2))?;
        while !bytes.is_empty() {
            let tag = varint(&mut bytes)?;
            let field = kind.field(tag >> 3);
            match tag & 7 {
                0 => {
                    varint(&mut bytes)?;
                    if let Field::Numbers(size) = field {
                        self.take(2 * size)?;
                    }
                }
                1 | 5 => {
                    skip(&mut bytes, if tag & 7 == 1 { 8 } else { 4 })?;
                    if let Field::Numbers(size) = field {
                        self.take(2 * size)?;
                    }
                }
                2 => {
                    let length = varint(&mut bytes)?;
                    let part = skip(&mut bytes, length)?;
                    match field {
                        Field::Message(inner) => {
                            if matches!(inner, Message::Node) {
                                self.node()?;
                            }
                            self.message(inner, part)?;
                        }
                        Field::Text => self.take(length.saturating_add(2 * size_of::<String>() as u64))?,
                        // At the worst a number is a byte.
                        Field::Numbers(size) => self.take(length.saturating_mul(size))?,
                        Field::Other => self.take(length)?,
                    }
                }
                other => {
                    return Err(malformed(format!("a field has the kind {other}, which ONNX does not use")));
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: u64) -> Result<(), OnnxError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limit {
            let what = "bytes of memory to decode the file".to_owned();
            return Err(OnnxError::Limit { what, found: self.bytes, limit: self.limit });
        }
        Ok(())
    }

    fn node(&mut self) -> Result<(), OnnxError> {
        self.nodes += 1;
        if self.nodes > limits::ONNX_NODES {
            let what = "the nodes of the graph".to_owned();
            return Err(OnnxError::Limit { what, found: self.nodes, limit: limits::ONNX_NODES });
        }
        Ok(())
    }
}

pub(super) fn malformed(what: impl Into<String>) -> OnnxError {
    OnnxError::Malformed(what.into())
}

/// Takes a number from the front.
pub(super) fn varint(bytes: &mut &[u8]) -> Result<u64, OnnxError> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let Some((&byte, rest)) = bytes.split_first() else { break };
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(malformed("it ends within a number, or is no protobuf at all"))
}

/// Takes so many bytes from the front.
pub(super) fn skip<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], OnnxError> {
    let split = usize::try_from(length).ok().and_then(|n| bytes.split_at_checked(n));
    let (part, rest) = split.ok_or_else(|| malformed("it ends within a field: it is cut off"))?;
    *bytes = rest;
    Ok(part)
}
