//! Runs the command in a folder of its own and looks at everything that comes out: exit code, both
//! streams, time, peak memory, and the files that are left.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A command that takes longer is ended. Tests share slow machines, so this is no measurement.
const DEADLINE: Duration = Duration::from_secs(60);
/// What refusing a bad input may take: the promise is 2 s of an idle machine and a release build.
const REFUSAL_TIME: Duration = Duration::from_secs(15);
/// What refusing a bad input may take of memory.
const REFUSAL_MEMORY: u64 = 500_000_000;

/// A folder to run in.
pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) time: Duration,
    /// Peak resident memory in bytes; 0 where the system does not tell.
    pub(crate) peak: u64,
}

impl Sandbox {
    pub(crate) fn new() -> Sandbox {
        Sandbox { folder: tempfile::tempdir().unwrap() }
    }

    /// A sandbox with one model, `m.conv`.
    pub(crate) fn with_model(text: &str) -> Sandbox {
        let sandbox = Sandbox::new();
        sandbox.write("m.conv", text);
        sandbox
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn folder(&self, name: &str) {
        fs::create_dir(self.path(name)).unwrap();
    }

    /// The names of all files, those in folders with their folder's.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        list(self.folder.path(), "", &mut files);
        files.sort();
        files
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_convc"));
        command.args(arguments).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(self.command(arguments))
    }

    /// Runs, and fails unless it exits with `code`.
    pub(crate) fn expect(&self, code: i32, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {ran:#?}");
        ran
    }

    /// Runs with a bad input, and fails unless it is refused as it must be: exit code 1, a message that
    /// contains each of `says`, in time and memory, no panic, and no file more than before.
    pub(crate) fn refuse(&self, arguments: &[&str], says: &[&str]) -> Ran {
        self.refuse_with(1, arguments, says)
    }

    pub(crate) fn refuse_with(&self, code: i32, arguments: &[&str], says: &[&str]) -> Ran {
        let before = self.files();
        let ran = self.expect(code, arguments);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        for text in says {
            assert!(said.contains(text), "{arguments:?} does not say {text:?}:\n{said}");
        }
        assert!(!said.contains("panicked") && !said.contains("internal error"), "{said}");
        assert!(said.contains("error"), "{arguments:?} does not say that it is an error:\n{said}");
        assert!(ran.time < REFUSAL_TIME, "{arguments:?} took {:?}", ran.time);
        assert!(ran.peak < REFUSAL_MEMORY, "{arguments:?} took {} bytes", ran.peak);
        assert_eq!(self.files(), before, "{arguments:?} left a file");
        ran
    }
}

fn list(folder: &Path, prefix: &str, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            list(&entry.path(), &format!("{name}/"), files);
        } else {
            files.push(name);
        }
    }
}

pub(crate) fn run(mut command: Command) -> Ran {
    let start = Instant::now();
    let mut child = command.spawn().unwrap();
    let drain = |stream: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut stream) = stream {
                stream.read_to_end(&mut bytes).unwrap();
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let stdout = drain(child.stdout.take().map(|s| Box::new(s) as Box<dyn Read + Send>));
    let stderr = drain(child.stderr.take().map(|s| Box::new(s) as Box<dyn Read + Send>));
    let (code, peak) = loop {
        if let Some(ended) = poll(&mut child) {
            break ended;
        }
        if start.elapsed() > DEADLINE {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let time = start.elapsed();
    Ran { code, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap(), time, peak }
}

/// The exit code and the peak of memory, once the child has ended.
#[cfg(target_os = "linux")]
fn poll(child: &mut std::process::Child) -> Option<(Option<i32>, u64)> {
    let mut status = 0;
    // SAFETY: a `rusage` is integers, for which zeros are valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live locals; the pid is of a child that nobody has waited for.
    let pid = unsafe { libc::wait4(child.id() as i32, &mut status, libc::WNOHANG, &mut usage) };
    assert!(pid >= 0, "the child cannot be waited for");
    let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
    (pid > 0).then_some((code, usage.ru_maxrss as u64 * 1024))
}

#[cfg(not(target_os = "linux"))]
fn poll(child: &mut std::process::Child) -> Option<(Option<i32>, u64)> {
    child.try_wait().unwrap().map(|status| (status.code(), 0))
}
