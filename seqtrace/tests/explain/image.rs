//! Spins of a lockup, looked up in the sites of a kernel compiled for the test.

use std::{fs, path::Path};

use serde_json::Value;

use super::run;

/// A spin site as `sites --catalog` writes it.
struct Spin {
    function: String,
    offset: u64,
    register: &'static str,
}

fn spin_of(image: &Path) -> Spin {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_seqtrace"))
        .args(["sites", "--quiet", "--catalog", "-", "--image"])
        .arg(image)
        .output()
        .expect("the binary runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut sites = lines.filter_map(|mut line| line.get_mut("site").map(Value::take));
    let found = sites.find_map(|site| {
        let register = site.get("sequence_register")?.as_u64()?;
        (site.get("role")? == "spin").then_some(())?;
        Some(Spin {
            function: site.get("function")?.as_str()?.to_owned(),
            offset: site.get("offset")?.as_u64()?,
            register: ["RAX", "RCX", "RDX", "RBX"].get(usize::try_from(register).ok()?)?,
        })
    });
    found.unwrap_or_else(|| panic!("no spin site with a register in\n{text}"))
}

fn lockup(function: &str, offset: u64, register: &str) -> String {
    format!(
        "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [walker:913]\n\
         CPU: 3 PID: 913 Comm: walker Not tainted 6.12.0 #1\n\
         RIP: 0010:{function}+{offset:#x}/0x400\n\
         Code: 8b 05 e4 1c 92 01 a8 01 75 12 <f3> 90 eb f0\n\
         {register}: 000000000000039d\n\
         Call Trace:\n path_openat+0x10/0x20\n"
    )
}

#[test]
fn a_spin_is_looked_up_in_the_sites_of_the_image() {
    let folder = tempfile::tempdir().expect("a folder");
    let image = folder.path().join("vmlinux");
    let kernel = fixture::vmlinux(fixture::READERS, &[fixture::BTF]);
    fs::write(&image, kernel.expect("a C compiler called `cc`")).expect("write");
    let spin = spin_of(&image);
    let log = folder.path().join("log");
    let explain = |text: String| {
        fs::write(&log, text).expect("write");
        let path = |path: &Path| path.to_str().expect("a path").to_owned();
        run(&["--quiet", "--image", &path(&image), &path(&log)])
    };
    let (status, out, err) = explain(lockup(&spin.function, spin.offset, spin.register));
    assert_eq!(status, Some(0), "{err}");
    let expected = format!(
        "(odd, 0x39d in {}); a spin site of the image",
        spin.register
    );
    let joined = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(joined.contains(&expected), "{out}");
    assert!(!joined.contains("site not checked"), "{out}");
    let (status, out, err) = explain(lockup(&spin.function, spin.offset + 0x300, spin.register));
    assert_eq!(status, Some(0), "{err}");
    assert!(out.contains("unknown: no rule applies"), "{out}");
}
