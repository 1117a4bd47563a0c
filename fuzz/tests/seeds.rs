//! Every target takes its seeds, whole, cut and changed; the fuzzer goes on from there.

use std::collections::BTreeSet;

use fuzz::{TARGETS, Target, seed};

/// Changed inputs of each seed.
const CHANGES: usize = 20;

fn target(name: &str) -> Target {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no target `{name}`")).1
}

#[test]
fn every_target_has_seeds_and_takes_them() {
    let seeds = seed::all().unwrap();
    for seed in &seeds {
        target(seed.target)(&seed.bytes);
    }
    let seeded: BTreeSet<&str> = seeds.iter().map(|seed| seed.target).collect();
    let all: BTreeSet<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(seeded, all);
}

#[test]
fn every_target_takes_seeds_that_are_cut_or_changed() {
    // A fixed sequence of changes, so that a failure can be repeated (Knuth's MMIX generator).
    let mut random = 1_u64;
    let mut next = |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) as usize % below
    };
    for seed in seed::all().unwrap() {
        let target = target(seed.target);
        for _ in 0..CHANGES {
            target(&seed.bytes[..next(seed.bytes.len())]);
            let mut changed = seed.bytes.clone();
            for _ in 0..8 {
                let at = next(changed.len());
                changed[at] = next(256) as u8;
            }
            target(&changed);
        }
    }
}
