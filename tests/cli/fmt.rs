//! The formatter as a command.

use std::io::Write;
use std::process::Stdio;

use crate::harness::Sandbox;

const UGLY: &str =
    "model  m{\n input x [1,H,W] # the photo\n\n\n\n conv( kernel=3,pad = 1,out=2 )\n   relu\n}\n";

#[test]
fn it_formats_in_place_keeps_comments_and_is_idempotent() {
    let sandbox = Sandbox::with_model(UGLY);
    sandbox.expect(0, &["fmt", "m.conv"]);
    let once = String::from_utf8(sandbox.read("m.conv")).unwrap();
    assert_ne!(once, UGLY);
    assert!(once.contains("# the photo") && once.contains("conv(kernel=3, pad=1, out=2)"), "{once}");
    sandbox.expect(0, &["fmt", "m.conv"]);
    assert_eq!(String::from_utf8(sandbox.read("m.conv")).unwrap(), once);
    assert_eq!(sandbox.files(), ["m.conv"]);
}

#[test]
fn check_changes_nothing_and_tells() {
    let sandbox = Sandbox::with_model(UGLY);
    let ran = sandbox.expect(1, &["fmt", "--check", "m.conv"]);
    assert!(ran.stdout.contains("m.conv"), "{ran:#?}");
    assert_eq!(sandbox.read("m.conv"), UGLY.as_bytes());
    sandbox.expect(0, &["fmt", "m.conv"]);
    let ran = sandbox.expect(0, &["fmt", "--check", "m.conv"]);
    assert_eq!(ran.stdout, "");
}

#[test]
fn stdin_goes_to_stdout() {
    let sandbox = Sandbox::with_model(UGLY);
    let mut command = sandbox.command(&["fmt", "-"]);
    command.stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(UGLY.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    sandbox.expect(0, &["fmt", "m.conv"]);
    assert_eq!(output.stdout, sandbox.read("m.conv"));
}

#[test]
fn what_does_not_parse_is_left_alone() {
    let broken = "model m {\n input x [1,\n}\n";
    let sandbox = Sandbox::with_model(broken);
    sandbox.write("good.conv", UGLY);
    sandbox.refuse(&["fmt", "m.conv"], &["m.conv"]);
    assert_eq!(sandbox.read("m.conv"), broken.as_bytes());
    // The others are formatted all the same.
    sandbox.expect(1, &["fmt", "m.conv", "good.conv"]);
    assert_ne!(sandbox.read("good.conv"), UGLY.as_bytes());
}

#[cfg(unix)]
#[test]
fn permissions_and_links_stay() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::with_model(UGLY);
    std::fs::set_permissions(sandbox.path("m.conv"), std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("m.conv", sandbox.path("link.conv")).unwrap();
    sandbox.expect(0, &["fmt", "link.conv"]);
    assert!(std::fs::symlink_metadata(sandbox.path("link.conv")).unwrap().is_symlink());
    assert_ne!(sandbox.read("m.conv"), UGLY.as_bytes());
    let mode = std::fs::metadata(sandbox.path("m.conv")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}
