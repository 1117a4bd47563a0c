//! `rename_lock` and the `d_seq` of names: entries move between folders all the time while others
//! walk paths, ask for their working folder and look for names that do not exist.

use std::{
    env,
    fs::{self, File},
    io,
    path::Path,
};

use anyhow::{Context as _, Result};
use nix::fcntl::{RenameFlags, renameat2};

use crate::thread::{self, HOME, Pace};

const ROOT: &str = "/tmp/rename";

/// A folder in memory on every distribution: a rename on a disk is mostly its file system's work.
const MEMORY: &str = "/dev/shm";

/// Starts a renamer and readers.
pub(crate) fn start() -> Result<()> {
    enter_deep_folder(Path::new(ROOT))?;
    let renamer = Renamer::create(Path::new(ROOT))?;
    thread::repeat("renamer", HOME, Pace::Background, move || renamer.rename())?;
    thread::read("cwd-reader", 150, read_working_folder)?;
    thread::read("name-seeker", 5_000, seek_missing_names)?;
    thread::read("link-reader", 20_000, read_links)
}

/// Starts a renamer and, on every other processor, a reader of the working folder, at the same
/// priority and without a pause: what a machine without PREEMPT_RT needs for readers to spin.
pub(crate) fn storm() -> Result<()> {
    let root = Path::new(MEMORY).join("seqtrace-storm");
    enter_deep_folder(&root)?;
    let renamer = Renamer::create(&root)?;
    thread::repeat("renamer", HOME, Pace::Steady, move || renamer.exchange())?;
    for processor in thread::others()? {
        thread::repeat("cwd-reader", processor, Pace::Steady, read_working_folder)?;
    }
    Ok(())
}

/// Every thread of the process works in a deep folder: asking for it takes long.
fn enter_deep_folder(root: &Path) -> Result<()> {
    let deep = root.join("still/a/b/c/d/e/f/g/h");
    fs::create_dir_all(&deep).with_context(|| format!("failed to create `{}`", deep.display()))?;
    env::set_current_dir(&deep).with_context(|| format!("failed to enter `{}`", deep.display()))
}

/// Two folders of one renamer, open: a rename then hardly walks a path, and most of it is the move.
struct Renamer {
    left: File,
    right: File,
}

/// Exchanges within a folder for each move between folders.
const EXCHANGES: usize = 16;

impl Renamer {
    fn create(root: &Path) -> Result<Self> {
        let folder = root.join("moving");
        // A workload that was ended before may have left the two names exchanged.
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error)
                    .with_context(|| format!("failed to remove `{}`", folder.display()));
            }
            Ok(()) | Err(_) => {}
        }
        let open = |name| -> Result<File> {
            let path = folder.join(name);
            fs::create_dir_all(path.join("folder"))
                .and_then(|()| fs::write(path.join("file"), ""))
                .and_then(|()| File::open(&path))
                .with_context(|| format!("failed to create `{}`", path.display()))
        };
        Ok(Self {
            left: open("left")?,
            right: open("right")?,
        })
    }

    fn rename(&self) -> Result<()> {
        let Self { left, right } = self;
        for _ in 0..EXCHANGES {
            self.exchange()?;
        }
        renameat2(left, "file", right, "away", RenameFlags::RENAME_NOREPLACE)
            .and_then(|()| renameat2(right, "away", left, "file", RenameFlags::RENAME_NOREPLACE))
            .context("failed to move a name to another folder and back")
    }

    fn exchange(&self) -> Result<()> {
        let Self { left, right: _ } = self;
        renameat2(left, "file", left, "folder", RenameFlags::RENAME_EXCHANGE)
            .context("failed to exchange two names")
    }
}

fn read_working_folder() -> Result<()> {
    env::current_dir()
        .map(drop)
        .context("failed to get the working folder")
}

fn read_links() -> Result<()> {
    for link in ["/proc/self/cwd", "/proc/self/exe", "/proc/self/fd/0"] {
        fs::read_link(link).with_context(|| format!("failed to read `{link}`"))?;
    }
    Ok(())
}

/// A name that is not there is looked up under `rename_lock`, lest a rename hide one that is.
fn seek_missing_names() -> Result<()> {
    for name in ["no", "such", "name"] {
        match fs::symlink_metadata(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).context("failed to look for a missing name"),
            Ok(_) => anyhow::bail!("a name that nobody created exists: `{name}`"),
        }
    }
    Ok(())
}
