//! Fences bite: code that goes a word beyond a buffer dies, whichever buffer it is and at both of its ends.

#![cfg(unix)]
#![allow(unsafe_code, reason = "processes that shall die leave no core behind")]

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use super::drivers::InOrder;
use super::{executed, ways};
use crate::code::{Code, assemble};
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{LANES, Spills};
use crate::kernels::step::{Base, Call, CallArg, KernelId, Lowered, Nest, Step};
use crate::runtime::Placement;

/// Says which process of [`who_leaves_a_buffer_dies`] this is: a placement and the number of a pointer that lies.
const ROLE: &str = "CONVC_FENCES_ROLE";
const TEST: &str = "runtime::tests::fences::who_leaves_a_buffer_dies";

/// A vector.
const BYTES: u64 = 32;

/// Steps of two units, each of which copies a vector from and to every kind of buffer.
fn program() -> Lowered {
    let mut copy = KernelBuilder::new("copy");
    let (from, to) = (copy.ptr_arg(), copy.ptr_arg());
    let value = copy.load(from.at(0), LANES);
    copy.store(to.at(0), value, LANES);
    let arg = |base| {
        // Units share local memory where they share a part; it is one vector.
        let stride = if base == Base::Local { 0 } else { BYTES as i64 };
        CallArg::Ptr { base, offset: 0, strides: vec![stride], tables: Vec::new() }
    };
    let call = |from, to| Call { kernel: KernelId(0), args: vec![arg(from), arg(to)] };
    let step = |name: &str, calls| Step { name: name.to_owned(), nests: vec![Nest::new(vec![2], calls)] };
    Lowered {
        kernels: vec![copy.finish(Spills::Refused)],
        prepare: vec![step("pack", vec![call(Base::Param(0), Base::Packed)])],
        run: vec![
            step("in", vec![call(Base::Input(0), Base::Local), call(Base::Local, Base::Arena)]),
            step(
                "out",
                [Base::Arena, Base::Packed, Base::Consts, Base::Param(0)]
                    .into_iter()
                    .zip(0..)
                    .map(|(base, output)| call(base, Base::Output(output)))
                    .collect(),
            ),
        ],
        consts: 3u32.to_le_bytes().repeat(16),
        packed_bytes: 2 * BYTES,
        arena_bytes: 2 * BYTES,
        local_bytes: BYTES,
        input_bytes: vec![2 * BYTES],
        output_bytes: vec![2 * BYTES; 4],
        param_bytes: vec![2 * BYTES],
    }
}

/// The bytes between the units of each pointer.
fn strides(code: &mut Code) -> Vec<&mut i64> {
    let calls = (code.prepare.iter_mut().chain(&mut code.run))
        .flat_map(|step| &mut step.nests)
        .flat_map(|nest| &mut nest.calls);
    let stride = |arg| match arg {
        &mut CallArg::Ptr { ref mut strides, .. } => strides.first_mut(),
        CallArg::Int(_) => None,
    };
    calls.flat_map(|call| &mut call.args).filter_map(stride).collect()
}

/// Runs the program; the last unit of pointer `liar`, where there is one, is a word outside of its buffer at the end
/// where the fence is.
fn run(placement: Placement, liar: Option<usize>) {
    let lowered = program();
    let (target, backend) = ways()[0];
    // The verifier sees the truth.
    let mut code = assemble(&lowered, &target, backend).unwrap();
    if let Some(stride) = liar.and_then(|liar| strides(&mut code).into_iter().nth(liar)) {
        *stride = if placement == Placement::Before { -4 } else { *stride + 4 };
    }
    let (params, inputs): (Vec<u32>, Vec<u32>) = ((100..116).collect(), (200..216).collect());
    let (params, inputs) = (&[params], &[inputs]);
    let outputs = executed(&code, &InOrder(2), &lowered, params, inputs, placement);
    assert_eq!(outputs, [inputs[0].clone(), params[0].clone(), vec![3; 16], params[0].clone()]);
}

/// Runs the program in a process of its own.
fn run_apart(placement: Placement, liar: Option<usize>) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([TEST, "--exact"]);
    let liar = liar.map_or(String::new(), |liar| liar.to_string());
    command.env(ROLE, format!("{placement:?} {liar}"));
    command.output().unwrap().status
}

#[test]
fn who_leaves_a_buffer_dies() {
    let placements = [Placement::Before, Placement::After];
    if let Ok(role) = std::env::var(ROLE) {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: a limit of this process, read from a value that is there.
        unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
        let (placement, liar) = role.split_once(' ').unwrap();
        let placement = placements.into_iter().find(|p| format!("{p:?}") == placement).unwrap();
        return run(placement, liar.parse().ok());
    }
    let (target, backend) = ways()[0];
    let pointers = strides(&mut assemble(&program(), &target, backend).unwrap()).len();
    assert_eq!(pointers, 14);
    for placement in placements {
        assert!(run_apart(placement, None).success(), "{placement:?}, no pointer lies");
        for liar in 0..pointers {
            let signal = run_apart(placement, Some(liar)).signal();
            assert!(
                matches!(signal, Some(libc::SIGSEGV | libc::SIGBUS)),
                "{placement:?}, pointer {liar} lies: {signal:?}"
            );
        }
    }
}
