use super::*;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_appears_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    write(&path, &[], |f| f.write_all(b"new")).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    write(&path, &[], |f| f.write_all(b"newer")).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"newer");
    assert_eq!(names(folder.path()), ["out"]);
}

#[cfg(unix)]
#[test]
fn others_may_read_it_as_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
    fs::write(folder.path().join("plain"), b"").unwrap();
    write(&folder.path().join("out"), &[], |_| Ok(())).unwrap();
    assert_eq!(mode("out"), mode("plain"));
}

#[test]
fn a_failure_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let fail = |path: &Path| {
        write(path, &[], |f| {
            f.write_all(&[0; 100_000])?;
            Err(io::ErrorKind::StorageFull.into())
        })
    };
    let error = fail(&path).unwrap_err();
    assert!(error.to_string().ends_with("the disk is full"), "{error}");
    assert_eq!(names(folder.path()), Vec::<String>::new());
    fs::write(&path, b"old").unwrap();
    fail(&path).unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["out"]);
}

#[test]
fn inputs_folders_and_read_only_files_are_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    fs::write(&path, b"old").unwrap();
    let error = |path: &Path, inputs: &[&Path]| write(path, inputs, |_| Ok(())).unwrap_err();
    let roundabout = folder.path().join(".").join("a");
    assert_eq!(
        error(&roundabout, &[Path::new("none"), &path]),
        FileError::OverInput { path: roundabout.clone() }
    );
    assert!(matches!(error(folder.path(), &[]), FileError::NotRegular { kind: "a folder", .. }));
    let nowhere = error(&folder.path().join("none/a"), &[]).to_string();
    assert!(nowhere.ends_with("there is no such file or folder"), "{nowhere}");
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    let read_only = error(&path, &[]).to_string();
    assert!(read_only.ends_with("it is read-only"), "{read_only}");
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[cfg(unix)]
#[test]
fn devices_and_links_to_inputs_are_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (path, hard, soft) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("c"));
    fs::write(&path, b"old").unwrap();
    fs::hard_link(&path, &hard).unwrap();
    std::os::unix::fs::symlink(&path, &soft).unwrap();
    for output in [&hard, &soft] {
        let error = write(output, &[&path], |_| Ok(())).unwrap_err();
        assert!(matches!(error, FileError::OverInput { .. }), "{error}");
    }
    let null = write(Path::new("/dev/null"), &[], |_| Ok(())).unwrap_err();
    assert!(matches!(null, FileError::NotRegular { kind: "a device", .. }), "{null}");
    // Where it is no input, a link stays and its file is replaced.
    write(&soft, &[], |f| f.write_all(b"new")).unwrap();
    assert!(fs::symlink_metadata(&soft).unwrap().is_symlink());
    assert_eq!(fs::read(&path).unwrap(), b"new");
}
