//! Gives each site its place in the kernel side's table.

use std::collections::BTreeSet;

use seqtrace_common::site::SitePlaces;

/// Bits of a place in the smallest table.
const LEAST_BITS: u32 = 8;
/// Places for each site, at least: so that of the multipliers that are tried one gives nearly all sites the first of
/// theirs. Each further look takes a reader that waits some twenty instructions; a place is 32 bytes.
const ROOM: usize = 32;
/// Multipliers that are tried.
const TRIES: u64 = 64;

/// The places of all sites.
#[derive(Clone, Debug)]
pub(in crate::attach) struct Places {
    /// How the kernel side finds them.
    pub(in crate::attach) layout: SitePlaces,
    /// Addresses, in their order, with their places.
    taken: Vec<(u64, u32)>,
}

impl Places {
    /// Places for these addresses. Of the multipliers that lead each of them to one of its [`SitePlaces::PLACES`] that one
    /// is taken with which the fewest looks are needed.
    pub(in crate::attach) fn new(addresses: &BTreeSet<u64>) -> Self {
        let room = (addresses.len() * ROOM).next_power_of_two();
        let mut bits = room.ilog2().max(LEAST_BITS);
        loop {
            let layouts = (0..TRIES).map(|number| layout(bits, number));
            let found = layouts.filter_map(|layout| Self::with(addresses, layout));
            if let Some((_, places)) = found.min_by_key(|(looks, _)| *looks) {
                return places;
            }
            bits += 1;
        }
    }

    /// The places by a layout, and how many looks are needed beside one for each; `None`: an address has none.
    fn with(addresses: &BTreeSet<u64>, layout: SitePlaces) -> Option<(u32, Self)> {
        let mut occupied = vec![false; Self::size_of(&layout) as usize];
        let (mut looks, mut taken) = (0, Vec::with_capacity(addresses.len()));
        for address in addresses {
            let first = layout.first(*address);
            let place =
                (first..first + SitePlaces::PLACES).find(|place| !occupied[*place as usize])?;
            occupied[place as usize] = true;
            looks += place - first;
            taken.push((*address, place));
        }
        Some((looks, Self { layout, taken }))
    }

    /// Number of places in the table. The last ones are those behind the first place of a site, at the end.
    pub(in crate::attach) fn size(&self) -> u32 {
        Self::size_of(&self.layout)
    }

    fn size_of(layout: &SitePlaces) -> u32 {
        (1 << (u64::BITS - layout.shift)) + SitePlaces::PLACES - 1
    }

    /// The place of the site at `address`; `None`: it is none of those that the table was made for.
    pub(in crate::attach) fn of(&self, address: u64) -> Option<u32> {
        let found = self.taken.binary_search_by_key(&address, |taken| taken.0);
        found.ok().map(|index| self.taken[index].1)
    }
}

fn layout(bits: u32, number: u64) -> SitePlaces {
    // The golden ratio, as in the kernel's `hash_64` (`include/linux/hash.h`), and others near it.
    let multiplier =
        0x61c8_8646_80b5_83eb_u64.wrapping_add(number.wrapping_mul(0x0123_4567_89ab_cdee));
    SitePlaces {
        multiplier,
        shift: u64::BITS - bits,
        reserved: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel side looks.
    fn looks(places: &Places, address: u64) -> u32 {
        let place = places.of(address).expect("it has a place");
        assert!(place < places.size());
        place - places.layout.first(address)
    }

    #[test]
    fn each_site_has_a_place_of_its_own_where_it_is_looked_for() {
        // Sites as near to each other as a block's two ends, in a kernel and a module.
        let text = (0..700).map(|n| 0xffff_ffff_8100_0000 + 4099 * n + (n % 5));
        let module = (0..300).map(|n| 0xffff_ffff_c080_0000 + 16 * n);
        let addresses: BTreeSet<u64> = text.chain(module).collect();
        let places = Places::new(&addresses);
        let taken: BTreeSet<u32> = addresses
            .iter()
            .filter_map(|address| places.of(*address))
            .collect();
        assert_eq!(taken.len(), addresses.len());
        let looks: Vec<u32> = addresses
            .iter()
            .map(|address| looks(&places, *address))
            .collect();
        assert!(looks.iter().all(|looks| *looks < SitePlaces::PLACES));
        let at_once = looks.iter().filter(|looks| **looks == 0).count();
        assert!(
            at_once * 100 > addresses.len() * 98,
            "{at_once} of {}",
            addresses.len()
        );
        assert_eq!(places.of(0xffff_ffff_8000_0000), None);
    }

    #[test]
    fn no_site_and_many_sites_have_room() {
        assert_eq!(
            Places::new(&BTreeSet::new()).size(),
            256 + SitePlaces::PLACES - 1
        );
        let addresses: BTreeSet<u64> = (0..5000).map(|n| 0xffff_ffff_8100_0000 + n).collect();
        let places = Places::new(&addresses);
        assert!(
            addresses
                .iter()
                .all(|address| looks(&places, *address) < SitePlaces::PLACES)
        );
    }
}
