//! How weights begin.

use crate::graph::{Graph, Param, ParamRole};
use crate::runtime::params::Params;

/// Initial values of weights. Biases begin at 0 but in PyTorch's scheme; norms and slopes as always.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// What PyTorch's layers begin with: weights and biases uniform in ±1/√fan_in.
    PyTorch,
    /// He et al. 2015 for relu: weights uniform in ±√(6/fan_in).
    Kaiming,
    /// Glorot and Bengio 2010: weights uniform in ±√(6/(fan_in + fan_out)).
    Xavier,
    /// All weights the same.
    Constant(f32),
}

impl Init {
    /// The values for a graph, made of those that the seed gives in PyTorch's scheme: another bound scales them.
    pub(super) fn apply(self, graph: &Graph, seeded: &Params) -> Vec<Vec<f32>> {
        let params = graph.params.iter().zip(seeded.tensors());
        params.map(|(param, tensor)| self.values(param, tensor.data())).collect()
    }

    fn values(self, param: &Param, seeded: &[f32]) -> Vec<f32> {
        let scaled = |factor: f64| seeded.iter().map(|v| (f64::from(*v) * factor) as f32).collect();
        match (self, param.role) {
            (Init::PyTorch, _) => seeded.to_vec(),
            (Init::Kaiming, ParamRole::Weight { .. }) => scaled(6f64.sqrt()),
            (Init::Xavier, ParamRole::Weight { fan_in }) => {
                let outputs = seeded.len() as u64 / fan_in.max(1);
                let taps: u64 = param.dims.iter().skip(2).product();
                let (fan_in, fan_out) = (fan_in as f64, (outputs * taps) as f64);
                scaled((6.0 * fan_in / (fan_in + fan_out)).sqrt())
            }
            (Init::Constant(value), ParamRole::Weight { .. }) => vec![value; seeded.len()],
            (_, ParamRole::Bias { .. }) => vec![0.0; seeded.len()],
            _ => seeded.to_vec(),
        }
    }
}
