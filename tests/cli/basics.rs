//! Help, exit codes, streams.

use std::process::Stdio;

use crate::SAME;
use crate::harness::{Sandbox, run};
use crate::make;

const COMMANDS: [&str; 5] = ["run", "check", "explain", "emit", "fmt"];

#[test]
fn help_lists_every_command_and_has_examples() {
    let sandbox = Sandbox::new();
    let help = sandbox.expect(0, &["--help"]);
    assert!(COMMANDS.iter().all(|c| help.stdout.contains(&format!("  {c} "))), "{}", help.stdout);
    assert!(help.stdout.contains("Examples:") && help.stdout.contains("Exit codes"));
    assert_eq!(help.stderr, "");
    assert!(sandbox.expect(0, &["--version"]).stdout.starts_with("convc "));
}

#[test]
fn every_flag_has_a_sentence() {
    let sandbox = Sandbox::new();
    for command in COMMANDS {
        let help = sandbox.expect(0, &[command, "--help"]).stdout;
        assert!(help.contains("Examples:"), "{command}: {help}");
        let lines: Vec<&str> = help.lines().map(str::trim).collect();
        for (i, line) in lines.iter().enumerate().filter(|(_, l)| l.starts_with('-') && !l.starts_with("- "))
        {
            let beside = line.split("  ").count() > 1;
            let below = lines.get(i + 1).is_some_and(|l| !l.is_empty() && !l.starts_with('-'));
            assert!(beside || below, "{command}: {line}");
        }
    }
}

#[test]
fn usage_errors_exit_with_2_and_leave_stdout_alone() {
    let sandbox = Sandbox::with_model(SAME);
    let cases: [&[&str]; 17] = [
        &[],
        &["nonsense"],
        &["run"],
        &["check"],
        &["run", "m.conv", "--nonsense"],
        &["run", "m.conv", "--threads", "0"],
        &["run", "m.conv", "--threads", "many"],
        &["compare", "m.conv", "--threads", "1025"],
        &["run", "m.conv", "--memory", "lots"],
        &["run", "m.conv", "--size", "H"],
        &["run", "m.conv", "--fit", "squeeze"],
        &["run", "m.conv", "--backend", "gpu"],
        &["run", "m.conv", "--size", "H=8,W=8", "-o", "out.gif"],
        &["run", "m.conv", "--size", "H=8,W=8", "-o", "out"],
        &["run", "m.conv", "--size", "Q=8"],
        &["explain", "m.conv", "--size", "H=8,W=8", "--size", "H=9"],
        &["emit", "--stage", "soup", "m.conv"],
    ];
    for arguments in cases {
        let ran = sandbox.expect(2, arguments);
        assert_eq!(ran.stdout, "", "{arguments:?}");
        assert!(!ran.stderr.is_empty(), "{arguments:?}");
    }
    assert_eq!(sandbox.files(), ["m.conv"]);
}

#[test]
fn a_wrong_model_exits_with_1_everywhere() {
    let sandbox =
        Sandbox::with_model("model m {\n  input x [1, 8, 8]\n  conv(kernel=9, out=2)\n  wobble\n}\n");
    for command in ["run", "check", "explain"] {
        let ran = sandbox.refuse(&[command, "m.conv"], &["wobble", "9"]);
        let results = if command == "check" { &ran.stderr } else { &ran.stdout };
        assert_eq!(results, "", "{command}: {ran:#?}");
    }
    sandbox.refuse(&["emit", "--stage", "graph", "m.conv"], &["wobble"]);
    sandbox.refuse(&["check", "missing.conv"], &["missing.conv"]);
    sandbox.refuse(&["run", "missing.conv"], &["missing.conv"]);
}

#[test]
fn colour_is_for_terminals() {
    let sandbox = Sandbox::with_model("model m { input x [1, 8, 8]\n wobble }\n");
    let ran = sandbox.expect(1, &["check", "m.conv"]);
    assert!(!ran.stdout.contains('\x1b') && !ran.stderr.contains('\x1b'), "{ran:#?}");
    let mut forced = sandbox.command(&["check", "m.conv"]);
    forced.env_remove("NO_COLOR").env("CLICOLOR_FORCE", "1");
    assert!(run(forced).stdout.contains('\x1b'));
    let mut refused = sandbox.command(&["check", "m.conv"]);
    refused.env("NO_COLOR", "1");
    assert!(!run(refused).stdout.contains('\x1b'));
}

#[test]
fn names_cannot_drive_the_terminal() {
    let sandbox = Sandbox::new();
    let ran = sandbox.refuse(&["check", "a\x1b[31mb.conv"], &["\\u{1b}[31m"]);
    assert!(!ran.stderr.contains('\x1b') && !ran.stdout.contains('\x1b'));
    sandbox.write("\x1b]0;x.conv", "model m { input x [1, 8, 8]\n \"\x1b[2J\x07\"\n }\n");
    let ran = sandbox.refuse(&["check", "\x1b]0;x.conv"], &[]);
    assert!(!ran.stderr.contains('\x1b') && !ran.stdout.contains('\x1b'), "{ran:#?}");
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_ends_quietly() {
    let sandbox = Sandbox::with_model(SAME);
    for arguments in [
        &["explain", "m.conv", "--size", "H=8,W=8"][..],
        &["emit", "--stage", "clif", "m.conv", "--size", "H=8,W=8"],
        &["run", "m.conv", "--size", "H=8", "--size=W=8"],
        &["--help"],
    ] {
        let mut command = sandbox.command(arguments);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.stdout(Stdio::from(writer));
        let ran = run(command);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:#?}");
        assert!(!ran.stderr.contains("panicked") && !ran.stderr.contains("rror"), "{ran:#?}");
        let mut command = sandbox.command(arguments);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.stderr(Stdio::from(writer));
        assert_eq!(run(command).code, Some(0), "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_stdout_is_an_error() {
    let sandbox = Sandbox::with_model(SAME);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = sandbox.command(&["explain", "m.conv", "--size", "H=8,W=8"]);
    command.stdout(Stdio::from(full));
    let ran = run(command);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("stdout"), "{ran:#?}");
}

#[test]
fn results_are_on_stdout_and_all_else_on_stderr() {
    let sandbox = Sandbox::with_model(SAME);
    sandbox.write("x.png", make::grey_png(&[0, 51, 102, 255], 2));
    let ran = sandbox.expect(0, &["run", "m.conv", "x.png"]);
    assert_eq!(ran.stdout, "y [1, 1, 2, 2]  min 0  max 1  mean 0.4\n");
    assert!(ran.stderr.contains("compile") && ran.stderr.contains("run"), "{}", ran.stderr);
}

#[test]
fn a_variable_gives_the_threads_where_the_flag_does_not() {
    let text = "model m {\n  input x [16, 40, 40]\n  conv(kernel=3, pad=1, out=16)\n}\n";
    let sandbox = Sandbox::with_model(text);
    let ran = |value: &str, arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        command.env("CONVC_THREADS", value);
        run(command)
    };
    for value in ["1", "3", " 2 ", ""] {
        assert_eq!(ran(value, &["run", "m.conv", "-o", "y.npy"]).code, Some(0), "{value}");
    }
    for value in ["0", "-1", "two", "1025", "1.5"] {
        for arguments in [&["run", "m.conv"][..], &["compare", "m.conv"]] {
            let failed = ran(value, arguments);
            assert_eq!(failed.code, Some(2), "{value}");
            let said = format!("CONVC_THREADS is `{value}`, not a number of threads in 1..1024");
            assert!(failed.stderr.contains(&said), "{}", failed.stderr);
        }
        assert_eq!(ran(value, &["run", "m.conv", "--threads", "2"]).code, Some(0), "the flag counts");
        assert_eq!(ran(value, &["check", "m.conv"]).code, Some(0), "nothing is run");
    }
}

#[test]
fn threads_backend_and_math_are_accepted_and_change_nothing() {
    let text = "model m {\n  input x [2, 9, 11]\n  conv(kernel=3, pad=1, out=5)\n  sigmoid\n}\n";
    let sandbox = Sandbox::with_model(text);
    let cases: [&[&str]; 5] = [
        &[],
        &["--threads", "2"],
        &["--backend", "cranelift"],
        &["--math", "strict"],
        &["--memory", "1G", "--seed", "0"],
    ];
    let mut outputs = Vec::new();
    for flags in cases {
        let mut arguments = vec!["run", "m.conv", "-o", "y.npy"];
        arguments.extend(flags);
        sandbox.expect(0, &arguments);
        outputs.push(make::read_npy(&sandbox.read("y.npy")));
    }
    for (shape, data) in &outputs {
        assert_eq!(shape, &[1, 5, 9, 11]);
        assert!(data.iter().zip(&outputs[0].1).all(|(a, b)| (a - b).abs() < 1e-5));
    }
    assert_eq!(outputs[0], outputs[1]);
    sandbox.expect(0, &["run", "m.conv", "--seed", "7", "-o", "y.npy"]);
    assert_ne!(outputs[0], make::read_npy(&sandbox.read("y.npy")));
}
