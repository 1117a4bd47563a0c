//! The folders of cgroups → the path of a cgroup by its id. One that is removed keeps the path under which it was
//! seen: ids are not used again until the next boot (`fs/kernfs/dir.c`, `__kernfs_new_node`).

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    os::unix::fs::{DirEntryExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

/// The id of the cgroup above all others (`kernel/cgroup/cgroup.c`: the first node of the hierarchy).
pub(super) const ROOT_ID: u64 = 1;

/// Cgroups of version 2, as far as they have been seen.
#[derive(Debug)]
pub struct Cgroups {
    mount: PathBuf,
    paths: HashMap<u64, String>,
    /// Ids that were looked for in vain.
    missing: BTreeSet<u64>,
    /// How many there were at the last look, in the words of the kernel.
    stat: String,
}

/// Whether the kernel has cgroups at all.
pub fn are_there() -> bool {
    Path::new("/proc/self/cgroup").exists()
}

/// Where cgroups of version 2 are mounted.
///
/// # Errors
///
/// When they are not, or only a part of them is to be seen.
pub(super) fn mount() -> Result<PathBuf> {
    let mounts =
        fs::read_to_string("/proc/self/mounts").context("failed to read `/proc/self/mounts`")?;
    let mount = cgroup_mount(&mounts)
        .context("cgroups of version 2 are not mounted: mount -t cgroup2 cgroup2 /sys/fs/cgroup")?;
    let root =
        fs::metadata(&mount).with_context(|| format!("failed to read `{}`", mount.display()))?;
    ensure!(
        root.ino() == ROOT_ID,
        "`{}` shows a part of the cgroups only: run seqtrace outside of the container",
        mount.display()
    );
    Ok(mount)
}

/// Where cgroups of version 2 are mounted, by the lines of `/proc/self/mounts`.
fn cgroup_mount(mounts: &str) -> Option<PathBuf> {
    let mut lines = mounts.lines().map(|line| line.split(' '));
    lines.find_map(|mut words| {
        let place = words.nth(1)?;
        (words.next()? == "cgroup2").then(|| PathBuf::from(place))
    })
}

impl Cgroups {
    /// All that there are now.
    ///
    /// # Errors
    ///
    /// When cgroups of version 2 are not mounted, or only a part of them is to be seen.
    pub fn read() -> Result<Self> {
        let mut cgroups = Self {
            mount: mount()?,
            paths: HashMap::new(),
            missing: BTreeSet::new(),
            stat: String::new(),
        };
        cgroups.look();
        Ok(cgroups)
    }

    /// Looks for new ones, if their number has changed. What is gone stays known.
    pub fn look(&mut self) {
        let stat = fs::read_to_string(self.mount.join("cgroup.stat")).unwrap_or_default();
        if stat.is_empty() || stat != self.stat {
            self.walk();
            self.stat = stat;
        }
    }

    /// Those of `ids` that are known, after one more look if there is one that is not.
    pub fn paths(&mut self, ids: &BTreeSet<u64>) -> Vec<(u64, String)> {
        let unknown: Vec<u64> = self.unknown(ids).collect();
        if unknown.iter().any(|id| !self.missing.contains(id)) {
            self.walk();
            // No look at a later time finds what is gone.
            self.missing = self.unknown(ids).collect();
        }
        let known = ids.iter().filter_map(|id| {
            let path = self.paths.get(id)?;
            Some((*id, path.clone()))
        });
        known.collect()
    }

    fn unknown<'a>(&'a self, ids: &'a BTreeSet<u64>) -> impl Iterator<Item = u64> + 'a {
        let unknown = ids.iter().filter(|id| !self.paths.contains_key(id));
        unknown.copied()
    }

    fn walk(&mut self) {
        self.paths.insert(ROOT_ID, "/".to_owned());
        let mut folders = vec![(self.mount.clone(), String::new())];
        while let Some((folder, path)) = folders.pop() {
            // It may have been removed just now.
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries.flatten() {
                if !entry.file_type().is_ok_and(|file_type| file_type.is_dir()) {
                    continue;
                }
                let path = format!("{path}/{}", entry.file_name().to_string_lossy());
                self.paths.insert(entry.ino(), path.clone());
                folders.push((entry.path(), path));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_of_version_2_is_found_among_others() {
        let mounts = "proc /proc proc rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nosuid 0 0\n";
        let found = cgroup_mount(mounts);
        assert_eq!(found.as_deref(), Some(Path::new("/sys/fs/cgroup/unified")));
        assert_eq!(cgroup_mount("proc /proc proc rw 0 0\n"), None);
    }

    #[test]
    fn a_folder_that_is_gone_keeps_its_path() {
        let mount = tempfile::tempdir().expect("a folder");
        let inner = mount.path().join("system.slice/cron.service");
        fs::create_dir_all(&inner).expect("folders");
        let id = fs::metadata(&inner).expect("there").ino();
        let mut cgroups = Cgroups {
            mount: mount.path().to_owned(),
            paths: HashMap::new(),
            missing: BTreeSet::new(),
            stat: String::new(),
        };
        cgroups.look();
        fs::remove_dir(&inner).expect("empty");
        cgroups.look();
        let unknown = u64::MAX;
        let paths = cgroups.paths(&[id, unknown].into());
        assert_eq!(paths, [(id, "/system.slice/cron.service".to_owned())]);
    }
}
