//! The kernel of a 3×3 convolution, read back from its bytes.

use convc::code::{Backend, Function};
use convc::plan::PlanOptions;
use convc::target::Target;
use convc::{Model, Options, pipeline};
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

/// The kernels of a model for a pinned target.
fn kernels(text: &str, target: &Target) -> Vec<Function> {
    let model = Model::from_str("model.conv", text).expect("the text parses");
    let (graph, _) = model.graph(&Options::default()).expect("the model is right");
    let plan =
        pipeline::plan(&pipeline::optimise(&graph), &PlanOptions::strict(*target)).expect("there is a plan");
    let lowered = pipeline::lower(&plan).expect("the plan is lowered");
    let code = pipeline::assemble(&lowered, target, Backend::X64).expect("it is assembled");
    code.functions()[..lowered.kernels.len()].to_vec()
}

fn decode(function: &Function) -> Vec<Instruction> {
    Decoder::with_ip(64, &function.bytes[..function.code_len], 0, DecoderOptions::NONE).into_iter().collect()
}

/// The instructions of the innermost loops: from the target of a backward jump to the jump, where no
/// other loop lies between.
fn innermost(code: &[Instruction]) -> Vec<&[Instruction]> {
    let mut loops = Vec::new();
    for (end, jump) in code.iter().enumerate() {
        let back = jump.is_jcc_short_or_near() && jump.near_branch_target() <= jump.ip();
        let Some(start) = code.iter().position(|i| back && i.ip() == jump.near_branch_target()) else {
            continue;
        };
        let inner =
            code[start..end].iter().any(|i| i.is_jcc_short_or_near() && i.near_branch_target() <= i.ip());
        if !inner {
            loops.push(&code[start..=end]);
        }
    }
    loops
}

/// Whether an instruction moves vectors to or from the stack.
fn spills(i: &Instruction) -> bool {
    let memory = (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory);
    let vector = (0..i.op_count()).any(|n| {
        i.op_kind(n) == OpKind::Register && (i.op_register(n).is_ymm() || i.op_register(n).is_zmm())
    });
    memory && vector && matches!(i.memory_base(), Register::RSP | Register::RBP)
}

#[test]
fn a_3x3_tile_is_all_fma_and_no_spill() {
    let text = "model m {\n  input x [64, 56, 56]\n  c = conv(kernel=3, pad=1, out=64)\n  relu\n}\n";
    let mut tiles = Vec::new();
    for function in kernels(text, &Target::X64_AVX2) {
        let Some((pixels, vectors)) = tile(&function.symbol) else { continue };
        let code = decode(&function);
        assert!(code.iter().all(|i| !spills(i)), "{} keeps registers in memory", function.symbol);
        let loops = innermost(&code);
        let is_fma = |i: &&Instruction| i.mnemonic() == Mnemonic::Vfmadd231ps;
        let fmas: Vec<usize> = loops.iter().map(|l| l.iter().filter(is_fma).count()).collect();
        // A row of 3 taps of 8 input channels.
        assert_eq!(fmas, [pixels * vectors * 3 * 8], "{}", function.symbol);
        let broadcasts = loops[0].iter().filter(|i| i.mnemonic() == Mnemonic::Vbroadcastss).count();
        assert_eq!(broadcasts, pixels * 3 * 8);
        let loads = loops[0].iter().filter(|i| i.mnemonic() == Mnemonic::Vmovups).count();
        assert_eq!(loads, vectors * 3 * 8);
        tiles.push((pixels, vectors));
    }
    assert_eq!(tiles, [(6, 2), (5, 2)], "56 pixels are 6 tiles of 6 and 4 of 5");
}

/// As above; two vectors are in a register of 512 bits.
#[test]
fn a_3x3_tile_of_wide_registers_is_all_fma_and_no_spill() {
    let text = "model m {\n  input x [64, 56, 56]\n  c = conv(kernel=3, pad=1, out=64)\n  relu\n}\n";
    let mut tiles = Vec::new();
    for function in kernels(text, &Target::X64_AVX512) {
        let Some((pixels, vectors)) = tile(&function.symbol) else { continue };
        let code = decode(&function);
        assert!(code.iter().all(|i| !spills(i)), "{} keeps registers in memory", function.symbol);
        let loops = innermost(&code);
        let is_fma = |i: &&Instruction| i.mnemonic() == Mnemonic::Vfmadd231ps && i.op0_register().is_zmm();
        let fmas: Vec<usize> = loops.iter().map(|l| l.iter().filter(is_fma).count()).collect();
        // A row of 3 taps of 8 input channels.
        assert_eq!(fmas, [pixels * vectors / 2 * 3 * 8], "{}", function.symbol);
        let broadcasts = loops[0].iter().filter(|i| i.mnemonic() == Mnemonic::Vbroadcastss).count();
        assert_eq!(broadcasts, pixels * 3 * 8);
        let loads = loops[0].iter().filter(|i| i.mnemonic() == Mnemonic::Vmovups).count();
        assert_eq!(loads, vectors / 2 * 3 * 8);
        tiles.push((pixels, vectors));
    }
    assert_eq!(tiles, [(14, 4)], "56 pixels are 4 tiles of 14");
}

/// Pixels and vectors from a kernel's name, `…contract3x3_s1_p6v2…`.
fn tile(symbol: &str) -> Option<(usize, usize)> {
    let (_, rest) = symbol.split_once("contract3x3_s1_p")?;
    let (pixels, rest) = rest.split_once('v')?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((pixels.parse().ok()?, digits.parse().ok()?))
}
