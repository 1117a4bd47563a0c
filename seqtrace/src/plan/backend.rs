//! Which backend counts a target: the best of those in use that sees it.

use super::{Backend, Kind, Place, Skip, hazard};
use crate::kernel::hazards::Hazards;

/// The backends that may be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backends {
    /// kprobes.
    pub probe: bool,
    /// The tracepoints of contended locks.
    pub contention: bool,
    /// Samples of the CPU clock.
    pub sample: bool,
}

impl Default for Backends {
    fn default() -> Self {
        Self::PROBE
    }
}

impl Backends {
    /// Every event, where the kernel allows it, and nothing else.
    pub const PROBE: Self = Self {
        probe: true,
        contention: false,
        sample: false,
    };

    /// Samples of the CPU clock and nothing else.
    pub const SAMPLE: Self = Self {
        probe: false,
        contention: false,
        sample: true,
    };

    /// The backend for a place at `address`, and why it is left out, if it is.
    pub(super) fn choose(
        self,
        kind: Kind,
        place: &Place,
        address: u64,
        hazards: &Hazards,
    ) -> (Backend, Option<Skip>) {
        let hazard = hazard::hazard(place.function(), address, hazards);
        if self.probe && hazard.is_none() {
            return (Backend::Probe, None);
        }
        if hazard == Some(Skip::InitText) {
            return (Backend::Probe, hazard);
        }
        if self.contention && kind == Kind::Block {
            return (Backend::Contention, None);
        }
        // Reading and crediting a sample runs none of the code that it could hit.
        if self.sample && has_cold(place) {
            return (Backend::Sample, None);
        }
        let without = if self.probe { hazard } else { None };
        (Backend::Probe, without.or(Some(Skip::NoBackend)))
    }
}

/// Whether readers wait in code of their own.
fn has_cold(place: &Place) -> bool {
    match place {
        Place::Site(site) => !site.cold.is_empty(),
        Place::Instance(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::catalog::{Name, Role, Seqcount, Site, Stretch};

    fn place(function: &str, role: Role) -> Place {
        let cold = (role == Role::Spin).then_some(Stretch {
            image_offset: 0x100,
            bytes: 4,
        });
        Place::Site(Site {
            function: function.to_owned(),
            offset: 0x10,
            image_offset: 0x100,
            role,
            seqcount: Seqcount {
                name: Name::Unknown,
                lockname: None,
                lock: None,
            },
            end: None,
            lock_function: None,
            sequence_register: None,
            location: None,
            cold: cold.into_iter().collect(),
            chain: Vec::new(),
        })
    }

    fn choose(backends: Backends, function: &str, role: Role) -> (Backend, Option<Skip>) {
        let place = place(function, role);
        backends.choose(
            Kind::of_role(role),
            &place,
            0x1100,
            &Hazards {
                traceable: Some(["d_lookup".to_owned(), "getrusage".to_owned()].into()),
                ..Hazards::default()
            },
        )
    }

    #[test]
    fn without_kprobes_spins_are_sampled_and_blocks_seen_in_the_tracepoint() {
        let backends = Backends {
            probe: false,
            contention: true,
            sample: true,
        };
        let chosen = |function, role| choose(backends, function, role);
        assert_eq!(chosen("d_lookup", Role::Spin), (Backend::Sample, None));
        assert_eq!(
            chosen("getrusage", Role::Block),
            (Backend::Contention, None)
        );
        let (_, skip) = chosen("d_lookup", Role::Retry);
        assert_eq!(skip, Some(Skip::NoBackend));
    }

    #[test]
    fn what_kprobes_refuse_is_seen_otherwise_where_that_is_possible() {
        let backends = Backends {
            contention: true,
            ..Backends::PROBE
        };
        let chosen = |function, role| choose(backends, function, role);
        assert_eq!(chosen("getrusage", Role::Block), (Backend::Probe, None));
        assert_eq!(chosen("hidden", Role::Block), (Backend::Contention, None));
        let (_, skip) = chosen("hidden", Role::Spin);
        assert_eq!(skip, Some(Skip::Notrace));
    }
}
