//! Loading and what is refused.

use super::super::{LoadError, Place, RunError};
use super::ways;
use crate::code::{Code, assemble};
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{Count, LANES, Spills, VecBinary};
use crate::kernels::step::{Base, Call, CallArg, KernelId, Lowered, Nest, Step};
use crate::runtime::{Loaded, Packed, Scratch};
use crate::target::{Isa, Supported, Target};

/// `output = max(input + arena, packed)` in `n` blocks of 8.
fn program(n: i64) -> Lowered {
    let mut k = KernelBuilder::new("add_max");
    let [input, packed, arena, out] = std::array::from_fn(|_| k.ptr_arg());
    let count = k.int_arg();
    k.repeat(Count::Int(count), |k| {
        let x = k.load(input.at(0), LANES);
        let sum = k.binary(VecBinary::Add, x, arena.at(0));
        let max = k.binary(VecBinary::Max, sum, packed.at(0));
        k.store(out.at(0), max, LANES);
        for ptr in [input, packed, arena, out] {
            k.advance(ptr, 32);
        }
    });
    let arg = |base| CallArg::Ptr { base, offset: 0, strides: Vec::new(), tables: Vec::new() };
    let mut args: Vec<_> = [Base::Input(0), Base::Packed, Base::Arena, Base::Output(0)].map(arg).into();
    args.push(CallArg::Int(n));
    let bytes = 32 * n as u64;
    Lowered {
        kernels: vec![k.finish(Spills::Refused)],
        prepare: Vec::new(),
        run: vec![Step {
            name: "add".to_owned(),
            nests: vec![Nest::new(Vec::new(), vec![Call { kernel: KernelId(0), args }])],
        }],
        consts: Vec::new(),
        packed_bytes: bytes,
        arena_bytes: bytes,
        local_bytes: 0,
        input_bytes: vec![bytes],
        output_bytes: vec![bytes],
        param_bytes: vec![4],
    }
}

fn code(n: i64) -> Code {
    let (target, backend) = ways()[0];
    assemble(&program(n), &target, backend).unwrap()
}

#[test]
fn programs_are_shared_by_threads() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Loaded>();
    is_send_and_sync::<Packed>();
    is_send_and_sync::<Scratch>();

    let loaded = Loaded::load(&code(5)).unwrap();
    let packed = loaded.prepare(&[&[0.0]]).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (loaded, packed) = (&loaded, &packed);
            scope.spawn(move || {
                let mut scratch = loaded.scratch(1).unwrap();
                let input = [thread as f32; 40];
                let mut output = [-1.0; 40];
                for _ in 0..200 {
                    loaded.run(packed, &[&[0.0]], &mut scratch, &[&input], &mut [&mut output]).unwrap();
                    assert_eq!(output, input);
                }
            });
        }
    });
}

#[test]
fn tensors_of_other_sizes_are_refused() {
    let loaded = Loaded::load(&code(2)).unwrap();
    let other = Loaded::load(&code(3)).unwrap();
    let packed = loaded.prepare(&[&[0.0]]).unwrap();
    let mut scratch = loaded.scratch(1).unwrap();
    let (input, mut out) = ([1.0; 24], [0.0; 24]);
    let mut run = |params: &[&[f32]], inputs: &[&[f32]], out: &mut [&mut [f32]]| {
        loaded.run(&packed, params, &mut scratch, inputs, out)
    };
    let length = |place, bytes, expected| Err(RunError::Length { place, index: 0, bytes, expected });
    let one: &[f32] = &[0.0];
    let (x, y) = (&input[..16], &mut out);

    assert_eq!(run(&[one], &[x], &mut [&mut y[..16]]), Ok(()));
    assert_eq!(run(&[one], &[&input[..17]], &mut [&mut y[..16]]), length(Place::Input, 68, 64));
    assert_eq!(run(&[one], &[x], &mut [&mut y[..15]]), length(Place::Output, 60, 64));
    assert_eq!(run(&[&[]], &[x], &mut [&mut y[..16]]), length(Place::Param, 0, 4));
    let count = |place, given| Err(RunError::Count { place, given, expected: 1 });
    assert_eq!(run(&[one], &[], &mut [&mut y[..16]]), count(Place::Input, 0));
    assert_eq!(run(&[one], &[x, x], &mut [&mut y[..16]]), count(Place::Input, 2));
    assert_eq!(run(&[one], &[x], &mut []), count(Place::Output, 0));
    assert_eq!(run(&[], &[x], &mut [&mut y[..16]]), count(Place::Param, 0));

    assert_eq!(
        other.run(&packed, &[one], &mut scratch, &[&input], &mut [&mut out]),
        length(Place::Packed, 64, 96)
    );
    let larger = other.prepare(&[one]).unwrap();
    assert_eq!(
        other.run(&larger, &[one], &mut scratch, &[&input], &mut [&mut out]),
        length(Place::Scratch, 64, 96)
    );
    assert!(loaded.prepare::<&[f32]>(&[]).is_err());
}

#[test]
fn memory_beyond_reason_is_an_error() {
    let mut lowered = program(1);
    lowered.arena_bytes = 1 << 62;
    lowered.packed_bytes = 1 << 62;
    let (target, backend) = ways()[0];
    let loaded = Loaded::load(&assemble(&lowered, &target, backend).unwrap()).unwrap();
    assert!(loaded.scratch(1).is_err());
    assert!(matches!(loaded.prepare(&[&[0.0]]), Err(RunError::Alloc(_))));
}

#[test]
fn code_for_another_machine_is_not_loaded() {
    let foreign = [Target::X64_AVX512, Target::X64_AVX2, Target::X64, Target::AARCH64]
        .into_iter()
        .find(|target| Supported::check(target.isa).is_none());
    let Some(foreign) = foreign else { return };
    let code = Code { target: foreign, ..code(1) };
    assert_eq!(Loaded::load(&code).err(), Some(LoadError::Unsupported(foreign.isa)));
}

#[test]
fn malformed_code_is_an_error() {
    let good = code(1);
    let refused = |change: &dyn Fn(&mut Code)| {
        let mut code = good.clone();
        change(&mut code);
        matches!(Loaded::load(&code), Err(LoadError::Map(_)))
    };
    assert!(!refused(&|_| ()));
    assert!(refused(&|code| code.functions[0].align = 3));
    assert!(refused(&|code| code.run[0].nests[0].calls[0].kernel.0 = 99));
    assert!(refused(&|code| code.run[0].nests[0].dims.push(2)));
    assert!(refused(&|code| code.run[0].nests[0].dims = vec![1; 99]));
}

#[test]
fn programs_that_leave_their_buffers_are_not_assembled() {
    let (target, backend) = ways()[0];
    let mut lowered = program(4);
    lowered.input_bytes[0] -= 4;
    assert!(assemble(&lowered, &target, backend).is_err());
}

#[test]
fn the_same_program_gives_the_same_code() {
    for (target, backend) in ways() {
        let assemble = || assemble(&program(3), &target, backend).unwrap();
        let code = assemble();
        assert_eq!(code, assemble());
        let symbols: Vec<_> = code.functions.iter().map(|function| function.symbol.as_str()).collect();
        assert_eq!(symbols, ["k0_add_max"]);
    }
}

#[test]
fn instructions_end_where_it_is_said() {
    for (target, backend) in ways() {
        if target.isa == Isa::Aarch64 {
            continue;
        }
        let code = assemble(&program(3), &target, backend).unwrap();
        for function in &code.functions {
            let code = &function.bytes[..function.code_len];
            let last = iced_x86::Decoder::new(64, code, iced_x86::DecoderOptions::NONE).into_iter().last();
            let last = last.map(|instruction| instruction.mnemonic());
            assert_eq!(last, Some(iced_x86::Mnemonic::Ret), "{}", function.symbol);
        }
    }
}
