//! The elements of large tensors, left where they lie.
//!
//! Nearly all bytes of a network are `raw_data` of its initialisers. A decoder of protobuf copies or keeps them; here
//! the file is written anew without them, which takes next to nothing, and each is a slice of the file beside it.

use bytes::Bytes;

use super::error::OnnxError;
use super::wire::{malformed, skip, varint};

/// Elements of fewer bytes stay in the file.
const LARGE: usize = 4096;

/// A file without its large elements.
#[derive(Debug, Default)]
pub(super) struct Light {
    /// An ONNX model still.
    pub bytes: Vec<u8>,
    /// The elements that were taken out: of which initialiser, in their order.
    pub raw: Vec<Option<Bytes>>,
}

/// Field numbers: of a model's graph, a graph's initialisers, a tensor's elements as bytes.
const GRAPH: u64 = 7;
const INITIALISER: u64 = 5;
const RAW_DATA: u64 = 9;

/// Takes the large elements out.
///
/// # Errors
/// If the fields do not fit into each other.
pub(super) fn lighten(model: &Bytes) -> Result<Light, OnnxError> {
    let mut raw = Vec::new();
    let bytes = rewrite(model, GRAPH, |graph, out| {
        let graph = rewrite(graph, INITIALISER, |tensor, out| {
            let mut large = None;
            let tensor = rewrite(tensor, RAW_DATA, |data, out| {
                // Of a field that occurs more than once, the last counts.
                large = (data.len() >= LARGE).then(|| model.slice_ref(data));
                write(RAW_DATA, if large.is_some() { &[] } else { data }, out);
                Ok(())
            })?;
            raw.push(large);
            write(INITIALISER, &tensor, out);
            Ok(())
        })?;
        write(GRAPH, &graph, out);
        Ok(())
    })?;
    Ok(Light { bytes, raw })
}

/// A message with each field `number` that has a length replaced by what `replace` writes, all others as they are.
fn rewrite<'a>(
    mut message: &'a [u8],
    number: u64,
    mut replace: impl FnMut(&'a [u8], &mut Vec<u8>) -> Result<(), OnnxError>,
) -> Result<Vec<u8>, OnnxError> {
    let mut out = Vec::new();
    while !message.is_empty() {
        let field = message;
        let tag = varint(&mut message)?;
        let part = match tag & 7 {
            0 => {
                varint(&mut message)?;
                None
            }
            1 => Some(skip(&mut message, 8)?),
            5 => Some(skip(&mut message, 4)?),
            2 => {
                let length = varint(&mut message)?;
                Some(skip(&mut message, length)?)
            }
            other => return Err(malformed(format!("a field has the kind {other}, which ONNX does not use"))),
        };
        match part {
            Some(part) if tag == number << 3 | 2 => replace(part, &mut out)?,
            _ => out.extend_from_slice(field.get(..field.len() - message.len()).unwrap_or(field)),
        }
    }
    Ok(out)
}

/// Writes a field with a length.
fn write(number: u64, bytes: &[u8], out: &mut Vec<u8>) {
    prost::encoding::encode_varint(number << 3 | 2, out);
    prost::encoding::encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::onnx::proto::{GraphProto, ModelProto, NodeProto, TensorProto};

    fn tensor(name: &str, bytes: usize) -> TensorProto {
        let raw: Vec<u8> = (0..bytes).map(|i| i as u8).collect();
        TensorProto {
            name: Some(name.to_owned()),
            data_type: Some(1),
            dims: vec![bytes as i64 / 4],
            raw_data: (bytes > 0).then(|| raw.into()),
            ..TensorProto::default()
        }
    }

    #[test]
    fn what_is_taken_out_and_what_stays_are_the_file() {
        let graph = GraphProto {
            initializer: vec![tensor("a", 8192), tensor("b", 8), tensor("c", 0), tensor("d", LARGE)],
            node: vec![NodeProto { op_type: Some("Relu".to_owned()), ..NodeProto::default() }],
            ..GraphProto::default()
        };
        let model = ModelProto { graph: Some(graph), ..ModelProto::default() };
        let file = Bytes::from(model.encode_to_vec());
        let light = lighten(&file).expect("it is sound");
        assert!(light.bytes.len() < 256);
        assert_eq!(
            light.raw.iter().map(|r| r.as_ref().map(Bytes::len)).collect::<Vec<_>>(),
            [Some(8192), None, None, Some(LARGE)]
        );
        let mut again = ModelProto::decode(&light.bytes[..]).expect("it is sound");
        for (tensor, raw) in
            again.graph.as_mut().expect("it has a graph").initializer.iter_mut().zip(&light.raw)
        {
            if let Some(raw) = raw {
                tensor.raw_data = Some(raw.clone());
            }
        }
        assert_eq!(again, model);
    }

    #[test]
    fn of_elements_that_are_given_twice_the_last_count() {
        let twice = |first: usize, last: usize| {
            let tensor = [tensor("a", first).encode_to_vec(), tensor("a", last).encode_to_vec()].concat();
            let (mut graph, mut model) = (Vec::new(), Vec::new());
            write(INITIALISER, &tensor, &mut graph);
            write(GRAPH, &graph, &mut model);
            let light = lighten(&model.into()).expect("it is sound");
            let read =
                ModelProto::decode(&light.bytes[..]).expect("it is sound").graph.expect("it has a graph");
            let kept = read.initializer[0].raw_data.as_ref().map(|raw| raw.len());
            (light.raw[0].as_ref().map(Bytes::len), kept)
        };
        assert_eq!(twice(8192, 8), (None, Some(8)));
        assert_eq!(twice(8, 8192), (Some(8192), Some(0)));
        assert_eq!(twice(8192, LARGE), (Some(LARGE), Some(0)));
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        let graph = GraphProto { initializer: vec![tensor("a", 8192)], ..GraphProto::default() };
        let file = ModelProto { graph: Some(graph), ..ModelProto::default() }.encode_to_vec();
        let file = Bytes::from(file);
        assert!(lighten(&file.slice(..file.len() - 1)).is_err());
    }
}
