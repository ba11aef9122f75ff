//! Wide registers: each operation in each register, and tiles that fill all 32.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

use super::harness::{Case, at, check, emitted, int, numbers};
use crate::code::disasm::disassemble;
use crate::code::x64::{Abi, EmitError, emit};
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{Count, Kernel, Spills, VecBinary, Wide, WideInst, WideOperand};

/// Operations while `before` wide values are live, so that they get every register.
#[test]
fn each_operation_in_each_register() {
    for before in 0..29 {
        let mut k = KernelBuilder::new(format!("wide beside {before}"));
        let [x, y, out] = [k.ptr_arg(), k.ptr_arg(), k.ptr_arg()];
        let load = |k: &mut KernelBuilder, i: usize| {
            let dst = k.wide();
            k.wide_inst(WideInst::Load { dst, addr: x.at(4 * i as i32) });
            dst
        };
        let beside: Vec<Wide> = (0..before).map(|i| load(&mut k, i)).collect();
        let (a, acc) = (load(&mut k, 40), load(&mut k, 60));
        for b in [WideOperand::Mem(y.at(8)), WideOperand::Splat(y.at(-12)), WideOperand::Splat(y.at(516))] {
            k.wide_inst(WideInst::Fma { acc, a, b });
        }
        k.wide_inst(WideInst::Fma { acc, a, b: WideOperand::Reg(acc) });
        let mut results = vec![acc];
        for (i, bits) in [0.0_f32, -1.5].map(f32::to_bits).into_iter().enumerate() {
            k.wide_inst(WideInst::Splat { dst: a, bits });
            k.wide_inst(WideInst::Fma { acc, a, b: WideOperand::Mem(x.at(64 * i as i32)) });
        }
        k.wide_inst(WideInst::LoadSplat { dst: a, addr: y.at(20) });
        results.push(a);
        results.extend(&beside);
        for (i, &wide) in results.iter().enumerate() {
            for high in [false, true] {
                let half = k.half(wide, high);
                k.store(out.at(64 * i as i32 + 32 * i32::from(high)), half, 8);
            }
        }
        let buffers = vec![numbers(before as u64, 128), numbers(99, 256), vec![7; 16 * results.len()]];
        let case = Case { buffers, args: vec![at(0, 0), at(1, 64), at(2, 0)] };
        check(&k.finish(Spills::Allowed), &case);
    }
}

/// `pixels` × 32 channels over a run-time count of input channels, then a maximum.
fn tile(pixels: i32) -> Kernel {
    let mut k = KernelBuilder::new(format!("tile{pixels}x2"));
    let [x, w, out] = [k.ptr_arg(), k.ptr_arg(), k.ptr_arg()];
    let channels = k.int_arg();
    let sums: Vec<Wide> = (0..2 * pixels).map(|_| k.wide()).collect();
    let (weights, input) = ([k.wide(), k.wide()], k.wide());
    sums.iter().for_each(|&dst| k.wide_inst(WideInst::Splat { dst, bits: 0 }));
    k.repeat(Count::Int(channels), |k| {
        for (v, &dst) in (0..).zip(&weights) {
            k.wide_inst(WideInst::Load { dst, addr: w.at(64 * v) });
        }
        for pixel in 0..pixels {
            k.wide_inst(WideInst::LoadSplat { dst: input, addr: x.at(32 * pixel) });
            for (v, &weight) in weights.iter().enumerate() {
                let acc = sums[2 * pixel as usize + v];
                k.wide_inst(WideInst::Fma { acc, a: input, b: WideOperand::Reg(weight) });
            }
        }
        k.advance(x, 4);
        k.advance(w, 128);
    });
    for (i, &sum) in (0..).zip(&sums) {
        for high in [false, true] {
            let half = k.half(sum, high);
            let relu = k.binary(VecBinary::Max, half, 0.0);
            k.store(out.at(64 * i + 32 * i32::from(high)), relu, 8);
        }
    }
    k.finish(Spills::Refused)
}

fn instructions(kernel: &Kernel, abi: Abi) -> Vec<Instruction> {
    let function = emitted(kernel, abi);
    Decoder::new(64, &function.bytes[..function.code_len], DecoderOptions::NONE).into_iter().collect()
}

#[test]
fn a_tile_of_28_sums_touches_no_stack() {
    let kernel = tile(14);
    let buffers = vec![numbers(1, 128), numbers(2, 32 * 8), vec![7; 32 * 14]];
    check(&kernel, &Case { buffers, args: vec![at(0, 0), at(1, 0), at(2, 0), int(8)] });
    let list = instructions(&kernel, Abi::SysV);
    let count = |mnemonic: Mnemonic| list.iter().filter(|i| i.mnemonic() == mnemonic).count();
    assert_eq!(count(Mnemonic::Vfmadd231ps), 28);
    assert_eq!(count(Mnemonic::Vbroadcastss), 14);
    assert_eq!(count(Mnemonic::Vzeroupper), 1);
    assert!(list.iter().all(|i| i.memory_base() != Register::RSP || i.mnemonic() == Mnemonic::Ret));
    // Operations on 8 lanes have the short encoding, which reaches the lower 16 registers.
    let stores = list.iter().filter(|i| i.mnemonic() == Mnemonic::Vmovups && i.op0_kind() == OpKind::Memory);
    assert!(
        stores.clone().count() == 56
            && stores.into_iter().all(|i| i.code().encoding() == iced_x86::EncodingKind::VEX)
    );
}

#[test]
fn a_tile_that_would_spill_is_refused() {
    assert!(emit(&tile(14), "k".to_owned(), Abi::SysV).is_ok());
    let error = emit(&tile(15), "k".to_owned(), Abi::SysV).unwrap_err();
    assert_eq!(error, EmitError::Pressure { kernel: "tile15x2".to_owned(), pressure: 33, available: 32 });
}

#[test]
fn preserved_registers_that_wide_values_are_in_are_saved() {
    for (pixels, saves) in [(6, 0), (8, 3), (9, 5), (14, 10)] {
        let list = instructions(&tile(pixels), Abi::Win64);
        let is_save = |i: &&Instruction| {
            i.mnemonic() == Mnemonic::Vmovaps && i.op0_kind() == OpKind::Memory && i.op1_register().is_xmm()
        };
        assert_eq!(list.iter().filter(is_save).count(), saves, "{pixels} pixels");
    }
}

#[test]
fn disassembly_reads_well() {
    insta::assert_snapshot!("wide_tile2x2", disassemble(&emitted(&tile(2), Abi::SysV)));
}
