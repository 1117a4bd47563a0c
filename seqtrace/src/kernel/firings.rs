//! How often the kprobes of tracefs fired, by the kernel's own count.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};

/// How often the list is read again when it has changed under our eyes.
const ATTEMPTS: u32 = 5;

/// What the kernel counted at one probe.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Firing {
    /// The event: `seqtrace_10/pause`.
    pub event: String,
    /// Where the probe is, as it was asked for: `_text+26`.
    pub place: String,
    /// Times that the probe's handler ran (`nhit`, counted before the handler asks for programs:
    /// `kprobe_dispatcher`, `kernel/trace/trace_kprobe.c`).
    pub hits: u64,
    /// Times that it did not, because its CPU was in the handler of another kprobe (`nmissed`,
    /// `kprobes_inc_nmissed_count`, `kernel/kprobes.c`). These are not in `hits`.
    pub nested: u64,
}

/// All probes of the kprobe events in the tracefs at `mount`.
///
/// # Errors
///
/// When tracefs does not tell, or others change its events all the time.
pub fn read(mount: &Path) -> Result<Vec<Firing>> {
    let read = |name: &str| {
        let path = mount.join(name);
        fs::read_to_string(&path).with_context(|| format!("failed to read `{}`", path.display()))
    };
    for _ in 0..ATTEMPTS {
        let list = read("kprobe_events")?;
        let profile = read("kprobe_profile")?;
        if let Some(firings) = parse(&list, &profile)
            && read("kprobe_events")? == list
        {
            return Ok(firings);
        }
    }
    bail!(
        "`kprobe_events` in `{}` changes all the time",
        mount.display()
    )
}

/// The profile has names without their group, and no places; but both files list the same probes in the
/// same order (`probes_seq_show`, `probes_profile_seq_show`).
fn parse(list: &str, profile: &str) -> Option<Vec<Firing>> {
    if list.lines().count() != profile.lines().count() {
        return None;
    }
    let lines = list.lines().zip(profile.lines());
    lines.map(|(probe, counts)| firing(probe, counts)).collect()
}

fn firing(probe: &str, counts: &str) -> Option<Firing> {
    let mut words = probe.split_whitespace();
    // `p:`, `r:`, `r16:` before the name.
    let (_, event) = words.next()?.split_once(':')?;
    let place = words.next()?;
    let mut counts = counts.split_whitespace();
    if counts.next()? != event.rsplit('/').next()? {
        return None;
    }
    Some(Firing {
        event: event.to_owned(),
        place: place.to_owned(),
        hits: counts.next()?.parse().ok()?,
        nested: counts.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "p:seqtrace_10/pause _text+26\np:kprobes/pause vfs_read\n\
                        r16:kprobes/back vfs_read\n";
    const PROFILE: &str = "  pause                    12               3\n  \
                           pause                     7               0\n  \
                           back                      0               1\n";

    #[test]
    fn counts_stand_in_the_order_of_the_list() {
        let firings = parse(LIST, PROFILE).unwrap();
        let told: Vec<_> = firings
            .iter()
            .map(|one| (&*one.event, &*one.place, one.hits, one.nested))
            .collect();
        assert_eq!(
            told,
            [
                ("seqtrace_10/pause", "_text+26", 12, 3),
                ("kprobes/pause", "vfs_read", 7, 0),
                ("kprobes/back", "vfs_read", 0, 1),
            ]
        );
    }

    #[test]
    fn files_of_different_moments_are_not_put_together() {
        assert_eq!(parse("", ""), Some(vec![]));
        assert_eq!(parse(LIST, "  pause 1 1\n"), None);
        assert_eq!(parse(LIST, &PROFILE.replace("back", "forth")), None);
        assert_eq!(parse("p:g/pause x\n", "  pause 1\n"), None);
    }
}
