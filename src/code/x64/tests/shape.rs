//! What the code looks like: registers, instructions, constants.

use iced_x86::{
    Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
};

use super::harness::{Case, at, check, emitted, int, numbers};
use crate::code::Function;
use crate::code::disasm::disassemble;
use crate::code::x64::{Abi, EmitError, emit};
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{Cmp, Count, Inst, Kernel, Offset, Operand, Spills, VecBinary, VecUnary};

/// `pixels` × 16 channels, `taps` multiply-adds each with the weights in registers and the inputs
/// broadcast two at a time, over a run-time count of channels.
fn tile(pixels: i32, taps: i32) -> Kernel {
    let mut k = KernelBuilder::new(format!("tile{pixels}x2"));
    let [x, w, out] = [k.ptr_arg(), k.ptr_arg(), k.ptr_arg()];
    let (channels, plane) = (k.int_arg(), k.int_arg());
    let sums: Vec<_> = (0..2 * pixels).map(|_| k.splat(0.0)).collect();
    k.repeat(Count::Int(channels), |k| {
        for tap in 0..taps {
            let weights = [0, 1].map(|v| k.load(w.at(64 * tap + 32 * v), 8));
            for pair in (0..pixels).step_by(2) {
                let pair = pair..pixels.min(pair + 2);
                let inputs: Vec<_> =
                    pair.clone().map(|pixel| (pixel, k.load_splat(x.at(4 * (tap + pixel))))).collect();
                for (pixel, input) in inputs {
                    for (v, &weight) in weights.iter().enumerate() {
                        k.fma(sums[2 * pixel as usize + v], weight, input);
                    }
                }
            }
        }
        k.advance(w, 64 * taps);
        k.advance_int(x, plane);
    });
    for (i, &sum) in sums.iter().enumerate() {
        k.store(out.at(32 * i as i32), sum, 8);
    }
    k.finish(Spills::Refused)
}

fn instructions(function: &Function) -> Vec<Instruction> {
    Decoder::new(64, &function.bytes[..function.code_len], DecoderOptions::NONE).into_iter().collect()
}

/// The instructions of the last loop: from a jump back's target to the jump.
fn last_loop(list: &[Instruction]) -> &[Instruction] {
    let is_back = |i: &Instruction| i.op0_kind() == OpKind::NearBranch64 && i.near_branch_target() < i.ip();
    let end = list.iter().rposition(is_back).unwrap();
    let head = list[end].near_branch_target();
    let start = list.iter().position(|i| i.ip() == head).unwrap();
    &list[start..=end]
}

fn count(list: &[Instruction], mnemonic: Mnemonic) -> usize {
    list.iter().filter(|i| i.mnemonic() == mnemonic).count()
}

#[test]
fn a_tile_of_12_sums_keeps_all_16_registers_and_touches_no_stack() {
    for taps in [1, 9] {
        let function = emitted(&tile(6, taps), Abi::SysV);
        let list = instructions(&function);
        let hot = last_loop(&list);
        let taps = taps as usize;
        assert_eq!(hot[0].ip() % 32, 0, "the loop is not aligned");
        assert_eq!(count(hot, Mnemonic::Vfmadd231ps), 12 * taps);
        assert_eq!(count(hot, Mnemonic::Vmovups), 2 * taps);
        assert_eq!(count(hot, Mnemonic::Vbroadcastss), 6 * taps);
        // Two pointers advance, the count goes down, a jump.
        assert_eq!(hot.len(), 20 * taps + 4);
        for instruction in &list {
            let stack = instruction.memory_base() == Register::RSP && instruction.mnemonic() != Mnemonic::Ret;
            assert!(!stack && instruction.mnemonic() != Mnemonic::Push, "{instruction}");
        }
        // A copy between registers would be a wasted slot.
        assert_eq!(count(&list, Mnemonic::Vmovaps), 0);
    }
}

/// What follows a contraction may need more registers than its sums leave: they go to memory after the
/// loop, not in it.
#[test]
fn an_epilogue_under_pressure_spills_outside_the_loop() {
    let mut k = KernelBuilder::new("epilogue");
    let [x, w, out] = [k.ptr_arg(), k.ptr_arg(), k.ptr_arg()];
    let (tiles, channels) = (k.int_arg(), k.int_arg());
    let sums: Vec<_> = (0..12).map(|_| k.vreg()).collect();
    let [weights, inputs] = [[k.vreg(), k.vreg()], [k.vreg(), k.vreg()]];
    let row = k.ptr();
    k.repeat(Count::Int(tiles), |k| {
        sums.iter().for_each(|&dst| k.inst(Inst::Splat { dst, bits: 0 }));
        k.set_ptr(row, x, Offset::Bytes(0));
        k.repeat(Count::Int(channels), |k| {
            (0..2).for_each(|v| k.inst(Inst::Load { dst: weights[v], addr: w.at(32 * v as i32) }));
            for pair in 0..3 {
                for (i, &dst) in (0..).zip(&inputs) {
                    k.inst(Inst::LoadSplat { dst, addr: row.at(8 * pair + 4 * i) });
                }
                for i in 0..4 {
                    k.fma(sums[4 * pair as usize + i], weights[i % 2], inputs[i / 2]);
                }
            }
            k.advance(row, 4);
        });
        for (i, &sum) in (0..).zip(&sums) {
            // Seven powers that are all needed in the end.
            let mut powers = vec![sum];
            for n in 0..6 {
                let next = k.binary(VecBinary::Mul, powers[n], sum);
                powers.push(next);
            }
            let total = k.splat(1.0);
            for &power in powers.iter().rev() {
                k.fma(total, power, total);
            }
            k.store(out.at(32 * i), total, 8);
        }
        k.advance(x, 8);
        k.advance(out, 384);
    });
    let kernel = k.finish(Spills::Refused);
    let buffers = vec![numbers(1, 32), numbers(2, 16), vec![7; 3 * 96]];
    check(&kernel, &Case { buffers, args: vec![at(0, 0), at(1, 0), at(2, 0), int(3), int(9)] });

    let list = instructions(&emitted(&kernel, Abi::SysV));
    let first_fma = list.iter().position(|i| i.mnemonic() == Mnemonic::Vfmadd231ps).unwrap();
    let back = list[first_fma..].iter().position(|i| i.mnemonic() == Mnemonic::Jne).unwrap();
    let hot = last_loop(&list[..=first_fma + back]);
    assert_eq!(count(hot, Mnemonic::Vfmadd231ps), 12);
    let on_stack = |list: &[Instruction]| list.iter().filter(|i| i.memory_base() == Register::RSP).count();
    assert_eq!(on_stack(hot), 0);
    assert!((1..60).contains(&on_stack(&list)), "{}", on_stack(&list));
}

#[test]
fn weights_may_be_memory_operands() {
    let mut k = KernelBuilder::new("tile3x4");
    let [x, w, out] = [k.ptr_arg(), k.ptr_arg(), k.ptr_arg()];
    let sums: Vec<_> = (0..15).map(|_| k.splat(0.0)).collect();
    k.repeat(Count::Static(64), |k| {
        let input = k.load_splat(x.at(0));
        for (i, &sum) in sums.iter().enumerate() {
            k.fma(sum, input, w.at(32 * i as i32));
        }
        k.advance(w, 480);
        k.advance(x, 4);
    });
    for (i, &sum) in sums.iter().enumerate() {
        k.store(out.at(32 * i as i32), sum, 8);
    }
    let list = instructions(&emitted(&k.finish(Spills::Refused), Abi::SysV));
    assert_eq!(last_loop(&list).len(), 1 + 15 + 4);
}

#[test]
fn a_contraction_that_would_spill_is_refused_with_its_pressure() {
    assert!(emit(&tile(6, 1), "k".to_owned(), Abi::SysV).is_ok());
    let error = emit(&tile(7, 1), "k".to_owned(), Abi::SysV).unwrap_err();
    assert_eq!(error, EmitError::Pressure { kernel: "tile7x2".to_owned(), pressure: 18, available: 16 });
    let elementwise = Kernel { spills: Spills::Allowed, ..tile(7, 1) };
    let function = emitted(&elementwise, Abi::SysV);
    assert!(disassemble(&function).contains("[rsp"));
}

#[test]
fn malformed_kernels_are_errors() {
    let unassigned = |body: fn(&mut KernelBuilder)| {
        let mut k = KernelBuilder::new("bad");
        body(&mut k);
        emit(&k.finish(Spills::Allowed), "k".to_owned(), Abi::SysV).unwrap_err()
    };
    let error = unassigned(|k| {
        let out = k.ptr_arg();
        let reg = k.vreg();
        k.store(out.at(0), reg, 8);
    });
    assert_eq!(error, EmitError::Unassigned { kernel: "bad".to_owned() });
    // Assigned in a loop that may not run.
    let error = unassigned(|k| {
        let (out, count) = (k.ptr_arg(), k.int_arg());
        let reg = k.vreg();
        k.repeat(Count::Int(count), |k| k.inst(Inst::Splat { dst: reg, bits: 0 }));
        k.store(out.at(0), reg, 8);
    });
    assert_eq!(error, EmitError::Unassigned { kernel: "bad".to_owned() });
    let mut k = KernelBuilder::new("bad");
    k.splat(1.0);
    let mut kernel = k.finish(Spills::Allowed);
    kernel.vregs = 0;
    let error = emit(&kernel, "k".to_owned(), Abi::SysV).unwrap_err();
    assert_eq!(error, EmitError::Variable { kernel: "bad".to_owned() });
}

#[test]
fn constants_are_stored_once() {
    let mut k = KernelBuilder::new("constants");
    let out = k.ptr_arg();
    let sum = k.splat(1.5);
    for _ in 0..3 {
        k.binary_to(VecBinary::Add, sum, sum, 1.5);
        k.binary_to(VecBinary::Mul, sum, sum, 0.25);
    }
    let part = k.load(out.at(0), 5);
    k.binary_to(VecBinary::Add, sum, sum, part);
    k.store(out.at(0), sum, 8);
    let function = emitted(&k.finish(Spills::Refused), Abi::SysV);
    let start = function.code_len.next_multiple_of(32);
    // Two splats, of which one serves the broadcast, and a mask.
    assert_eq!(function.bytes.len() - start, 3 * 32);
    assert_eq!(function.align, 32);
}

/// Every register that is written is free to be, or saved: by the decoder's account, not the emitter's.
#[test]
fn preserved_registers_are_saved_only_where_used() {
    for (abi, pushes, vector_saves) in [(Abi::SysV, 0, 0), (Abi::Win64, 0, 10)] {
        let list = instructions(&emitted(&tile(6, 1), abi));
        assert_eq!(count(&list, Mnemonic::Push), pushes, "{abi:?}");
        let saves = |i: &&Instruction| {
            i.mnemonic() == Mnemonic::Vmovaps && i.op0_kind() == OpKind::Memory && i.op1_register().is_xmm()
        };
        assert_eq!(list.iter().filter(saves).count(), vector_saves, "{abi:?}");
        let mut info = InstructionInfoFactory::new();
        for instruction in &list {
            for used in info.info(instruction).used_registers() {
                let written = !matches!(used.access(), OpAccess::Read | OpAccess::CondRead | OpAccess::None);
                let preserved = [Register::RBX, Register::RBP, Register::R12, Register::R13, Register::R14];
                let full = used.register().full_register();
                assert!(!(written && preserved.contains(&full)), "{instruction} under {abi:?}");
            }
        }
    }
}

#[test]
fn disassembly_reads_well() {
    insta::assert_snapshot!("tile2x2", disassemble(&emitted(&tile(2, 1), Abi::SysV)));

    let mut k = KernelBuilder::new("elementwise");
    let [x, out] = [k.ptr_arg(), k.ptr_arg()];
    let (count, stride) = (k.int_arg(), k.int_arg());
    let row = k.ptr();
    k.repeat(Count::Static(3), |k| {
        k.set_ptr(row, x, Offset::Bytes(4));
        k.repeat(Count::Int(count), |k| {
            let value = k.load(row.at(0), 8);
            let mask = k.cmp(Cmp::Lt, value, 0.0);
            let scaled = k.binary(VecBinary::Mul, value, 0.1);
            let result = k.blend(mask, scaled, value);
            k.store(out.at(0), result, 8);
            k.advance(row, 32);
            k.advance(out, 32);
        });
        let rest = k.load(row.at(0), 3);
        let sum = k.unary(VecUnary::SumLanes, rest);
        let sign = k.binary(VecBinary::Xor, sum, Operand::Const(0x8000_0000));
        k.store_strided(out.at(0), sign, 8, 5);
        k.advance_int(x, stride);
    });
    insta::assert_snapshot!("elementwise", disassemble(&emitted(&k.finish(Spills::Allowed), Abi::SysV)));

    let mut k = KernelBuilder::new("spilled");
    let out = k.ptr_arg();
    let values: Vec<_> = (0..18).map(|i| k.load(out.at(32 * i), 8)).collect();
    for (i, &value) in values.iter().enumerate() {
        k.store(out.at(32 * (17 - i as i32)), value, 8);
    }
    insta::assert_snapshot!("spilled", disassemble(&emitted(&k.finish(Spills::Allowed), Abi::SysV)));
}
