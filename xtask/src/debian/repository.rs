//! Debian packages through apt with a state of its own: the machine's mirror and keyring, any
//! suite. The machine's own package lists and sources stay as they are.
//!
//! Signatures are always checked. Debian signs a new suite with the keys of the suite before it
//! too, so that the keyring of one release verifies the next one and sid.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{
    control::{Paragraph, exact_dependencies, paragraphs},
    sources,
};
use crate::{progress, tool};

/// Index files other than the package lists, which apt fetches where it is set up to.
const UNWANTED_INDEXES: [&str; 5] = [
    "DEP-11",
    "DEP-11-icons-small",
    "DEP-11-icons",
    "DEP-11-icons-large",
    "Contents-deb",
];

/// A private apt for some suites.
#[derive(Debug)]
pub(crate) struct Repository {
    root: PathBuf,
}

/// One package file to download.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
}

impl Repository {
    /// Makes an apt state for `suites` below `root` and fetches their package lists.
    ///
    /// # Errors
    /// When the machine's apt knows no Debian mirror, or the lists cannot be fetched or verified.
    pub(crate) fn update(root: &Path, suites: &[&str]) -> Result<Self> {
        for folder in ["state/lists/partial", "cache/archives/partial", "empty"] {
            let folder = root.join(folder);
            fs::create_dir_all(&folder)
                .with_context(|| format!("failed to create `{}`", folder.display()))?;
        }
        let targets =
            tool::text(Command::new("apt-get").args(["indextargets", "Created-By: Packages"]))?;
        let sources = sources::compose(&paragraphs(&targets), suites)?;
        let repository = Self {
            root: root.to_owned(),
        };
        let file = repository.root.join("sources.list");
        fs::write(&file, sources)
            .with_context(|| format!("failed to write `{}`", file.display()))?;
        progress::step(
            "Updating",
            format_args!("package lists of {}", suites.join(", ")),
        );
        tool::run(repository.apt("apt-get").args(["--quiet=2", "--error-on=any", "update"])).context(
            "failed to fetch or verify Debian's package lists (an old `debian-archive-keyring` does \
             not know the keys of newer suites)",
        )?;
        Ok(repository)
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let mut option = |name: &str, value: &str| {
            command.arg("--option").arg(format!("{name}={value}"));
        };
        let path = |name: &str| self.root.join(name).display().to_string();
        option("Dir::Etc::sourcelist", &path("sources.list"));
        option("Dir::Etc::sourceparts", &path("empty"));
        option("Dir::Etc::preferences", "/dev/null");
        option("Dir::Etc::preferencesparts", &path("empty"));
        option("Dir::State", &path("state"));
        option("Dir::State::status", "/dev/null");
        option("Dir::Cache", &path("cache"));
        option("APT::Architecture", "amd64");
        option("APT::Architectures", "amd64");
        option("Acquire::Languages", "none");
        // apt's own user cannot write below a home directory.
        option("APT::Sandbox::User", "");
        for index in UNWANTED_INDEXES {
            option(
                &format!("Acquire::IndexTargets::deb::{index}::DefaultEnabled"),
                "false",
            );
        }
        command
    }

    /// The newest kernel that `package` has depended on, where its version starts with `prefix`:
    /// every package file that holds a part of it.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn newest_kernel(&self, package: &str, prefix: &str) -> Result<Vec<Package>> {
        let text = tool::text(self.apt("apt-cache").args(["show", package]))?;
        let all = paragraphs(&text);
        // apt keeps the versions of a package sorted, the highest first.
        let newest = all
            .iter()
            .find(|one| {
                one.get("Version")
                    .is_some_and(|version| version.starts_with(prefix))
            })
            .with_context(|| format!("no version {prefix}* of `{package}` in the suites"))?;
        let mut found = kernel_parts(newest);
        let mut next = 0;
        while let Some(Package { name, version }) = found.get(next) {
            let wanted = format!("{name}={version}");
            let text = tool::text(self.apt("apt-cache").args(["show", &wanted]))?;
            for part in paragraphs(&text)
                .first()
                .map(kernel_parts)
                .unwrap_or_default()
            {
                if !found.contains(&part) {
                    found.push(part);
                }
            }
            next += 1;
        }
        if found.is_empty() {
            bail!("`{package}` depends on no kernel package");
        }
        Ok(found)
    }

    /// The newest version of `package` that `wanted` takes; `None` when there is none.
    ///
    /// # Errors
    /// When apt fails.
    pub(crate) fn newest(
        &self,
        package: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Option<Package>> {
        let text = tool::text(self.apt("apt-cache").args(["madison", package]))?;
        Ok(madison(&text)
            .find(|version| wanted(version))
            .map(|version| Package {
                name: package.to_owned(),
                version: version.to_owned(),
            }))
    }

    /// What modules are built with: the headers of a kernel, those that they need of the same
    /// version, the build tools, and the libraries that these are linked against.
    ///
    /// # Errors
    /// When one of them is not in the suites.
    pub(crate) fn build_parts(&self, headers: &Package) -> Result<Vec<Package>> {
        let Package { name, version } = headers;
        let wanted = format!("{name}={version}");
        let text = tool::text(self.apt("apt-cache").args(["show", &wanted]))
            .with_context(|| format!("no {name} {version} in the suites any more"))?;
        let all = paragraphs(&text);
        let depends = all.first().and_then(|one| one.get("Depends"));
        let depends = depends.with_context(|| format!("`{name}` depends on nothing"))?;
        let mut parts = vec![headers.clone()];
        for (name, version) in exact_dependencies(depends) {
            if name.starts_with("linux-headers-") {
                parts.push(Package {
                    name: name.to_owned(),
                    version: version.to_owned(),
                });
            }
        }
        let tools = depends
            .split([',', ' '])
            .find(|word| word.starts_with("linux-kbuild-"))
            .with_context(|| format!("`{name}` depends on no `linux-kbuild-`"))?;
        let recursive = [
            "depends",
            "--recurse",
            "--no-recommends",
            "--no-suggests",
            "--no-conflicts",
            "--no-breaks",
            "--no-replaces",
            "--no-enhances",
            tools,
        ];
        let text = tool::text(self.apt("apt-cache").args(recursive))?;
        for name in [tools].into_iter().chain(libraries(&text)) {
            let newest = self.newest(name, |_| true)?;
            parts.push(newest.with_context(|| format!("no `{name}` in the suites"))?);
        }
        Ok(parts)
    }

    /// The packages that an empty system needs for `packages` to run.
    ///
    /// # Errors
    /// When one of them cannot be installed.
    pub(crate) fn closure(&self, packages: &[&str]) -> Result<Vec<Package>> {
        let mut install = self.apt("apt-get");
        install.args(["install", "--simulate", "--no-install-recommends"]);
        let text = tool::text(install.args(packages))?;
        Ok(installed(&text).collect())
    }

    /// Downloads and verifies package files into `folder`.
    pub(crate) fn download(&self, packages: &[Package], folder: &Path) -> Result<()> {
        let mut command = self.apt("apt-get");
        command.args(["--quiet=2", "download"]).current_dir(folder);
        for Package { name, version } in packages {
            progress::step("Fetching", format_args!("{name} {version}"));
            command.arg(format!("{name}={version}"));
        }
        tool::run(&mut command)
    }
}

/// The versioned kernel packages that a package depends on.
///
/// Since 7.x Debian splits a kernel: `linux-image-…` is then empty and depends on the others
/// (`linux-base-…` holds the list of the built-in modules).
fn kernel_parts(package: &Paragraph) -> Vec<Package> {
    let kernel = |name: &str| {
        [
            "linux-image-",
            "linux-base-",
            "linux-binary-",
            "linux-modules-",
        ]
        .iter()
        .filter_map(|prefix| name.strip_prefix(prefix))
        .any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    exact_dependencies(package.get("Depends").unwrap_or_default())
        .into_iter()
        .filter(|(name, _)| kernel(name))
        .map(|(name, version)| Package {
            name: name.to_owned(),
            version: version.to_owned(),
        })
        .collect()
}

/// The libraries in the output of `apt-cache depends --recurse`, where a package stands at the
/// beginning of a line.
fn libraries(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| line.starts_with("lib") || *line == "zlib1g")
}

/// The packages in the output of `apt-get install --simulate`: `Inst libc6 (2.41-12 Debian:13/trixie [amd64])`.
fn installed(text: &str) -> impl Iterator<Item = Package> {
    text.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("Inst ")?.split_once(" (")?;
        Some(Package {
            name: name.to_owned(),
            version: rest.split(' ').next()?.to_owned(),
        })
    })
}

/// The versions in the output of `apt-cache madison`, the newest first.
fn madison(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.split('|').nth(1).map(str::trim))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_second_column() {
        let text = " rust-src | 1.95.1+dfsg1-1 | mirror sid/main amd64 Packages\n \
                    rust-src | 1.95.0+dfsg1-2~bpo13+1 | mirror x/main amd64 Packages";
        let versions: Vec<_> = madison(text).collect();
        assert_eq!(versions, ["1.95.1+dfsg1-1", "1.95.0+dfsg1-2~bpo13+1"]);
    }

    #[test]
    fn what_would_be_installed_has_a_name_and_a_version() {
        let text = "Inst libc6 (2.41-12 Debian:13/trixie [amd64])\nConf libc6 (2.41-12 Debian:13/trixie [amd64])";
        let found: Vec<_> = installed(text).collect();
        let [Package { name, version }] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!((&**name, &**version), ("libc6", "2.41-12"));
    }

    #[test]
    fn libraries_stand_at_the_beginning_of_a_line() {
        let text = "linux-kbuild-6.1\n  Depends: libc6\n  Depends: <x>\nlibc6\nzlib1g\npahole";
        assert_eq!(libraries(text).collect::<Vec<_>>(), ["libc6", "zlib1g"]);
    }

    #[test]
    fn parts_of_a_split_kernel_are_all_found() {
        let text = "Depends: linux-base-7.3.4+deb13-rt-amd64 (= 7.3.4-1), \
                    linux-binary-7.3.4+deb13-rt-amd64 (= 7.3.4-1), \
                    linux-modules-7.3.4+deb13-rt-amd64 (= 7.3.4-1), \
                    linux-modules-rt-amd64 (= 7.3.4-1), kmod";
        let names: Vec<_> = kernel_parts(&paragraphs(text)[0])
            .into_iter()
            .map(|part| part.name)
            .collect();
        assert_eq!(
            names,
            [
                "linux-base-7.3.4+deb13-rt-amd64",
                "linux-binary-7.3.4+deb13-rt-amd64",
                "linux-modules-7.3.4+deb13-rt-amd64"
            ]
        );
    }
}
