//! Lowered → Code.

use super::clif::Compiler;
use super::{Backend, BufferSizes, Code, CodeError, Function, Target, isa, x64};
use crate::kernels::cost::unit_cost;
use crate::kernels::ir::Kernel;
use crate::kernels::step::{Lowered, Step};
use crate::kernels::verify::verify;
use crate::target::{Isa, X64Level};

/// Makes machine code of kernels. The same program, target and emitter give the same bytes.
///
/// # Errors
///
/// Where the emitter does not make code for the target, or the program breaks an invariant.
pub fn assemble(lowered: &Lowered, target: &Target, backend: Backend) -> Result<Code, CodeError> {
    // Code is trusted to stay in its buffers: this is where that is found out.
    if let Some(problem) = verify(lowered).into_iter().next() {
        return Err(CodeError::bug(&problem.place, problem.what));
    }
    let costs = |steps: &[Step]| {
        let of = |step: &Step| step.nests.iter().map(|nest| unit_cost(nest, &lowered.kernels)).collect();
        steps.iter().map(of).collect()
    };
    Ok(Code {
        backend,
        target: *target,
        functions: kernels(lowered, target, backend)?,
        prepare: lowered.prepare.clone(),
        run: lowered.run.clone(),
        prepare_costs: costs(&lowered.prepare),
        run_costs: costs(&lowered.run),
        consts: lowered.consts.clone(),
        sizes: BufferSizes {
            packed: lowered.packed_bytes,
            arena: lowered.arena_bytes,
            local: lowered.local_bytes,
            inputs: lowered.input_bytes.clone(),
            outputs: lowered.output_bytes.clone(),
            params: lowered.param_bytes.clone(),
        },
    })
}

fn kernels(lowered: &Lowered, target: &Target, backend: Backend) -> Result<Vec<Function>, CodeError> {
    let symbol = |(number, kernel): (usize, &Kernel)| format!("k{number}_{}", symbol_part(&kernel.name));
    let kernels = || lowered.kernels.iter().enumerate().map(|pair| (symbol(pair), pair.1));
    match backend {
        Backend::Cranelift => {
            let isa = isa::target_isa(target)?;
            let mut compiler = Compiler::new();
            kernels().map(|(symbol, kernel)| compiler.kernel(&symbol, kernel, &*isa, target)).collect()
        }
        Backend::X64 if matches!(target.isa, Isa::X64(X64Level::Avx2 | X64Level::Avx512)) => kernels()
            .map(|(symbol, kernel)| {
                if kernel.wides > 0 && !target.has_wide() {
                    let what = format!("it has registers of 16 lanes, {target} has none");
                    return Err(CodeError::bug(&symbol, what));
                }
                x64::emit(kernel, symbol.clone(), x64::Abi::host())
                    .map_err(|error| CodeError::bug(&symbol, error.to_string()))
            })
            .collect(),
        Backend::X64 => {
            Err(CodeError::Unsupported(format!("the x64 emitter needs AVX2 and FMA, {target} has not both")))
        }
    }
}

/// A name as part of a symbol: letters, digits and underscores, at most 40.
fn symbol_part(name: &str) -> String {
    name.chars().take(40).map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
