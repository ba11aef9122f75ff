//! Words of the language for names of other programs.

use std::collections::BTreeSet;

/// Words of the language that are taken.
#[derive(Default)]
pub struct Words {
    taken: BTreeSet<String>,
}

impl Words {
    /// A name as a word that is not taken yet.
    pub fn fresh(&mut self, name: &str, otherwise: &str) -> String {
        let mut word: String =
            name.chars().take(64).map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let letters = word.chars().any(|c| c.is_ascii_alphabetic());
        if !letters || word == "input" {
            word = otherwise.to_owned();
        } else if word.starts_with(|c: char| c.is_ascii_digit()) {
            word = format!("{otherwise}{word}");
        }
        // Words that the language has at the beginning of a statement, or as values.
        const RESERVED: [&str; 13] = [
            "it", "input", "true", "false", "kernel", "block", "model", "tensor", "weights", "labels",
            "output", "repeat", "param",
        ];
        if RESERVED.contains(&word.as_str()) {
            word.push('_');
        }
        let mut fresh = word.clone();
        let mut number = 2;
        while !self.taken.insert(fresh.clone()) {
            fresh = format!("{word}_{number}");
            number += 1;
        }
        fresh
    }
}
