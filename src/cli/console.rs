//! The two streams, and everything that is written to them.
//!
//! Results go to stdout and all else to stderr. Colours appear on terminals only and `NO_COLOR` turns
//! them off (anstream decides). A closed pipe ends the output, not the program.

use std::fmt;
use std::io::{ErrorKind, Write};

use clap::builder::styling::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::failure::Failure;
use crate::diag::{self, Diagnostic, RenderOptions};
use crate::source::Source;

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON document on stdout
    Json,
}

/// The streams of one run of the program.
pub(super) struct Console {
    /// Whether stdout takes more: false once its reader has gone.
    open: bool,
    progress: Option<ProgressBar>,
}

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default().bold();

impl Console {
    pub(super) fn new() -> Console {
        Console { open: true, progress: None }
    }

    /// Writes a part of the result to stdout.
    pub(super) fn print(&mut self, text: fmt::Arguments<'_>) -> Result<(), Failure> {
        self.bytes(text.to_string().as_bytes())
    }

    /// Writes a line of the result to stdout.
    pub(super) fn line(&mut self, text: fmt::Arguments<'_>) -> Result<(), Failure> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Writes a JSON document to stdout.
    pub(super) fn json(&mut self, value: &serde_json::Value) -> Result<(), Failure> {
        self.line(format_args!("{value:#}"))
    }

    /// A heading on stdout, bold on terminals.
    pub(super) fn heading(&mut self, text: &str) -> Result<(), Failure> {
        self.line(format_args!("{BOLD}{text}{BOLD:#}"))
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if !self.open {
            return Ok(());
        }
        let mut out = anstream::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == ErrorKind::BrokenPipe => {
                self.open = false;
                Ok(())
            }
            Err(e) => Err(Failure::data(format!("stdout could not be written: {e}"))),
        }
    }

    /// Says on stderr what was done that could surprise.
    pub(super) fn note(&self, text: impl fmt::Display) {
        self.stderr(&format!("{CYAN}note{CYAN:#}: {text}\n"));
    }

    /// Says on stderr what is wrong.
    pub(super) fn error(&self, text: impl fmt::Display) {
        self.stderr(&format!("{RED}error{RED:#}: {text}\n"));
    }

    /// A line on stderr below an error: `kind` is "note" or "help".
    pub(super) fn below(&self, kind: &str, text: impl fmt::Display) {
        self.stderr(&format!("  {CYAN}{kind}{CYAN:#}: {text}\n"));
    }

    /// A line on stderr about what is going on, dimmed on terminals.
    pub(super) fn status(&self, text: impl fmt::Display) {
        self.stderr(&format!("{DIM}{text}{DIM:#}\n"));
    }

    /// Renders diagnostics on stderr.
    pub(super) fn diagnostics(&self, source: &Source, diagnostics: &[Diagnostic]) {
        for diagnostic in diagnostics {
            self.stderr(&rendered(source, diagnostic));
        }
    }

    /// Renders diagnostics on stdout, as the result.
    pub(super) fn diagnostics_as_result(
        &mut self,
        source: &Source,
        diagnostics: &[Diagnostic],
    ) -> Result<(), Failure> {
        diagnostics.iter().try_for_each(|d| self.bytes(rendered(source, d).as_bytes()))
    }

    fn stderr(&self, text: &str) {
        let write = || {
            // Nobody is left to be told when stderr cannot be written.
            let _ = anstream::stderr().lock().write_all(text.as_bytes());
        };
        match &self.progress {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Shows a bar on stderr, on terminals only, until [`Self::progress_end`].
    pub(super) fn progress_start(&mut self, items: usize) {
        let bar = ProgressBar::with_draw_target(Some(items as u64), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg} {eta}") {
            bar.set_style(style);
        }
        self.progress = Some(bar);
    }

    /// Counts one item as done and names the next.
    pub(super) fn progress_step(&self, next: impl fmt::Display) {
        if let Some(bar) = &self.progress {
            bar.set_message(next.to_string());
            bar.inc(1);
        }
    }

    /// Moves the bar to so many items.
    pub(super) fn progress_to(&self, items: usize) {
        if let Some(bar) = &self.progress {
            bar.set_position(items as u64);
        }
    }

    /// Takes the bar away.
    pub(super) fn progress_end(&mut self) {
        if let Some(bar) = self.progress.take() {
            bar.finish_and_clear();
        }
    }
}

/// Text with colours, which the stream takes out where they are not wanted; a blank line follows.
fn rendered(source: &Source, diagnostic: &Diagnostic) -> String {
    let text = diag::render(source, diagnostic, RenderOptions { color: true });
    format!("{}\n\n", text.trim_end_matches('\n'))
}

/// Text from outside with its control characters escaped, so that it cannot drive the terminal.
pub(super) fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if c.is_control() || is_bidi_control(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        out
    })
}

/// A path as shown in messages.
pub(super) fn shown(path: &std::path::Path) -> String {
    escaped(&path.to_string_lossy())
}

/// Characters that change the direction of the text after them.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_letters_are_not() {
        assert_eq!(escaped("a\x1b[31m\nb\u{9b}é 図\u{202e}"), "a\\u{1b}[31m\\nb\\u{9b}é 図\\u{202e}");
    }
}
