//! Manual pages and completions are made of the command line as it is.

use std::{fs, path::Path};

use clap::CommandFactory as _;
use seqtrace::cli::Cli;

#[path = "../examples/manual/pages.rs"]
mod pages;

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn each_command_has_a_page_and_a_completion() {
    let folder = tempfile::tempdir().expect("a folder");
    pages::write(folder.path()).expect("it can be written");
    let commands = Cli::command();
    let main = read(folder.path(), "seqtrace.1");
    let completions =
        ["seqtrace.bash", "_seqtrace", "seqtrace.fish"].map(|name| read(folder.path(), name));
    for command in commands.get_subcommands() {
        let name = command.get_name();
        let page = read(folder.path(), &format!("seqtrace-{name}.1"));
        assert!(page.contains(".SH OPTIONS"), "{name} has no options");
        assert!(main.contains(&format!("seqtrace\\-{name}(1)")), "{name}");
        for completion in &completions {
            assert!(completion.contains(name), "{name} is not completed");
        }
    }
}

#[test]
fn the_main_page_says_what_an_exit_status_means() {
    let folder = tempfile::tempdir().expect("a folder");
    pages::write(folder.path()).expect("it can be written");
    let page = read(folder.path(), "seqtrace.1");
    for words in ["Exit status:", "2 usage", "5 done", "6 ended by"] {
        assert!(page.contains(words), "no {words:?} in\n{page}");
    }
}
