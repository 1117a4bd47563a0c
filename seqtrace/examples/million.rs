//! Writes the recording of a million events that the benches read: `million FILE`, or with so many different stacks and
//! tasks `million FILE STACKS TASKS`.

#[path = "../benches/million/mod.rs"]
mod million;

use std::{env, fs};

use anyhow::{Context as _, Result, bail};

use million::{USUAL, Variety};

fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let (path, variety) = match &words[..] {
        [path] => (path, USUAL),
        [path, stacks, tasks] => {
            let stacks = stacks.parse().context("stacks: a number")?;
            let tasks = tasks.parse().context("tasks: a number")?;
            (path, Variety { stacks, tasks })
        }
        _ => bail!("usage: million FILE [STACKS TASKS]"),
    };
    let bytes = million::recording(variety);
    fs::write(path, &bytes).with_context(|| format!("failed to write `{path}`"))
}
