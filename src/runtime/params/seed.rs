//! Initial values by a seed, as PyTorch initialises its layers.

use super::{Params, tensor};
use crate::diag::{Code, Diagnostic};
use crate::graph::{Graph, Param, ParamRole};

impl Params {
    /// Values from a seed; the same on every machine.
    ///
    /// Weights and biases are uniform in ±1/√fan_in, which is PyTorch's default (`kaiming_uniform_`
    /// with a = √5); batchnorm begins as γ = 1, β = 0, mean 0, variance 1, PReLU's slope as 0.25. A
    /// parameter's values depend on the seed and its key, not on the other layers.
    ///
    /// # Errors
    /// If memory does not suffice. Check [`Params::size_bytes`] against a limit first.
    pub fn seeded(graph: &Graph, seed: u64) -> Result<Params, Vec<Diagnostic>> {
        let tensors = graph.params.iter().map(|param| {
            initial(param, seed).ok_or_else(|| {
                let message = format!("there is not enough memory for `{}`", param.key);
                let diagnostic = Diagnostic::error(Code::ParamMemory, param.span, message);
                vec![diagnostic.note(format!("its shape is {:?}", param.dims))]
            })
        });
        Ok(Params { tensors: tensors.collect::<Result<_, _>>()? })
    }
}

fn initial(param: &Param, seed: u64) -> Option<crate::tensor::Tensor> {
    let value = match param.role {
        ParamRole::Weight { fan_in } | ParamRole::Bias { fan_in } => {
            let bound = (1.0 / (fan_in.max(1) as f64).sqrt()) as f32;
            let mut stream = Stream::new(seed, &param.key);
            return tensor(&param.dims, std::iter::from_fn(|| Some(stream.next_in(bound))));
        }
        ParamRole::Scale | ParamRole::Variance => 1.0,
        ParamRole::Shift | ParamRole::Mean => 0.0,
        ParamRole::Slope => 0.25,
    };
    tensor(&param.dims, std::iter::repeat(value))
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
pub(crate) struct Stream(u64);

impl Stream {
    /// A stream for a key: the seed mixed with the key's FNV-1a hash.
    pub(crate) fn new(seed: u64, key: &str) -> Stream {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let mut stream = Stream(seed);
        let mixed = stream.next();
        Stream(key.bytes().fold(mixed ^ 0xcbf2_9ce4_8422_2325, step))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `−bound .. bound`, in steps of 2⁻²³ of the bound: every step is exact in f32.
    fn next_in(&mut self, bound: f32) -> f32 {
        let unit = (self.next() >> 40) as f32 / (1u32 << 24) as f32;
        (2.0 * unit - 1.0) * bound
    }
}
