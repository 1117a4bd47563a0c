//! The kernels that have a name: which Debian package they are and which suites hold it.

use clap::ValueEnum;

/// A line of Debian kernels, with or without PREEMPT_RT.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Flavour {
    /// Debian 12 (bookworm).
    #[value(name = "6.1")]
    V6_1,
    /// Debian 12 (bookworm), PREEMPT_RT.
    #[value(name = "6.1-rt")]
    V6_1Rt,
    /// Debian 13 (trixie).
    #[value(name = "6.12")]
    V6_12,
    /// Debian 13 (trixie), PREEMPT_RT.
    #[value(name = "6.12-rt")]
    V6_12Rt,
    /// Debian 13 (trixie), for virtual machines in clouds: fewer drivers, other settings.
    #[value(name = "6.12-cloud")]
    V6_12Cloud,
    /// The newest 7.x of trixie-backports and sid.
    #[value(name = "7")]
    V7,
    /// The newest 7.x of trixie-backports and sid, PREEMPT_RT.
    #[value(name = "7-rt")]
    V7Rt,
}

impl Flavour {
    /// The name on the command line and in the cache.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V6_1 => "6.1",
            Self::V6_1Rt => "6.1-rt",
            Self::V6_12 => "6.12",
            Self::V6_12Rt => "6.12-rt",
            Self::V6_12Cloud => "6.12-cloud",
            Self::V7 => "7",
            Self::V7Rt => "7-rt",
        }
    }

    /// What the versions of its package begin with.
    pub(crate) fn version_prefix(self) -> &'static str {
        match self {
            Self::V6_1 | Self::V6_1Rt => "6.1.",
            Self::V6_12 | Self::V6_12Rt | Self::V6_12Cloud => "6.12.",
            Self::V7 | Self::V7Rt => "7.",
        }
    }

    /// The package that depends on the newest kernel.
    pub(crate) fn package(self) -> &'static str {
        match self {
            Self::V6_1 | Self::V6_12 | Self::V7 => "linux-image-amd64",
            Self::V6_1Rt | Self::V6_12Rt | Self::V7Rt => "linux-image-rt-amd64",
            Self::V6_12Cloud => "linux-image-cloud-amd64",
        }
    }

    /// The suites that may hold its newest version.
    pub(crate) fn suites(self) -> &'static [&'static str] {
        match self {
            Self::V6_1 | Self::V6_1Rt => &["bookworm", "bookworm-updates", "bookworm-security"],
            Self::V6_12 | Self::V6_12Rt | Self::V6_12Cloud => {
                &["trixie", "trixie-updates", "trixie-security"]
            }
            Self::V7 | Self::V7Rt => &["trixie-backports", "sid"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for flavour in Flavour::value_variants() {
            let value = flavour.to_possible_value().unwrap();
            assert_eq!(value.get_name(), flavour.name());
        }
    }
}
