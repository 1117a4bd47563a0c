//! What is seen against what was seen.

use std::{env, fs, path::Path};

/// Compares with the committed screen, or writes it when blessing. A missing one is a failure.
pub(crate) fn golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/screens")
        .join(format!("{name}.txt"));
    if env::var_os("SEQTRACE_BLESS").is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().expect("it has one")).expect("make the folder");
        fs::write(&path, actual).expect("write the expected screen");
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; if it is new: SEQTRACE_BLESS=1 cargo test --test screens",
            path.display()
        )
    });
    assert!(
        expected == actual,
        "{} differs; expected\n{expected}\nfound\n{actual}\nif that is wanted: SEQTRACE_BLESS=1 \
         cargo test --test screens",
        path.display()
    );
}
