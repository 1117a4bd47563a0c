//! The virtio ports, found by the names that the host gave them.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

const PORTS: &str = "/sys/class/virtio-ports";

/// How long the ports may take to appear after their driver was loaded.
const DEADLINE: Duration = Duration::from_secs(20);

/// Opens the port called `name` for reading and writing.
///
/// # Errors
/// When no port of that name appears before the deadline.
pub(crate) fn open(name: &str) -> Result<File> {
    let start = Instant::now();
    let device = loop {
        if let Some(device) = find(name) {
            break device;
        }
        if start.elapsed() > DEADLINE {
            anyhow::bail!("failed to find the virtio port `{name}` in `{PORTS}`");
        }
        thread::sleep(Duration::from_millis(5));
    };
    File::options()
        .read(true)
        .write(true)
        .open(&device)
        .with_context(|| format!("failed to open `{}`", device.display()))
}

/// The device of the port called `name`, once the host's announcement of the name has come.
fn find(name: &str) -> Option<PathBuf> {
    fs::read_dir(PORTS).ok()?.flatten().find_map(|entry| {
        let announced = fs::read_to_string(entry.path().join("name")).ok()?;
        let device = Path::new("/dev").join(entry.file_name());
        (announced.trim_end() == name && device.exists()).then_some(device)
    })
}
