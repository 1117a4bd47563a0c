//! What the kernel means when it refuses a probe.

use std::fmt;

use nix::errno::Errno;

/// Why there is no probe at a site that the plan wanted probed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Refusal {
    /// `EILSEQ`: the address is not the first byte of an instruction.
    NotAnInstruction,
    /// `EADDRNOTAVAIL`: the symbol is the name of more than one thing.
    SeveralSymbols,
    /// `EINVAL`: probes are forbidden there (`noinstr`, `notrace`, the kprobes blacklist).
    Forbidden,
    /// `ENOENT`: no such symbol.
    NoSymbol,
    /// Another site of the plan has the same address, so one probe could not tell them apart.
    AddressTaken,
    /// Any other errno, kept as it came.
    Other(i32),
}

impl Refusal {
    /// The refusal that an errno of a write to `kprobe_events` stands for
    /// (`kernel/trace/trace_kprobe.c`, `kernel/kprobes.c`); `None`: the errno says nothing of the site, all
    /// other probes would fail as well.
    pub fn from_errno(errno: i32) -> Option<Self> {
        Some(match Errno::from_raw(errno) {
            Errno::EILSEQ => Self::NotAnInstruction,
            Errno::EADDRNOTAVAIL => Self::SeveralSymbols,
            Errno::EINVAL => Self::Forbidden,
            Errno::ENOENT => Self::NoSymbol,
            Errno::EPERM | Errno::EACCES | Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM => {
                return None;
            }
            _ => Self::Other(errno),
        })
    }

    /// Whether another name for the same address may be taken.
    pub(super) fn is_about_the_name(self) -> bool {
        match self {
            Self::SeveralSymbols | Self::NoSymbol => true,
            Self::NotAnInstruction | Self::Forbidden | Self::AddressTaken | Self::Other(_) => false,
        }
    }
}

/// The name of the errno and its meaning.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NotAnInstruction => "EILSEQ: not the start of an instruction",
            Self::SeveralSymbols => "EADDRNOTAVAIL: the symbol is not unique",
            Self::Forbidden => "EINVAL: probes are forbidden there",
            Self::NoSymbol => "ENOENT: no such symbol",
            Self::AddressTaken => "another site has the same address",
            Self::Other(errno) => {
                let errno = Errno::from_raw(*errno);
                return write!(f, "{errno:?}: {}", errno.desc());
            }
        };
        f.write_str(text)
    }
}

/// One line on why no probe is in place.
pub(super) fn nothing_attached(refusals: &[(u32, Refusal)]) -> String {
    match refusals {
        [] => "nothing to attach: the plan has no probes".to_owned(),
        [(_, first), others @ ..] if others.iter().all(|(_, other)| other == first) => {
            format!("failed to attach any of {} probes: {first}", refusals.len())
        }
        [(_, first), ..] => {
            format!(
                "failed to attach any of {} probes, the first: {first}",
                refusals.len()
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_of_the_site_is_a_refusal() {
        assert_eq!(Refusal::from_errno(84), Some(Refusal::NotAnInstruction));
        assert_eq!(Refusal::from_errno(99), Some(Refusal::SeveralSymbols));
        assert_eq!(Refusal::from_errno(22), Some(Refusal::Forbidden));
        assert_eq!(Refusal::from_errno(2), Some(Refusal::NoSymbol));
        assert_eq!(Refusal::from_errno(16), Some(Refusal::Other(16)));
    }

    #[test]
    fn an_errno_of_the_process_is_none() {
        for errno in [1, 12, 13, 23, 24] {
            assert_eq!(Refusal::from_errno(errno), None, "{errno}");
        }
    }

    #[test]
    fn an_errno_without_a_meaning_of_ours_is_printed_by_name() {
        assert_eq!(
            Refusal::Other(16).to_string(),
            "EBUSY: Device or resource busy"
        );
    }

    #[test]
    fn the_line_on_nothing_attached_gives_the_reason() {
        assert_eq!(
            nothing_attached(&[]),
            "nothing to attach: the plan has no probes"
        );
        let one = [(0, Refusal::Forbidden), (4, Refusal::Forbidden)];
        assert_eq!(
            nothing_attached(&one),
            "failed to attach any of 2 probes: EINVAL: probes are forbidden there"
        );
        let two = [(0, Refusal::NoSymbol), (4, Refusal::Forbidden)];
        assert!(nothing_attached(&two).ends_with("the first: ENOENT: no such symbol"));
    }
}
