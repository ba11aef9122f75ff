//! Where a training writes, looked at before it begins.

use std::path::{Path, PathBuf};

use super::Args;
use crate::cli::console::shown;
use crate::cli::failure::Failure;
use crate::io::atomic;

impl Args {
    /// Where the state is kept.
    pub(super) fn checkpoint(&self) -> PathBuf {
        self.checkpoint.clone().unwrap_or_else(|| beside(&self.output, "checkpoint"))
    }

    /// Where the weights after a step are kept.
    pub(super) fn at_step(&self, step: u64) -> PathBuf {
        beside(&self.output, &format!("step{step}"))
    }

    /// Checks that all that is written can be, over nothing that is read and nothing else that is written.
    pub(super) fn check_places(&self) -> Result<(), Failure> {
        if let Some(path) = self.plot.as_ref().filter(|path| path.extension().is_none_or(|end| end != "svg")) {
            return Err(Failure::usage(format!("--plot {}: it is drawn as SVG", shown(path))).help("a name that ends in .svg"));
        }
        let read = [Some(self.choice.path()), Some(&*self.data), self.target.as_deref()];
        let more = [self.val.as_deref().map(Path::new), self.batch_order.as_deref()];
        let read: Vec<&Path> = read.into_iter().chain(more).flatten().collect();
        let mut written: Vec<(&str, PathBuf)> =
            vec![("--output", self.output.clone()), ("--checkpoint", self.checkpoint())];
        written.extend(self.plot.clone().map(|path| ("--plot", path)));
        written.extend(self.losses.clone().map(|path| ("--losses", path)));
        written.extend(self.save_at.iter().map(|&step| ("--save-at", self.at_step(step))));
        let mut places: Vec<(&str, PathBuf)> = Vec::new();
        for (option, path) in written {
            let place = atomic::ready(&path, &read).map_err(Failure::file)?;
            if let Some((other, _)) = places.iter().find(|(_, there)| *there == place)
                && (*other, option) != ("--save-at", "--save-at")
            {
                return Err(Failure::usage(format!("{other} and {option} would both write {}", shown(&path))));
            }
            places.push((option, place));
        }
        Ok(())
    }
}

/// `weights.step10.safetensors` beside `weights.safetensors`, `lr0.1.step10.safetensors` beside `lr0.1`.
fn beside(output: &Path, what: &str) -> PathBuf {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".safetensors").unwrap_or(&name);
    output.with_file_name(format!("{stem}.{what}.safetensors"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beside_the_weights_is_named_after_all_of_their_name() {
        for (output, expected) in [
            ("weights.safetensors", "weights.step3.safetensors"),
            ("runs/lr0.1", "runs/lr0.1.step3.safetensors"),
            ("runs/lr0.2", "runs/lr0.2.step3.safetensors"),
        ] {
            assert_eq!(beside(Path::new(output), "step3"), Path::new(expected));
        }
    }
}
