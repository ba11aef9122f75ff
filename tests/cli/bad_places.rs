//! Files that are not files, and outputs that must not be written.

use crate::harness::Sandbox;
use crate::{SAME, make};

/// Makes a FIFO. Whoever opens it to read would wait for ever.
#[cfg(unix)]
pub(crate) fn fifo(sandbox: &Sandbox, name: &str) {
    let status = std::process::Command::new("mkfifo").arg(sandbox.path(name)).status().unwrap();
    assert!(status.success());
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_model(SAME);
    sandbox.write("x.png", make::grey_png(&[9; 4], 2));
    sandbox
}

#[cfg(unix)]
#[test]
fn inputs_that_are_no_files() {
    let sandbox = sandbox();
    fifo(&sandbox, "fifo.png");
    sandbox.refuse(&["run", "m.conv", "fifo.png", "-o", "y.png"], &["fifo.png"]);
    sandbox.refuse(&["run", "m.conv", "/dev/zero", "-o", "y.png"], &["/dev/zero"]);
    sandbox.refuse(&["run", "m.conv", "missing.png", "-o", "y.png"], &["missing.png"]);
    sandbox.refuse(&["run", "m.conv", "x=missing.png", "-o", "y.png"], &["missing.png"]);
    sandbox.folder("folder");
    sandbox.write("named.conv", "model m {\n  input x [1, H, W] = \"folder\"\n  relu\n}\n");
    sandbox.refuse(&["run", "named.conv"], &["folder"]);
    sandbox.write("named.conv", "model m {\n  input x [1, H, W] = \"../x.png\"\n  relu\n}\n");
    sandbox.refuse(&["run", "named.conv"], &["../x.png"]);
}

#[test]
fn outputs_that_are_inputs() {
    let sandbox = sandbox();
    let before = sandbox.read("x.png");
    sandbox.refuse(&["run", "m.conv", "x.png", "-o", "x.png"], &["x.png"]);
    sandbox.refuse(&["run", "m.conv", "x.png", "-o", "./x.png"], &["x.png"]);
    std::fs::hard_link(sandbox.path("x.png"), sandbox.path("hard.png")).unwrap();
    sandbox.refuse(&["run", "m.conv", "x.png", "-o", "hard.png"], &["hard.png"]);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("x.png", sandbox.path("link.png")).unwrap();
        sandbox.refuse(&["run", "m.conv", "x.png", "-o", "link.png"], &["link.png"]);
    }
    assert_eq!(sandbox.read("x.png"), before);
    // The model's own default input and the weights are read as well.
    sandbox.write("own.conv", "model m {\n  input x [1, H, W] = \"x.png\"\n  relu\n}\n");
    sandbox.refuse(&["run", "own.conv", "-o", "x.png"], &["x.png"]);
    std::fs::copy(sandbox.path("m.conv"), sandbox.path("m.npy")).unwrap();
    sandbox.refuse(&["run", "m.npy", "x.png", "-o", "m.npy"], &["m.npy"]);
}

#[test]
fn outputs_that_cannot_be_written() {
    let sandbox = sandbox();
    sandbox.folder("folder.png");
    sandbox.folder("folder");
    sandbox.refuse(&["run", "m.conv", "x.png", "-o", "folder"], &["folder"]);
    sandbox.refuse(&["run", "m.conv", "x.png", "-o", "folder.png"], &["folder"]);
    sandbox.refuse(&["run", "m.conv", "x.png", "-o", "nowhere/y.png"], &["nowhere"]);
    sandbox.refuse(&["run", "m.conv", "x.png", "-o", "x.png/y.png"], &["x.png"]);
    sandbox.write("fixed.png", "old");
    let mut permissions = std::fs::metadata(sandbox.path("fixed.png")).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(sandbox.path("fixed.png"), permissions).unwrap();
    sandbox.refuse(&["run", "m.conv", "x.png", "-o", "fixed.png"], &["read-only"]);
    assert_eq!(sandbox.read("fixed.png"), b"old");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_and_devices() {
    let sandbox = sandbox();
    for device in ["/dev/full", "/dev/null"] {
        std::os::unix::fs::symlink(device, sandbox.path("device.png")).unwrap();
        sandbox.refuse(&["run", "m.conv", "x.png", "-o", "device.png"], &["device.png"]);
        std::fs::remove_file(sandbox.path("device.png")).unwrap();
    }
    sandbox.refuse(&["run", "m.conv", "x.png", "-o", "/dev/full"], &["/dev/full"]);
    fifo(&sandbox, "fifo.png");
    sandbox.refuse(&["run", "m.conv", "x.png", "-o", "fifo.png"], &["fifo.png"]);
}

#[test]
fn one_bad_output_stops_all_of_them() {
    let sandbox = sandbox();
    sandbox.folder("folder.npy");
    sandbox.refuse(&["run", "m.conv", "x.png", "-o", "y.png", "-o", "folder.npy"], &["folder.npy"]);
}

#[test]
fn a_crash_half_way_leaves_the_old_file() {
    // What cannot be encoded is found after the run; the file that was there stays.
    let sandbox = Sandbox::with_model("model m {\n  input x [1, H, W]\n  relu\n}\n");
    sandbox.write("y.jpg", "old");
    sandbox.refuse(&["run", "m.conv", "--size", "H=1,W=70000", "-o", "y.jpg"], &["JPEG"]);
    assert_eq!(sandbox.read("y.jpg"), b"old");
}
