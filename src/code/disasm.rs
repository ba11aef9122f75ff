//! Machine code as text.

use std::collections::BTreeMap;
use std::fmt::Write;

use iced_x86::{
    Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter, MemorySizeOptions, OpKind,
    SymbolResolver, SymbolResult,
};

use super::{Code, Function};
use crate::target::Isa;

/// A function's x86-64 instructions, one a line, in Intel's notation; jump targets as labels, the
/// constants after the instructions as numbers.
pub fn disassemble(function: &Function) -> String {
    decode(function)
}

/// All functions. Code that is not for x86-64 is shown as words.
pub fn disassemble_all(code: &Code) -> String {
    let mut text = String::new();
    for function in &code.functions {
        if !text.is_empty() {
            text.push('\n');
        }
        text += &match code.target.isa {
            Isa::X64(_) => decode(function),
            Isa::Aarch64 => {
                let mut text = format!("{}:\n", function.symbol);
                write_data(&mut text, "", &function.bytes);
                text
            }
        };
    }
    text
}

/// Where the operands start, after the mnemonic.
const OPERAND_COLUMN: u32 = 13;

fn decode(function: &Function) -> String {
    let code = function.bytes.get(..function.code_len).unwrap_or(&function.bytes);
    let instructions: Vec<Instruction> = Decoder::new(64, code, DecoderOptions::NONE).into_iter().collect();
    let names = names(&instructions);

    let mut formatter = IntelFormatter::with_options(Some(Box::new(names.clone())), None);
    let options = formatter.options_mut();
    options.set_space_after_operand_separator(true);
    options.set_first_operand_char_index(OPERAND_COLUMN);
    options.set_memory_size_options(MemorySizeOptions::Minimal);
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_rip_relative_addresses(false);
    options.set_signed_immediate_operands(true);

    let mut text = format!("{}:\n", function.symbol);
    for instruction in &instructions {
        if let Some(label) = names.places.get(&instruction.ip()) {
            let _ = writeln!(text, "{label}:");
        }
        text += "    ";
        formatter.format(instruction, &mut text);
        text.push('\n');
    }
    let mut constants = names.places.range(code.len() as u64..).peekable();
    while let Some((&start, name)) = constants.next() {
        let end = constants.peek().map_or(function.bytes.len(), |(next, _)| **next as usize);
        write_data(&mut text, name, function.bytes.get(start as usize..end).unwrap_or(&[]));
    }
    text
}

/// The names of places in a function.
#[derive(Clone, Default)]
struct Names {
    places: BTreeMap<u64, String>,
}

fn names(instructions: &[Instruction]) -> Names {
    let mut names = Names::default();
    let mut constants = BTreeMap::new();
    for instruction in instructions {
        if instruction.op0_kind() == OpKind::NearBranch64 {
            names.places.insert(instruction.near_branch_target(), String::new());
        }
        if instruction.is_ip_rel_memory_operand() {
            constants.insert(instruction.ip_rel_memory_address(), String::new());
        }
    }
    for (number, label) in names.places.values_mut().enumerate() {
        *label = format!("l{number}");
    }
    for (number, constant) in constants.values_mut().enumerate() {
        *constant = format!("c{number}");
    }
    names.places.extend(constants);
    names
}

impl SymbolResolver for Names {
    fn symbol(
        &mut self,
        instruction: &Instruction,
        _operand: u32,
        instruction_operand: Option<u32>,
        address: u64,
        _address_size: u32,
    ) -> Option<SymbolResult<'_>> {
        let name = match instruction.op_kind(instruction_operand?) {
            OpKind::NearBranch64 => self.places.get(&address),
            OpKind::Memory if instruction.is_ip_rel_memory_operand() => self.places.get(&address),
            _ => None,
        };
        Some(SymbolResult::with_str(address, name?))
    }
}

/// Data as 32-bit words; where they are equal, one of them and as what number it reads.
fn write_data(text: &mut String, name: &str, bytes: &[u8]) {
    let (words, rest) = bytes.as_chunks::<4>();
    let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
    if !name.is_empty() {
        let _ = write!(text, "{name}:");
    }
    match words.split_first() {
        Some((first, others)) if others.iter().all(|word| word == first) => {
            let count = if others.is_empty() { String::new() } else { format!("{} × ", words.len()) };
            let _ = write!(text, " {count}{first:#010x} ({:?})", f32::from_bits(*first));
        }
        _ => words.iter().for_each(|word| {
            let _ = write!(text, " {word:#010x}");
        }),
    }
    rest.iter().for_each(|byte| {
        let _ = write!(text, " {byte:#04x}");
    });
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_constants_have_names() {
        // l0: jne l0; vmovss xmm0, [rip + 1]; ret; then 1.5.
        let mut bytes = vec![0x75, 0xfe];
        bytes.extend([0xc5, 0xfa, 0x10, 0x05, 1, 0, 0, 0, 0xc3]);
        bytes.extend(1.5_f32.to_le_bytes());
        let function = Function { symbol: "k".to_owned(), bytes, align: 16, code_len: 11 };
        let expected = "k:\nl0:\n    jne          short l0\n    vmovss       xmm0, [c0]\n    ret\nc0: 0x3fc00000 (1.5)\n";
        assert_eq!(disassemble(&function), expected);
    }
}
