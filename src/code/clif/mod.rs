//! The Cranelift emitter: f32x4 on any host.
//!
//! A vector register is two `f32x4` variables, lanes 0 to 3 and 4 to 7; a pointer is an `i64`. Constants
//! stand behind the function's code, and nothing else is referred to:
//! what Cranelift would turn into a library call (multiply-add without hardware, roundings without SSE4.1)
//! is not asked for.

mod emit;
mod lanes;
#[cfg(test)]
mod tests;

use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{AbiParam, Function as ClifFunction, Signature, SourceLoc, UserFuncName, types};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

use super::{CodeError, Function, Target, isa};
use crate::kernels::ir::Kernel;

/// Compiles functions one after the other in the same memory.
pub(super) struct Compiler {
    context: Context,
    builder: FunctionBuilderContext,
    control: ControlPlane,
}

impl Compiler {
    pub(super) fn new() -> Compiler {
        Compiler {
            context: Context::new(),
            builder: FunctionBuilderContext::new(),
            control: ControlPlane::default(),
        }
    }

    /// Builds a function with `build` and compiles it.
    fn compile(
        &mut self,
        symbol: &str,
        isa: &dyn TargetIsa,
        params: &[types::Type],
        build: impl FnOnce(&mut FunctionBuilder<'_>) -> Result<(), CodeError>,
    ) -> Result<Function, CodeError> {
        self.build(symbol, isa, params, |builder| {
            // Marks every instruction: where they end is read from Cranelift's table of locations.
            builder.set_srcloc(SourceLoc::new(1));
            build(builder)
        })?;
        self.context
            .compile(isa, &mut self.control)
            .map_err(|error| CodeError::bug(symbol, format!("{}\n{}", error.inner, error.func.display())))?;
        self.take(symbol, isa)
    }

    /// Builds a function in `self.context`.
    fn build(
        &mut self,
        symbol: &str,
        isa: &dyn TargetIsa,
        params: &[types::Type],
        build: impl FnOnce(&mut FunctionBuilder<'_>) -> Result<(), CodeError>,
    ) -> Result<(), CodeError> {
        self.context.clear();
        self.context.func =
            ClifFunction::with_name_signature(UserFuncName::default(), signature(isa, params));
        let mut builder = FunctionBuilder::new(&mut self.context.func, &mut self.builder);
        match build(&mut builder) {
            Ok(()) => {
                builder.seal_all_blocks();
                builder.finalize(isa.frontend_config());
                Ok(())
            }
            Err(error) => {
                // A half-built function leaves its traces in the shared memory.
                self.builder = FunctionBuilderContext::new();
                Err(match error {
                    CodeError::Bug { message, .. } => CodeError::bug(symbol, message),
                    error => error,
                })
            }
        }
    }

    /// What the last compilation gave.
    fn take(&self, symbol: &str, isa: &dyn TargetIsa) -> Result<Function, CodeError> {
        let code = self.context.compiled_code().ok_or_else(|| CodeError::bug(symbol, "no code"))?;
        if let Some(reloc) = code.buffer.relocs().first() {
            return Err(CodeError::bug(symbol, format!("refers to {:?} by {:?}", reloc.target, reloc.kind)));
        }
        let bytes = code.code_buffer().to_vec();
        let code_len =
            code.buffer.get_srclocs_sorted().iter().map(|range| range.end).max().unwrap_or(0) as usize;
        Ok(Function {
            symbol: symbol.to_owned(),
            code_len: code_len.min(bytes.len()),
            bytes,
            align: u64::from(code.buffer.alignment)
                .max(u64::from(isa.function_alignment().preferred))
                .max(isa.symbol_alignment()),
        })
    }

    /// A kernel's machine code.
    pub(super) fn kernel(
        &mut self,
        symbol: &str,
        kernel: &Kernel,
        isa: &dyn TargetIsa,
        target: &Target,
    ) -> Result<Function, CodeError> {
        self.compile(symbol, isa, &[types::I64], |builder| emit::kernel(builder, kernel, target))
    }
}

/// `extern "C"`, pointers and integers as `i64`, no result.
fn signature(isa: &dyn TargetIsa, params: &[types::Type]) -> Signature {
    let mut signature = Signature::new(isa.default_call_conv());
    signature.params = params.iter().map(|&param| AbiParam::new(param)).collect();
    signature
}

/// A kernel as Cranelift is given it, to be read.
///
/// # Errors
///
/// Where the kernel is malformed or Cranelift does not know the target.
pub fn clif_text(kernel: &Kernel, target: &Target) -> Result<String, CodeError> {
    let isa = isa::target_isa(target)?;
    let mut compiler = Compiler::new();
    compiler.build(&kernel.name, &*isa, &[types::I64], |builder| emit::kernel(builder, kernel, target))?;
    Ok(format!("; {}\n{}", kernel.name, compiler.context.func.display()))
}
