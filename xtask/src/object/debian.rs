//! Fetches one Debian package of one upstream version through apt, from the mirror that the
//! machine's own apt is configured with, without touching the machine's lists or packages.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{
    progress,
    toolchain::{output, run},
};

/// Suites that may have the version in question, the likeliest first.
const SUITES: [&str; 4] = [
    "trixie-backports",
    "stable-backports",
    "testing",
    "unstable",
];

/// Where Debian's own signing keys lie (package `debian-archive-keyring`).
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Unpacks `package` of the upstream version `release` into `to`; apt's state is kept in `state`.
pub(crate) fn unpack(package: &str, release: &str, state: &Path, to: &Path) -> Result<()> {
    let mirror = mirror()?;
    for suite in SUITES {
        progress(&format!(
            "looking for {package} {release} in Debian {suite}"
        ));
        let apt = Apt::new(&state.join(suite), &mirror, suite)?;
        // A suite that the mirror does not have is no reason to stop.
        if let Err(error) = output(apt.command("apt-get").args(["--error-on=any", "update"])) {
            progress(&format!("{error:#}"));
            continue;
        }
        let versions = output(apt.command("apt-cache").args(["madison", package]))?;
        let Some(version) = matching(&versions, release) else {
            continue;
        };
        run(apt
            .command("apt-get")
            .args(["download", &format!("{package}={version}")])
            .current_dir(&apt.root))?;
        let deb = downloaded(&apt.root)?;
        run(Command::new("dpkg-deb").arg("--extract").arg(&deb).arg(to))?;
        return fs::remove_file(&deb).context("failed to remove the downloaded package");
    }
    bail!(
        "failed to find `{package}` {release} in Debian's {}, install it with \
         `rustup component add {package}`",
        SUITES.join(", ")
    )
}

/// An apt of its own, with one suite of one mirror.
struct Apt {
    root: PathBuf,
}

impl Apt {
    fn new(root: &Path, mirror: &str, suite: &str) -> Result<Self> {
        for directory in ["lists/partial", "cache/archives/partial", "parts"] {
            let directory = root.join(directory);
            fs::create_dir_all(&directory)
                .with_context(|| format!("failed to make `{}`", directory.display()))?;
        }
        let sources = root.join("debian.sources");
        let text = format!(
            "Types: deb\nURIs: {mirror}\nSuites: {suite}\nComponents: main\nSigned-By: {KEYRING}\n"
        );
        fs::write(&sources, text)
            .with_context(|| format!("failed to write `{}`", sources.display()))?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// `name` with its state below `root`; proxies and the like stay the machine's.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        for (option, path) in [
            ("Dir::Etc::SourceList", "debian.sources"),
            ("Dir::Etc::SourceParts", "parts"),
            ("Dir::State::Lists", "lists"),
            ("Dir::Cache", "cache"),
        ] {
            command
                .arg("-o")
                .arg(format!("{option}={}", self.root.join(path).display()));
        }
        // The user that apt switches to may not be able to enter the cache.
        command.args([
            "-o",
            "APT::Sandbox::User=root",
            "-o",
            "Acquire::Languages=none",
            "-q",
        ]);
        command.env("LC_ALL", "C");
        command
    }
}

/// The Debian mirror of the machine's own apt.
fn mirror() -> Result<String> {
    let format = "$(ORIGIN) $(LABEL) $(REPO_URI)";
    let targets = output(Command::new("apt-get").args(["indextargets", "--format", format]))?;
    targets
        .lines()
        .find_map(|line| line.strip_prefix("Debian Debian "))
        .map(str::to_owned)
        .context("failed to find a Debian mirror in apt's configuration")
}

/// The first package version of `apt-cache madison` that is upstream's `release`.
fn matching<'a>(madison: &'a str, release: &str) -> Option<&'a str> {
    madison
        .lines()
        .filter_map(|line| line.split('|').nth(1).map(str::trim))
        .find(|version| version.split(['+', '-']).next() == Some(release))
}

fn downloaded(directory: &Path) -> Result<PathBuf> {
    fs::read_dir(directory)
        .with_context(|| format!("failed to read `{}`", directory.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .with_context(|| format!("failed to find a package in `{}`", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_release_matches() {
        let madison = " rust-src | 1.95.1+dfsg1-1 | mirror sid/main amd64 Packages\n \
                       rust-src | 1.95.0+dfsg1-2~bpo13+1 | mirror x/main amd64 Packages";
        assert_eq!(matching(madison, "1.95.0"), Some("1.95.0+dfsg1-2~bpo13+1"));
        assert_eq!(matching(madison, "1.95"), None);
        assert_eq!(matching("", "1.95.0"), None);
    }
}
