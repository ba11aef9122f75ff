//! How much memory a run may take.

use std::fs;
use std::path::Path;

/// Taken where nothing says how much there is.
const UNKNOWN: u64 = 4 << 30;

/// The default limit: half of what is available, in bytes.
pub(super) fn default_limit() -> u64 {
    available(Path::new("/proc"), Path::new("/sys/fs/cgroup")).unwrap_or(UNKNOWN) / 2
}

/// The least that the kernel, the control groups and the process's own limit leave.
fn available(proc: &Path, cgroups: &Path) -> Option<u64> {
    let machine = read(proc, "meminfo").and_then(|text| kilobytes(&text, "MemAvailable:"));
    let groups = read(proc, "self/cgroup").and_then(|text| in_groups(&text, cgroups));
    let address_space = read(proc, "self/limits").and_then(|text| {
        let limit = address_space_limit(&text)?;
        let used = kilobytes(&read(proc, "self/status")?, "VmSize:")?;
        Some(limit.saturating_sub(used))
    });
    [machine, groups, address_space].into_iter().flatten().min()
}

fn read(folder: &Path, name: &str) -> Option<String> {
    fs::read_to_string(folder.join(name)).ok()
}

/// The field of a `/proc` file that is counted in kB.
fn kilobytes(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix(field))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The soft limit of `Max address space`, where there is one.
fn address_space_limit(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What the process's control groups, of version 1 or 2, and all groups above them leave.
fn in_groups(membership: &str, root: &Path) -> Option<u64> {
    let mut least = None;
    for line in membership.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let path = path.trim_start_matches('/');
        let (root, version) = match controllers {
            "" => (root.to_path_buf(), &V2),
            c if c.split(',').any(|c| c == "memory") => (root.join("memory"), &V1),
            _ => continue,
        };
        // In a container the path may be the host's; what of it is mounted is its upper end.
        for group in Path::new(path).ancestors() {
            least = [least, left_in(&root.join(group), version)].into_iter().flatten().min();
        }
    }
    least
}

/// The files of a version of control groups.
struct Version {
    limit: &'static str,
    used: &'static str,
    /// The field of `memory.stat` that counts cached files, which are given up under pressure.
    cache: &'static str,
}

const V1: Version =
    Version { limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes", cache: "total_inactive_file " };
const V2: Version = Version { limit: "memory.max", used: "memory.current", cache: "inactive_file " };

fn left_in(group: &Path, version: &Version) -> Option<u64> {
    let limit: u64 = read(group, version.limit)?.trim().parse().ok()?; // "max" is no limit
    let used: u64 = read(group, version.used)?.trim().parse().ok()?;
    let stat = read(group, "memory.stat").unwrap_or_default();
    let cache = stat.lines().find_map(|l| l.strip_prefix(version.cache)?.trim().parse().ok()).unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(cache)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("the folder is made");
        fs::write(path, text).expect("it is written");
    }

    #[test]
    fn the_least_of_machine_groups_and_limits_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let (proc, groups) = (folder.path().join("proc"), folder.path().join("cgroup"));
        assert_eq!(available(&proc, &groups), None);
        write(&proc, "meminfo", "MemTotal: 9 kB\nMemAvailable:   1000 kB\n");
        assert_eq!(available(&proc, &groups), Some(1_024_000));

        // Version 2: the group above the process's own is the tighter one.
        write(&proc, "self/cgroup", "0::/a/b\n");
        write(&groups, "a/b/memory.max", "max\n");
        write(&groups, "a/memory.max", "500000\n");
        write(&groups, "a/memory.current", "200000\n");
        write(&groups, "a/memory.stat", "anon 5\ninactive_file 50000\n");
        assert_eq!(available(&proc, &groups), Some(350_000));

        // Version 1 beside it, whose path does not exist here: its root counts.
        write(&proc, "self/cgroup", "7:cpu,memory:/docker/xyz\n0::/a/b\n");
        write(&groups, "memory/memory.limit_in_bytes", "100000\n");
        write(&groups, "memory/memory.usage_in_bytes", "90000\n");
        assert_eq!(available(&proc, &groups), Some(10_000));

        write(&proc, "self/limits", "Max address space  9000  unlimited bytes\n");
        write(&proc, "self/status", "VmSize:     1 kB\n");
        assert_eq!(available(&proc, &groups), Some(9000 - 1024));
        write(&proc, "self/limits", "Max address space  unlimited  unlimited bytes\n");
        assert_eq!(available(&proc, &groups), Some(10_000));
    }

    #[test]
    fn this_machine_has_some() {
        assert!(default_limit() > 1 << 20);
    }
}
