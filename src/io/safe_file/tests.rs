use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_file_is_read_up_to_the_limit() {
    let folder = folder();
    let path = folder.path().join("a");
    fs::write(&path, b"12345").unwrap();
    assert_eq!(read(&path, 5).unwrap(), b"12345");
    assert_eq!(read(&path, 4), Err(FileError::TooLarge { path: path.clone(), bytes: 5, limit: 4 }));
    let missing = read(&folder.path().join("b\n"), 5).unwrap_err().to_string();
    assert!(missing.ends_with("b\\n\": there is no such file or folder"), "{missing}");
}

#[cfg(unix)]
#[test]
fn pipes_devices_and_folders_are_refused_at_once() {
    let folder = folder();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let kind = |path: &Path| match read(path, 1 << 20) {
        Err(FileError::NotRegular { kind, .. }) => kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(&pipe), "a pipe");
    assert_eq!(kind(Path::new("/dev/zero")), "a device");
    assert_eq!(kind(folder.path()), "a folder");
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&pipe, &link).unwrap();
    assert_eq!(kind(&link), "a pipe");
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_hides_its_length_is_read_up_to_the_limit() {
    assert!(!read(Path::new("/proc/self/status"), 1 << 20).unwrap().is_empty());
    assert!(matches!(read(Path::new("/proc/self/status"), 10), Err(FileError::TooLarge { .. })));
}

#[test]
fn paths_in_a_text_stay_beneath_its_folder() {
    let folder = folder();
    let inside = folder.path().join("model");
    fs::create_dir_all(inside.join("sub")).unwrap();
    fs::write(inside.join("sub/w"), b"").unwrap();
    fs::write(folder.path().join("secret"), b"").unwrap();
    let target = beneath(&inside, "sub/w", false).unwrap();
    assert_eq!(target, fs::canonicalize(inside.join("sub/w")).unwrap());
    assert_eq!(beneath(&inside, "./sub/w", false).unwrap(), target);
    let how = |written: &str| match beneath(&inside, written, false) {
        Err(FileError::Outside { how, .. }) => how,
        other => panic!("{other:?}"),
    };
    assert_eq!(how("../secret"), "it contains `..`");
    assert_eq!(how("sub/../sub/w"), "it contains `..`");
    assert_eq!(how(folder.path().join("secret").to_str().unwrap()), "it is absolute");
    assert!(matches!(beneath(&inside, "none", false), Err(FileError::Open { .. })));
    let allowed = beneath(&inside, "../secret", true).unwrap();
    assert!(read(&allowed, 1).is_ok());
}

#[cfg(unix)]
#[test]
fn links_out_of_the_folder_are_refused() {
    let folder = folder();
    let inside = folder.path().join("model");
    fs::create_dir(&inside).unwrap();
    fs::write(folder.path().join("secret"), b"").unwrap();
    fs::write(inside.join("w"), b"").unwrap();
    std::os::unix::fs::symlink("../secret", inside.join("out")).unwrap();
    std::os::unix::fs::symlink("w", inside.join("in")).unwrap();
    std::os::unix::fs::symlink("..", inside.join("up")).unwrap();
    assert!(beneath(&inside, "in", false).is_ok());
    for written in ["out", "up/secret"] {
        let error = beneath(&inside, written, false).unwrap_err();
        assert!(error.to_string().ends_with("a link leads out of the folder"), "{error}");
    }
    // The model's own folder may be reached through a link.
    let other = folder.path().join("other");
    std::os::unix::fs::symlink(&inside, &other).unwrap();
    assert!(beneath(&other, "w", false).is_ok());
}
