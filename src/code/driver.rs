//! Drivers: the loops of a step, compiled by Cranelift.
//!
//! A driver is `extern "C" fn(bases: *const *mut u8, begin: u64, end: u64)`. Its nests stand one after
//! the other; each runs the part of `begin .. end` that falls to it. The first unit is split into indices
//! by division, from there they count on with carry. Arguments are arrays in the stack frame: what is the same for every
//! unit is stored when the nest is entered, pointers that move for each unit.

use std::collections::HashMap;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    BlockArg, ExtFuncData, ExternalName, FuncRef, InstBuilder, MemFlagsData, SigRef, StackSlot,
    StackSlotData, StackSlotKind, UserExternalName, Value, types,
};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::FunctionBuilder;

use super::clif::{Compiler, signature};
use super::{CodeError, Function};
use crate::kernels::step::{Base, Call, CallArg, Lowered, Nest, Step, TableArg};

/// Offset tables behind the program's constants, each once.
pub(super) struct Tables {
    bytes: Vec<u8>,
    index: HashMap<Vec<i64>, u64>,
}

impl Tables {
    /// To be appended to these constants.
    pub(super) fn after(consts: &[u8]) -> Tables {
        Tables { bytes: consts.to_vec(), index: HashMap::new() }
    }

    /// The byte offset of a table from the start of the constants.
    fn place(&mut self, offsets: &[i64]) -> u64 {
        if let Some(&at) = self.index.get(offsets) {
            return at;
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let at = self.bytes.len() as u64;
        self.bytes.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
        self.index.insert(offsets.to_vec(), at);
        at
    }

    /// Constants and tables.
    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Compiles a step. Kernel k of the program must be its function k.
pub(super) fn driver(
    compiler: &mut Compiler,
    symbol: &str,
    step: &Step,
    lowered: &Lowered,
    tables: &mut Tables,
    isa: &dyn TargetIsa,
) -> Result<Function, CodeError> {
    compiler.compile(symbol, isa, &[types::I64; 3], |builder| {
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        builder.seal_block(entry);
        let &[bases, begin, end] = builder.block_params(entry) else {
            return Err(bug("a driver has three parameters"));
        };
        let kernel = builder.import_signature(signature(isa, &[types::I64]));
        let slots = slots(builder, step)?;
        let mut driver = Driver { builder, lowered, tables, kernel, functions: HashMap::new(), slots, bases };
        let mut first = 0u64;
        for nest in &step.nests {
            first = driver.nest(nest, first, begin, end)?;
        }
        driver.builder.ins().return_(&[]);
        Ok(())
    })
}

fn bug(message: impl Into<String>) -> CodeError {
    CodeError::bug("", message)
}

/// Arguments are only read and written here and by the kernel.
const FLAGS: MemFlagsData = MemFlagsData::trusted();

struct Driver<'a, 'f> {
    builder: &'a mut FunctionBuilder<'f>,
    lowered: &'a Lowered,
    tables: &'a mut Tables,
    kernel: SigRef,
    functions: HashMap<u32, FuncRef>,
    /// The argument array of the k-th call of a nest; nests run one after the other and share them.
    slots: Vec<StackSlot>,
    bases: Value,
}

/// A pointer argument that is stored for each unit.
struct Moving<'a> {
    slot: StackSlot,
    at: i32,
    /// Base and constant offset.
    start: Value,
    /// Dims that move and matter, and the bytes for each index.
    strides: Vec<(usize, i64)>,
    /// Where each table starts.
    tables: Vec<(Value, &'a TableArg)>,
}

impl Driver<'_, '_> {
    fn imm(&mut self, value: i64) -> Value {
        self.builder.ins().iconst(types::I64, value)
    }

    /// Appends a nest whose first unit is `first`, and gives the first unit after it.
    fn nest(&mut self, nest: &Nest, first: u64, begin: Value, end: Value) -> Result<u64, CodeError> {
        let units = nest
            .dims
            .iter()
            .try_fold(1u64, |units, &dim| units.checked_mul(dim))
            .filter(|&units| units > 0)
            .ok_or_else(|| bug("a nest has no units or too many"))?;
        let after = first
            .checked_add(units)
            .filter(|&after| i64::try_from(after).is_ok())
            .ok_or_else(|| bug("too many units"))?;

        // Units of the nest: max(begin, first) − first .. min(end, after) − first.
        let (first_value, after_value) = (self.imm(first as i64), self.imm(after as i64));
        let from = self.builder.ins().umax(begin, first_value);
        let to = self.builder.ins().umin(end, after_value);
        let count = self.builder.ins().isub(to, from);
        let some = self.builder.ins().icmp(IntCC::UnsignedLessThan, from, to);
        let (enter, header, exit) =
            (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        self.builder.ins().brif(some, enter, &[], exit, &[]);
        self.builder.seal_block(enter);
        self.builder.switch_to_block(enter);

        let moving = self.enter(nest)?;
        let unit = self.builder.ins().isub(from, first_value);
        // The dims that move, and their first indices.
        let dims: Vec<(usize, u64)> =
            nest.dims.iter().copied().enumerate().filter(|&(_, dim)| dim > 1).collect();
        let mut args = vec![BlockArg::from(count)];
        args.extend(self.split(unit, &dims).into_iter().map(BlockArg::from));
        self.builder.ins().jump(header, &args);

        for _ in &args {
            self.builder.append_block_param(header, types::I64);
        }
        self.builder.switch_to_block(header);
        let params = self.builder.block_params(header).to_vec();
        let [left, indices @ ..] = params.as_slice() else {
            return Err(bug("a nest has a counter"));
        };
        let mut index_of = vec![None; nest.dims.len()];
        for (&(dim, _), &index) in dims.iter().zip(indices) {
            index_of[dim] = Some(index);
        }
        for pointer in &moving {
            self.store_moving(pointer, &index_of)?;
        }
        for (position, call) in nest.calls.iter().enumerate() {
            self.call(position, call)?;
        }

        let left = self.builder.ins().iadd_imm_s(*left, -1);
        let mut next = vec![BlockArg::from(left)];
        next.extend(self.count_on(indices, &dims).into_iter().map(BlockArg::from));
        self.builder.ins().brif(left, header, &next, exit, &[]);
        self.builder.seal_block(header);
        self.builder.seal_block(exit);
        self.builder.switch_to_block(exit);
        Ok(after)
    }

    /// The indices of a unit, outermost first.
    fn split(&mut self, unit: Value, dims: &[(usize, u64)]) -> Vec<Value> {
        let mut rest = unit;
        let mut indices = Vec::with_capacity(dims.len());
        for (position, &(_, dim)) in dims.iter().enumerate().rev() {
            // What is left of the number is the outermost index.
            if position == 0 {
                indices.push(rest);
                break;
            }
            let quotient = self.builder.ins().udiv_imm_s(rest, dim as i64);
            let whole = self.builder.ins().imul_imm_s(quotient, dim as i64);
            indices.push(self.builder.ins().isub(rest, whole));
            rest = quotient;
        }
        indices.reverse();
        indices
    }

    /// The indices of the unit after the one with these.
    fn count_on(&mut self, indices: &[Value], dims: &[(usize, u64)]) -> Vec<Value> {
        let mut next = indices.to_vec();
        let mut carry = None;
        for (position, (index, &(_, dim))) in next.iter_mut().zip(dims).enumerate().rev() {
            let sum = match carry {
                None => self.builder.ins().iadd_imm_s(*index, 1),
                Some(carry) => self.builder.ins().iadd(*index, carry),
            };
            if position == 0 {
                *index = sum;
                break;
            }
            let full = self.builder.ins().icmp_imm_s(IntCC::Equal, sum, dim as i64);
            carry = Some(self.builder.ins().uextend(types::I64, full));
            let zero = self.imm(0);
            *index = self.builder.ins().select(full, zero, sum);
        }
        next
    }

    /// Stores the arguments that all units share, and gives those that move.
    fn enter<'n>(&mut self, nest: &'n Nest) -> Result<Vec<Moving<'n>>, CodeError> {
        let mut moving = Vec::new();
        for (position, call) in nest.calls.iter().enumerate() {
            let slot = self.slot(position)?;
            for (number, arg) in call.args.iter().enumerate() {
                let at = i32::try_from(8 * number).map_err(|_| bug("too many arguments"))?;
                match arg {
                    CallArg::Int(value) => {
                        let value = self.imm(*value);
                        self.builder.ins().stack_store(types::I64, value, slot, at);
                    }
                    CallArg::Ptr { base, offset, strides, tables } => {
                        let (start, strides, tables) = self.pointer(nest, *base, *offset, strides, tables)?;
                        if strides.is_empty() && tables.is_empty() {
                            self.builder.ins().stack_store(types::I64, start, slot, at);
                        } else {
                            moving.push(Moving { slot, at, start, strides, tables });
                        }
                    }
                }
            }
        }
        Ok(moving)
    }

    /// What of a pointer is the same for all units, the strides that matter, and where its tables start.
    #[expect(clippy::type_complexity, reason = "the parts of `Moving`")]
    fn pointer<'n>(
        &mut self,
        nest: &Nest,
        base: Base,
        offset: i64,
        strides: &[i64],
        tables: &'n [TableArg],
    ) -> Result<(Value, Vec<(usize, i64)>, Vec<(Value, &'n TableArg)>), CodeError> {
        if strides.len() != nest.dims.len() {
            return Err(bug("a pointer has another number of strides than its nest has dims"));
        }
        let strides = strides
            .iter()
            .copied()
            .enumerate()
            .filter(|&(dim, stride)| stride != 0 && nest.dims[dim] > 1)
            .collect();
        let mut offset = offset;
        let mut placed = Vec::new();
        for table in tables {
            match (nest.dims.get(table.dim), table.offsets.as_slice()) {
                (Some(1), &[only]) => {
                    offset = offset.checked_add(only).ok_or_else(|| bug("an offset overflows"))?;
                }
                (Some(&dim), offsets) if dim == offsets.len() as u64 => {
                    let at = self.tables.place(offsets);
                    placed.push((self.address(Base::Consts, at as i64)?, table));
                }
                _ => return Err(bug("a table has not one offset for each index")),
            }
        }
        Ok((self.address(base, offset)?, strides, placed))
    }

    /// `base + offset`
    fn address(&mut self, base: Base, offset: i64) -> Result<Value, CodeError> {
        let index = self.lowered.base_index(base);
        if index >= self.lowered.bases() {
            return Err(bug(format!("no {base:?}")));
        }
        let at = i32::try_from(8 * index).map_err(|_| bug("too many bases"))?;
        let start = self.builder.ins().load(types::I64, FLAGS, self.bases, at);
        Ok(if offset == 0 { start } else { self.builder.ins().iadd_imm_s(start, offset) })
    }

    fn store_moving(&mut self, pointer: &Moving<'_>, index_of: &[Option<Value>]) -> Result<(), CodeError> {
        let index = |dim: usize| {
            index_of.get(dim).copied().flatten().ok_or_else(|| bug("an index that does not move"))
        };
        let mut address = pointer.start;
        for &(dim, stride) in &pointer.strides {
            let index = index(dim)?;
            let by = self.builder.ins().imul_imm_s(index, stride);
            address = self.builder.ins().iadd(address, by);
        }
        for &(table, arg) in &pointer.tables {
            let index = index(arg.dim)?;
            let by = self.builder.ins().ishl_imm_u(index, 3);
            let entry = self.builder.ins().iadd(table, by);
            let by = self.builder.ins().load(types::I64, FLAGS, entry, 0);
            address = self.builder.ins().iadd(address, by);
        }
        self.builder.ins().stack_store(types::I64, address, pointer.slot, pointer.at);
        Ok(())
    }

    /// Calls a kernel with the argument array of its position.
    fn call(&mut self, position: usize, call: &Call) -> Result<(), CodeError> {
        let number = call.kernel.0;
        let kernel =
            self.lowered.kernels.get(number as usize).ok_or_else(|| bug(format!("no kernel {number}")))?;
        if kernel.args.len() != call.args.len() {
            return Err(bug(format!("{} is called with {} arguments", kernel.name, call.args.len())));
        }
        let function = match self.functions.get(&number) {
            Some(&function) => function,
            None => {
                let name = UserExternalName { namespace: 0, index: number };
                let name = self.builder.func.declare_imported_user_function(name);
                let function = self.builder.import_function(ExtFuncData {
                    name: ExternalName::user(name),
                    signature: self.kernel,
                    colocated: true,
                    patchable: false,
                });
                self.functions.insert(number, function);
                function
            }
        };
        let slot = self.slot(position)?;
        let args = self.builder.ins().stack_addr(types::I64, slot, 0);
        self.builder.ins().call(function, &[args]);
        Ok(())
    }

    fn slot(&self, position: usize) -> Result<StackSlot, CodeError> {
        self.slots.get(position).copied().ok_or_else(|| bug("a call has no arguments"))
    }
}

/// A stack slot for the k-th call of each nest, large enough for all nests.
fn slots(builder: &mut FunctionBuilder<'_>, step: &Step) -> Result<Vec<StackSlot>, CodeError> {
    let calls = step.nests.iter().map(|nest| nest.calls.len()).max().unwrap_or(0);
    (0..calls)
        .map(|position| {
            let args =
                step.nests.iter().filter_map(|nest| nest.calls.get(position)).map(|c| c.args.len()).max();
            let bytes = u32::try_from(8 * args.unwrap_or(0).max(1)).map_err(|_| bug("too many arguments"))?;
            let data = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 3);
            Ok(builder.create_sized_stack_slot(data))
        })
        .collect()
}
