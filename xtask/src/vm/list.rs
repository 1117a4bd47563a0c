//! Prints the kernels that have a name, with what the cache holds for each.

#![expect(clippy::print_stdout, reason = "the list is the task's output")]

use clap::ValueEnum as _;

use super::{cache::Cache, flavour::Flavour};

/// One line for each name: what it was resolved to, and how long ago.
pub(crate) fn print(cache: &Cache) {
    for flavour in Flavour::value_variants() {
        let name = flavour.name();
        match (cache.resolved(name), cache.age(name)) {
            (Some(folder), Some(age)) => {
                println!(
                    "{name:<10} {} ({} days ago)",
                    folder.display(),
                    age.as_secs() / 86_400
                );
            }
            _ => println!("{name:<10} not cached"),
        }
    }
}
