//! What `cargo xtask bench` runs in a guest that counts instructions: `measure` does pieces of work and says how
//! many instructions one takes; `time` runs a command a few times; `begin` tells how long a seqtrace takes until it
//! counts; `empty` has a program that does nothing run at some places while a command runs, `least` programs that do a part
//! of what seqtrace does; `fill` puts the places of sites into a text.

#![expect(clippy::print_stdout, reason = "the result")]

mod empty;
mod least;
mod measure;
mod place;
mod program;
mod work;

use std::env;

use anyhow::{Result, bail};

const USAGE: &str = "usage: bench-guest measure PLAN
       bench-guest empty PLACE… -- COMMAND…    PLACE is SYMBOL+OFFSET or the name of a tracepoint
       bench-guest least ROLE=PLACE… -- COMMAND…    ROLE is begin, end, end-stack, name or stack
       bench-guest time FILE TIMES -- COMMAND…
       bench-guest begin FILE TIMES -- SEQTRACE…
       bench-guest mark FILE
       bench-guest nothing
       bench-guest fill SITES TEXT             {FUNCTION:KIND#INDEX} is the place of such a site,
                                               {*:PLAN#NUMBER} those of several, {--site:PLAN#NUMBER} their names";

fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["measure", plan] => measure::run(plan),
        ["time", file, times, "--", ref command @ ..] => measure::time(file, times, command),
        ["begin", file, times, "--", ref command @ ..] => measure::begin(file, times, command),
        ["mark", file] => measure::mark(file),
        ["nothing"] => Ok(()),
        [how @ ("empty" | "least"), ref rest @ ..] => {
            let Some(dashes) = rest.iter().position(|word| *word == "--") else {
                bail!(USAGE);
            };
            let (places, command) = (&rest[..dashes], &rest[dashes + 1..]);
            if how == "empty" {
                empty::run(places, command)
            } else {
                least::run(places, command)
            }
        }
        ["fill", sites, text] => {
            print!("{}", place::fill(sites, text)?);
            Ok(())
        }
        _ => bail!(USAGE),
    }
}
