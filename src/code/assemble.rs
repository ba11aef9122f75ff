//! Lowered → Code.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::clif::Compiler;
use super::{Backend, BufferSizes, Code, CodeError, Function, Target, isa, x64};
use crate::kernels::cost::unit_cost;
use crate::kernels::ir::Kernel;
use crate::kernels::step::{Lowered, Step};
use crate::kernels::verify::verify;
use crate::target::{Isa, X64Level};

/// Kernels that are worth a thread: as many as are emitted while one starts.
const KERNELS_A_THREAD: usize = 8;

/// Makes machine code of kernels. The same program, target and emitter give the same bytes.
///
/// # Errors
///
/// Where the emitter does not make code for the target, or the program breaks an invariant.
pub fn assemble(lowered: &Lowered, target: &Target, backend: Backend) -> Result<Code, CodeError> {
    assemble_on(1, lowered, target, backend)
}

/// As [`assemble`], on up to so many threads, the calling one included. The bytes are the same.
///
/// # Errors
///
/// As [`assemble`].
pub fn assemble_on(
    threads: usize,
    lowered: &Lowered,
    target: &Target,
    backend: Backend,
) -> Result<Code, CodeError> {
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
        functions: kernels(threads, lowered, target, backend)?,
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

fn kernels(
    threads: usize,
    lowered: &Lowered,
    target: &Target,
    backend: Backend,
) -> Result<Vec<Function>, CodeError> {
    let symbol = |number: usize, kernel: &Kernel| format!("k{number}_{}", symbol_part(&kernel.name));
    match backend {
        Backend::Cranelift => {
            let isa = isa::target_isa(target)?;
            let mut compiler = Compiler::new();
            let kernels = lowered.kernels.iter().enumerate();
            kernels
                .map(|(number, kernel)| compiler.kernel(&symbol(number, kernel), kernel, &*isa, target))
                .collect()
        }
        Backend::X64 if matches!(target.isa, Isa::X64(X64Level::Avx2 | X64Level::Avx512)) => {
            each(threads, &lowered.kernels, |number, kernel| {
                let symbol = symbol(number, kernel);
                if kernel.wides > 0 && !target.has_wide() {
                    let what = format!("it has registers of 16 lanes, {target} has none");
                    return Err(CodeError::bug(&symbol, what));
                }
                x64::emit(kernel, symbol.clone(), x64::Abi::host())
                    .map_err(|error| CodeError::bug(&symbol, error.to_string()))
            })
        }
        Backend::X64 => {
            Err(CodeError::Unsupported(format!("the x64 emitter needs AVX2 and FMA, {target} has not both")))
        }
    }
}

/// What `emit` makes of each kernel, in their order; the first error, where there are some. Each thread takes the next
/// kernel that none has, as their sizes differ.
fn each(
    threads: usize,
    kernels: &[Kernel],
    emit: impl Fn(usize, &Kernel) -> Result<Function, CodeError> + Sync,
) -> Result<Vec<Function>, CodeError> {
    let helpers = threads.min(kernels.len() / KERNELS_A_THREAD).saturating_sub(1);
    if helpers == 0 {
        return kernels.iter().enumerate().map(|(number, kernel)| emit(number, kernel)).collect();
    }
    let next = AtomicUsize::new(0);
    let made = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(kernel) = kernels.get(number) else { return };
            let function = emit(number, kernel);
            made.lock().unwrap_or_else(PoisonError::into_inner).insert(number, function);
        }
    };
    thread::scope(|scope| {
        for _ in 0..helpers {
            // Where the system refuses a thread, the others do its share.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    made.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// A name as part of a symbol: letters, digits and underscores, at most 40.
fn symbol_part(name: &str) -> String {
    name.chars().take(40).map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
