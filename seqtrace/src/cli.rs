//! The command line as it was typed; clap and nothing of ours.
