//! Constants of an ONNX graph: numbers with a shape.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use half::{bf16, f16};

use super::proto::TensorProto;
use crate::limits;
use crate::pages::large_vec;
use crate::tensor::Tensor;

/// A tensor that is known at import. Invariant: there are as many elements as the axes say.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    dims: Vec<u64>,
    data: Elements,
}

/// The elements of a [`Constant`], row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// Floating point of any width, as f32. The tensor has the constant's axes.
    F32(Arc<Tensor>),
    /// Integers of any width.
    I64(Vec<i64>),
    /// Truth values.
    Bool(Vec<bool>),
}

/// What elements are, as far as ONNX's types are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Floating point.
    Float,
    /// Integers.
    Whole,
    /// Truth values.
    Bool,
}

/// What a `data_type` of ONNX is; none for strings, complex numbers and types of fewer than 8 bits.
pub fn kind_of(data_type: i32) -> Option<Kind> {
    match data_type {
        1 | 10 | 11 | 16 => Some(Kind::Float),
        2..=7 | 12 | 13 => Some(Kind::Whole),
        9 => Some(Kind::Bool),
        _ => None,
    }
}

/// The product of axes, where it fits.
pub fn count(dims: &[u64]) -> Option<u64> {
    dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d))
}

/// Axes as a tensor has them.
fn shape(dims: &[u64]) -> Option<Vec<usize>> {
    dims.iter().map(|&d| usize::try_from(d).ok()).collect()
}

impl Constant {
    /// Floating point numbers; `None` if they are not as many as the axes say.
    pub fn floats(dims: &[u64], data: Vec<f32>) -> Option<Constant> {
        let tensor = Tensor::new(&shape(dims)?, data).ok()?;
        Some(Constant { dims: dims.to_vec(), data: Elements::F32(Arc::new(tensor)) })
    }

    /// Numbers of f32 that stay in a file; `None` if they are not as many as the axes say.
    fn in_file(dims: &[u64], bytes: Bytes) -> Option<Constant> {
        Some(Constant::from_tensor(Arc::new(Tensor::in_file(&shape(dims)?, bytes)?)))
    }

    /// Integers; `None` if they are not as many as the axes say.
    pub fn whole(dims: &[u64], data: Vec<i64>) -> Option<Constant> {
        let fits = count(dims) == Some(data.len() as u64);
        fits.then(|| Constant { dims: dims.to_vec(), data: Elements::I64(data) })
    }

    /// Truth values; `None` if they are not as many as the axes say.
    pub fn bools(dims: &[u64], data: Vec<bool>) -> Option<Constant> {
        let fits = count(dims) == Some(data.len() as u64);
        fits.then(|| Constant { dims: dims.to_vec(), data: Elements::Bool(data) })
    }

    /// A tensor of f32.
    pub fn from_tensor(tensor: Arc<Tensor>) -> Constant {
        let dims = tensor.shape().iter().map(|&d| d as u64).collect();
        Constant { dims, data: Elements::F32(tensor) }
    }

    /// Integers along one axis.
    pub fn list(data: Vec<i64>) -> Constant {
        Constant { dims: vec![data.len() as u64], data: Elements::I64(data) }
    }

    /// Its axes; none for a scalar.
    pub fn dims(&self) -> &[u64] {
        &self.dims
    }

    /// Its elements.
    pub fn data(&self) -> &Elements {
        &self.data
    }

    /// What its elements are.
    pub fn kind(&self) -> Kind {
        match self.data {
            Elements::F32(_) => Kind::Float,
            Elements::I64(_) => Kind::Whole,
            Elements::Bool(_) => Kind::Bool,
        }
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        match &self.data {
            Elements::F32(t) => t.len(),
            Elements::I64(v) => v.len(),
            Elements::Bool(v) => v.len(),
        }
    }

    /// Whether it has no elements, as the unused `roi` of a `Resize`.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of its elements in memory.
    pub fn bytes(&self) -> u64 {
        let each = match self.data {
            Elements::F32(_) => 4,
            Elements::I64(_) => 8,
            Elements::Bool(_) => 1,
        };
        (self.len() as u64).saturating_mul(each)
    }

    /// Its elements as f32, whatever they are.
    pub fn to_floats(&self) -> Cow<'_, [f32]> {
        match &self.data {
            Elements::F32(t) => Cow::Borrowed(t.data()),
            Elements::I64(v) => Cow::Owned(v.iter().map(|&v| v as f32).collect()),
            Elements::Bool(v) => Cow::Owned(v.iter().map(|&v| f32::from(u8::from(v))).collect()),
        }
    }

    /// Its elements where they are integers.
    pub fn integers(&self) -> Option<&[i64]> {
        match &self.data {
            Elements::I64(v) => Some(v),
            _ => None,
        }
    }

    /// Its tensor where it is floating point.
    pub fn tensor(&self) -> Option<&Arc<Tensor>> {
        match &self.data {
            Elements::F32(t) => Some(t),
            _ => None,
        }
    }

    /// Its one element as a number, if it has exactly one.
    pub fn scalar(&self) -> Option<f32> {
        match (&self.data, self.len()) {
            (Elements::F32(t), 1) => t.data().first().copied(),
            (Elements::I64(v), 1) => v.first().map(|&v| v as f32),
            (Elements::Bool(v), 1) => v.first().map(|&v| f32::from(u8::from(v))),
            _ => None,
        }
    }

    /// The same elements under other axes; `None` if these are not as many.
    pub fn reshaped(&self, dims: &[u64]) -> Option<Constant> {
        if dims == self.dims {
            return Some(self.clone());
        }
        match &self.data {
            Elements::F32(t) => {
                let tensor = Tensor::clone(t).reshape(&shape(dims)?).ok()?;
                Some(Constant::from_tensor(Arc::new(tensor)))
            }
            Elements::I64(v) => Constant::whole(dims, v.clone()),
            Elements::Bool(v) => Constant::bools(dims, v.clone()),
        }
    }

    /// The elements at `offset + Σ index·stride`, for every index below `dims`. `None` if one does not exist.
    pub fn view(&self, dims: &[u64], strides: &[i64], offset: i64) -> Option<Constant> {
        match &self.data {
            Elements::F32(t) => {
                // Where they lie: weights that are transposed are large.
                let raw = t.raw();
                Constant::floats(dims, pick(|at| raw.get(at), dims, strides, offset)?)
            }
            Elements::I64(v) => Constant::whole(dims, pick(|at| v.get(at).copied(), dims, strides, offset)?),
            Elements::Bool(v) => Constant::bools(dims, pick(|at| v.get(at).copied(), dims, strides, offset)?),
        }
    }

    /// Row-major strides of its axes.
    pub fn strides(&self) -> Vec<i64> {
        row_major(&self.dims)
    }
}

/// The strides of dense axes. Those of tensors that exist fit.
pub fn row_major(dims: &[u64]) -> Vec<i64> {
    let mut step = 1i64;
    let mut strides: Vec<i64> = dims
        .iter()
        .rev()
        .map(|&d| {
            let own = step;
            step = step.saturating_mul(i64::try_from(d).unwrap_or(i64::MAX));
            own
        })
        .collect();
    strides.reverse();
    strides
}

fn pick<T: Copy>(
    data: impl Fn(usize) -> Option<T>,
    dims: &[u64],
    strides: &[i64],
    offset: i64,
) -> Option<Vec<T>> {
    let total = usize::try_from(count(dims)?).ok()?;
    let mut out = large_vec(total)?;
    let mut index = vec![0u64; dims.len()];
    let mut at = offset;
    while out.len() < total {
        out.push(data(usize::try_from(at).ok()?)?);
        // An odometer: the last axis turns fastest.
        for axis in (0..dims.len()).rev() {
            let (i, d, s) = (index.get_mut(axis)?, *dims.get(axis)?, *strides.get(axis)?);
            *i += 1;
            at = at.checked_add(s)?;
            if *i < d {
                break;
            }
            *i = 0;
            at = at.checked_sub(s.checked_mul(i64::try_from(d).ok()?)?)?;
        }
    }
    Some(out)
}

/// Bytes of an element in `raw_data`.
fn width(data_type: i32) -> usize {
    match data_type {
        2 | 3 | 9 => 1,
        4 | 5 | 10 | 16 => 2,
        1 | 6 | 12 => 4,
        _ => 8,
    }
}

/// The axes and the number of bytes that the elements take in `raw_data`.
///
/// # Errors
/// If an axis is negative or too long.
pub fn extent(proto: &TensorProto) -> Result<(Vec<u64>, u64), String> {
    if proto.dims.len() > limits::RANK * 2 {
        return Err(format!("has {} axes, and at most {} are read", proto.dims.len(), limits::RANK * 2));
    }
    let dims: Option<Vec<u64>> = proto.dims.iter().map(|&d| u64::try_from(d).ok()).collect();
    let dims = dims.ok_or_else(|| format!("has a negative axis: {:?}", proto.dims))?;
    let elements = count(&dims).filter(|&n| n <= limits::ELEMENTS);
    let elements = elements.ok_or_else(|| format!("is too large: {:?}", proto.dims))?;
    Ok((dims, elements * width(proto.data_type.unwrap_or(0)) as u64))
}

/// Reads a tensor's elements; `elsewhere` replaces what the message holds, and f32 stay where they lie there. `None` if
/// they are of a type that is not read, such as strings.
///
/// # Errors
/// If there are not as many elements as the axes say. The text goes after the tensor's name.
pub fn decode(proto: TensorProto, elsewhere: Option<Bytes>) -> Result<Option<Constant>, String> {
    let data_type = proto.data_type.unwrap_or(0);
    let Some(kind) = kind_of(data_type) else { return Ok(None) };
    let (dims, bytes) = extent(&proto)?;
    let (size, proto_dims) = (width(data_type), proto.dims.clone());
    let wrong = |found: usize, what: &str| {
        format!(
            "has {found} {what}, and its axes {proto_dims:?} ask for {}",
            match what {
                "bytes" => bytes,
                _ => bytes / size as u64,
            }
        )
    };
    let raw = elsewhere.as_deref().or(proto.raw_data.as_deref());
    if let Some(raw) = raw.filter(|raw| raw.len() as u64 != bytes) {
        return Err(wrong(raw.len(), "bytes"));
    }
    if let Some(raw) = elsewhere.as_ref().filter(|_| data_type == 1) {
        let constant = Constant::in_file(&dims, raw.clone());
        return constant.map(Some).ok_or_else(|| wrong(raw.len(), "bytes"));
    }
    let constant = match (kind, raw) {
        (Kind::Float, Some(raw)) => {
            let data = large_vec(raw.len() / width(data_type));
            let mut data = data.ok_or_else(|| format!("has {bytes} bytes, more than the memory holds"))?;
            push_floats(data_type, raw, &mut data);
            Constant::floats(&dims, data)
        }
        (Kind::Float, None) => {
            let data: Vec<f32> = match data_type {
                1 => proto.float_data,
                11 => proto.double_data.iter().map(|&v| v as f32).collect(),
                10 => proto.int32_data.iter().map(|&v| f16::from_bits(v as u16).to_f32()).collect(),
                _ => proto.int32_data.iter().map(|&v| bf16::from_bits(v as u16).to_f32()).collect(),
            };
            let found = data.len();
            return Constant::floats(&dims, data).map(Some).ok_or_else(|| wrong(found, "elements"));
        }
        (_, raw) => {
            let data: Vec<i64> = match raw {
                Some(raw) => integers_of(data_type, raw),
                None => match data_type {
                    7 => proto.int64_data,
                    12 | 13 => {
                        proto.uint64_data.iter().map(|&v| i64::try_from(v).unwrap_or(i64::MAX)).collect()
                    }
                    _ => proto.int32_data.iter().map(|&v| i64::from(v)).collect(),
                },
            };
            let found = data.len();
            let made = if kind == Kind::Bool {
                Constant::bools(&dims, data.iter().map(|&v| v != 0).collect())
            } else {
                Constant::whole(&dims, data)
            };
            return made.map(Some).ok_or_else(|| wrong(found, "elements"));
        }
    };
    constant.map(Some).ok_or_else(|| "has another number of elements than its axes say".to_owned())
}

fn push_floats(data_type: i32, raw: &[u8], data: &mut Vec<f32>) {
    match data_type {
        1 => data.extend(raw.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b))),
        11 => data.extend(raw.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32)),
        10 => data.extend(raw.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32())),
        _ => data.extend(raw.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32())),
    }
}

fn integers_of(data_type: i32, raw: &[u8]) -> Vec<i64> {
    match data_type {
        2 | 9 => raw.iter().map(|&b| i64::from(b)).collect(),
        3 => raw.iter().map(|&b| i64::from(b as i8)).collect(),
        4 => raw.as_chunks().0.iter().map(|&b| i64::from(u16::from_le_bytes(b))).collect(),
        5 => raw.as_chunks().0.iter().map(|&b| i64::from(i16::from_le_bytes(b))).collect(),
        6 => raw.as_chunks().0.iter().map(|&b| i64::from(i32::from_le_bytes(b))).collect(),
        12 => raw.as_chunks().0.iter().map(|&b| i64::from(u32::from_le_bytes(b))).collect(),
        13 => {
            let chunks = raw.as_chunks().0.iter();
            chunks.map(|&b| i64::try_from(u64::from_le_bytes(b)).unwrap_or(i64::MAX)).collect()
        }
        _ => raw.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)).collect(),
    }
}
