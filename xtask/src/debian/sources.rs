//! From the sources that the machine's apt is set up with to `sources.list` lines for any Debian
//! suite: same mirror, same keyring. Pure. It knows no mirror of its own.

use std::fmt::Write as _;

use anyhow::{Result, bail};

use super::control::Paragraph;
use crate::progress;

/// Where the machine's apt gets Debian from.
#[derive(Debug, Default, Eq, PartialEq)]
struct Mirrors {
    /// URI of the archive, with the keyring that the machine trusts for it.
    archive: Option<(String, Option<String>)>,
    /// The same for the security archive.
    security: Option<(String, Option<String>)>,
}

/// One line of `sources.list` for each suite, from the targets that `apt-get indextargets` prints.
///
/// # Errors
/// When there is no Debian among the targets.
pub(crate) fn compose(targets: &[Paragraph], suites: &[&str]) -> Result<String> {
    let Mirrors { archive, security } = mirrors(targets);
    let Some(archive) = archive else {
        bail!(
            "failed to find a Debian mirror in this machine's apt sources: use `--kernel-image` \
             and `--modules`"
        );
    };
    let mut lines = String::new();
    for suite in suites {
        let mirror = if suite.ends_with("-security") {
            security.as_ref()
        } else {
            Some(&archive)
        };
        let Some((uri, keyring)) = mirror else {
            progress::line(format_args!(
                "note: apt has no security mirror, leaving out {suite}"
            ));
            continue;
        };
        let keyring = keyring
            .as_ref()
            .map_or(String::new(), |path| format!("[signed-by={path}] "));
        writeln!(lines, "deb {keyring}{uri} {suite} main").expect("a string takes any text");
    }
    Ok(lines)
}

/// Finds Debian's archives among the sources that the machine's apt is set up with.
fn mirrors(targets: &[Paragraph]) -> Mirrors {
    let mut mirrors = Mirrors::default();
    for target in targets {
        let debian = match target.get("Origin") {
            Some(origin) => origin == "Debian",
            // Before the first update only the address can tell.
            None => target
                .get("Site")
                .is_some_and(|site| site.contains("debian")),
        };
        let (Some(site), Some(release)) = (target.get("Site"), target.get("Release")) else {
            continue;
        };
        if !debian || target.get("Component") != Some("main") {
            continue;
        }
        let slot = if release.ends_with("-security") {
            &mut mirrors.security
        } else {
            &mut mirrors.archive
        };
        let keyring = target.get("Signed-By").map(str::to_owned);
        slot.get_or_insert_with(|| (site.trim_end_matches('/').to_owned(), keyring));
    }
    mirrors
}

#[cfg(test)]
mod tests {
    use super::{super::control::paragraphs, *};

    const TARGETS: &str = "\
Site: https://packages.example/debian
Origin: Example
Component: main
Release: stable

Site: http://mirror.example/debian/
Origin: Debian
Component: main
Release: bookworm
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Site: http://mirror.example/debian-security
Component: main
Release: bookworm-security
";

    #[test]
    fn mirrors_are_taken_from_debians_own_entries() {
        let Mirrors { archive, security } = mirrors(&paragraphs(TARGETS));
        let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg".to_owned();
        assert_eq!(
            archive,
            Some(("http://mirror.example/debian".into(), Some(keyring)))
        );
        assert_eq!(
            security,
            Some(("http://mirror.example/debian-security".into(), None))
        );
    }

    #[test]
    fn sources_name_the_keyring_where_the_machine_does() {
        let text = compose(&paragraphs(TARGETS), &["sid", "trixie-security"]).unwrap();
        assert_eq!(
            text,
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] \
             http://mirror.example/debian sid main\n\
             deb http://mirror.example/debian-security trixie-security main\n"
        );
    }

    #[test]
    fn sources_refuse_a_machine_without_debian() {
        assert!(compose(&[], &["sid"]).is_err());
    }
}
