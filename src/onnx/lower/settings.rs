//! The settings of a line, in the table's order, those equal to the default left out.

use super::super::draft::Setting;

/// Settings being listed.
#[derive(Default)]
pub struct Settings(Vec<(&'static str, Setting)>);

fn whole(v: u64) -> i64 {
    i64::try_from(v).unwrap_or(i64::MAX)
}

impl Settings {
    /// Any setting.
    pub fn with(mut self, name: &'static str, setting: Setting) -> Self {
        self.0.push((name, setting));
        self
    }

    /// A whole number.
    pub fn whole(self, name: &'static str, v: u64) -> Self {
        self.with(name, Setting::Whole(whole(v)))
    }

    /// A whole number, unless it is the default.
    pub fn whole_unless(self, name: &'static str, v: u64, default: u64) -> Self {
        if v == default { self } else { self.whole(name, v) }
    }

    /// Two whole numbers.
    pub fn pair(self, name: &'static str, v: [u64; 2]) -> Self {
        self.with(name, Setting::Pair(v.map(whole)))
    }

    /// Two whole numbers, unless they are the default.
    pub fn pair_unless(self, name: &'static str, v: [u64; 2], default: [u64; 2]) -> Self {
        if v == default { self } else { self.pair(name, v) }
    }

    /// A number, unless it is the default.
    pub fn number_unless(self, name: &'static str, v: f32, default: f32) -> Self {
        if v == default { self } else { self.with(name, Setting::Number(v)) }
    }

    /// Yes or no, unless it is the default.
    pub fn flag_unless(self, name: &'static str, v: bool, default: bool) -> Self {
        match v {
            _ if v == default => self,
            true => self.with(name, Setting::Word("true")),
            false => self.with(name, Setting::Word("false")),
        }
    }

    /// A word, unless it is the default.
    pub fn word_unless(self, name: &'static str, v: &'static str, default: &'static str) -> Self {
        if v == default { self } else { self.with(name, Setting::Word(v)) }
    }

    /// The list.
    pub fn done(self) -> Vec<(&'static str, Setting)> {
        self.0
    }
}
