//! What a unit of a step costs, for splitting steps among threads.
//!
//! Counts of loops are arguments, so the operations of a call are known before it runs. Memory is not looked
//! at: the units of a nest walk it alike.

use super::ir::{Arg, Count, Inst, Kernel, LANES, Stmt, VecBinary, VecUnary, WideInst};
use super::step::{Call, CallArg, Nest};

/// The cost of a call itself: arguments stored, a frame made.
const CALL: u64 = 20;

/// About how many vector operations a unit of a nest takes; at least 1.
pub fn unit_cost(nest: &Nest, kernels: &[Kernel]) -> u64 {
    let calls = nest.calls.iter().map(|call| {
        let kernel = kernels.get(call.kernel.0 as usize);
        kernel.map_or(0, |kernel| body(&kernel.body, kernel, call)).saturating_add(CALL)
    });
    let inner = nest.inner.iter().map(|inner| inner.units().saturating_mul(unit_cost(inner, kernels)));
    calls.chain(inner).fold(0, u64::saturating_add).max(1)
}

fn body(statements: &[Stmt], kernel: &Kernel, call: &Call) -> u64 {
    statements.iter().map(|statement| cost(statement, kernel, call)).fold(0, u64::saturating_add)
}

fn cost(statement: &Stmt, kernel: &Kernel, call: &Call) -> u64 {
    match statement {
        Stmt::Inst(inst) => operation(inst),
        Stmt::Loop { count, body: inner } => {
            times(*count, kernel, call).saturating_mul(body(inner, kernel, call).saturating_add(1))
        }
        // A scalar operation, beside the vector operations.
        Stmt::Advance { .. } | Stmt::Lookup { .. } => 0,
    }
}

fn times(count: Count, kernel: &Kernel, call: &Call) -> u64 {
    match count {
        Count::Static(n) => u64::from(n),
        Count::Int(int) => {
            let at = int.0 as usize;
            match (kernel.args.get(at), call.args.get(at)) {
                (Some(Arg::Int), Some(CallArg::Int(n))) => u64::try_from(*n).unwrap_or(0),
                _ => 0,
            }
        }
    }
}

fn operation(inst: &Inst) -> u64 {
    match inst {
        Inst::LoadStrided { lanes, .. } | Inst::StoreStrided { lanes, .. } => u64::from(*lanes),
        Inst::Gather { .. } | Inst::Transpose { .. } => LANES as u64,
        Inst::Wide(WideInst::Transpose { .. }) => 2 * LANES as u64,
        Inst::Binary { op: VecBinary::Div, .. } | Inst::Unary { op: VecUnary::Sqrt, .. } => 5,
        Inst::Unary { op: VecUnary::SumLanes | VecUnary::MaxLanes, .. } => 6,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::build::KernelBuilder;
    use crate::kernels::ir::Spills;
    use crate::kernels::step::{Base, KernelId};

    #[test]
    fn loops_count_by_their_arguments() {
        let mut k = KernelBuilder::new("sum");
        let x = k.ptr_arg();
        let count = k.int_arg();
        let sum = k.splat(0.0);
        k.repeat(Count::Int(count), |k| {
            k.repeat(Count::Static(3), |k| {
                let value = k.load(x.at(0), LANES);
                k.binary_to(VecBinary::Div, sum, sum, value);
            });
        });
        k.store(x.at(0), sum, LANES);
        let kernels = [k.finish(Spills::Allowed)];
        let nest = |counts: &[i64]| {
            let call = |n: &i64| Call {
                kernel: KernelId(0),
                args: vec![
                    CallArg::Ptr { base: Base::Arena, offset: 0, strides: vec![], tables: vec![] },
                    CallArg::Int(*n),
                ],
            };
            Nest::new(Vec::new(), counts.iter().map(call).collect())
        };
        // A splat and a store; an iteration outside 1 + 3 · (1 + load + division).
        assert_eq!(unit_cost(&nest(&[0]), &kernels), CALL + 2);
        assert_eq!(unit_cost(&nest(&[10]), &kernels), CALL + 2 + 10 * (1 + 3 * 7));
        assert_eq!(unit_cost(&nest(&[10, 0]), &kernels), 2 * (CALL + 2) + 220);
        assert_eq!(unit_cost(&nest(&[i64::MAX]), &kernels), u64::MAX);
        assert_eq!(unit_cost(&Nest::new(Vec::new(), Vec::new()), &kernels), 1);
        let inner = |count| Nest { dims: vec![2, 3], ..nest(&[count]) };
        let around = Nest::around(vec![5], vec![inner(0), inner(10)]);
        assert_eq!(unit_cost(&around, &kernels), 6 * (2 * (CALL + 2) + 220));
    }
}
