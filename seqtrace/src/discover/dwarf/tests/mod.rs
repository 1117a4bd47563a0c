//! Debuginfo of one source, made in every way → the same instances.

mod build;
mod damage;

use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

use self::build::{Workshop, is_installed};
use super::{super::catalog::Source, *};

const COMPILER: &str = "cc";

/// One instance, as it is the same however debuginfo is carried.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Seen {
    chain: Vec<String>,
    lockname: Option<String>,
    lock_call: Option<String>,
    /// Where it is in the outermost function.
    ranges: Vec<(u64, u64)>,
}

/// The instances of the fixture, without pauses.
fn seen(debuginfo: &Debuginfo) -> Vec<Seen> {
    assert_eq!(debuginfo.skipped, None);
    let mut seen: Vec<Seen> = debuginfo
        .inlined
        .iter()
        .map(|one| {
            assert_eq!(
                one.chain.last().map(|frame| frame.function.as_str()),
                Some(one.primitive.name())
            );
            let relative = |range: &Range<u64>| {
                let (_, distance) = debuginfo.symbols.at(range.start).unwrap();
                (distance, distance + (range.end - range.start))
            };
            Seen {
                chain: one.chain.iter().map(frame).collect(),
                lockname: one.lockname.map(|lockname| format!("{lockname:?}")),
                lock_call: one.lock_call.clone(),
                ranges: one.ranges.iter().map(relative).collect(),
            }
        })
        .collect();
    seen.sort();
    seen
}

fn frame(frame: &Frame) -> String {
    match &frame.source {
        Some(Source { file, line }) => format!("{} {file}:{line}", frame.function),
        None => frame.function.clone(),
    }
}

/// The chains alone; another compiler puts the instructions elsewhere.
fn names(debuginfo: &Debuginfo) -> Vec<Vec<String>> {
    let mut names: Vec<Vec<String>> = debuginfo
        .inlined
        .iter()
        .map(|one| {
            one.chain
                .iter()
                .map(|frame| frame.function.clone())
                .collect()
        })
        .collect();
    names.sort();
    names
}

fn parse(file: &[u8]) -> Debuginfo {
    Debuginfo::parse(file, None).unwrap()
}

/// What every build of the fixture has, once each; as [`names`] gives it.
fn expected() -> Vec<Vec<String>> {
    let mut expected: Vec<Vec<String>> = [
        "read_global > read_seqbegin",
        "read_global > read_seqbegin > __seqprop_spinlock_sequence",
        "read_global > read_seqbegin > cpu_relax",
        "read_global > read_seqretry",
        "read_global > read_seqretry > do___read_seqcount_retry",
        "read_member > get_value > read_seqbegin",
        "read_member > get_value > read_seqbegin > __seqprop_spinlock_sequence",
        "read_member > get_value > read_seqbegin > cpu_relax",
        "read_member > get_value > read_seqretry",
        "read_member > get_value > read_seqretry > do___read_seqcount_retry",
        "write_global > write_seqlock",
        "write_global > write_seqlock > do_raw_write_seqcount_begin",
        "write_global > write_sequnlock",
        "write_global > write_sequnlock > do_raw_write_seqcount_end",
        "raw_write_seqcount_latch",
        "write_early > do_raw_write_seqcount_begin",
        "write_early > do_raw_write_seqcount_end",
    ]
    .iter()
    .map(|chain| chain.split(" > ").map(str::to_owned).collect())
    .collect();
    expected.sort();
    expected
}

/// The instance at the end of one chain.
fn find<'a>(debuginfo: &'a Debuginfo, chain: &str) -> &'a Inlined {
    let is_it = |one: &&Inlined| {
        let names: Vec<&str> = one.chain.iter().map(|f| f.function.as_str()).collect();
        names.join(" > ") == chain
    };
    debuginfo.inlined.iter().find(is_it).unwrap()
}

#[test]
fn an_instance_has_its_calls_its_lines_and_what_it_is_handed() {
    let workshop = Workshop::new(COMPILER);
    let file = workshop.image(&["-gdwarf-5"]);
    let debuginfo = parse(&file);
    assert_eq!(names(&debuginfo), expected());
    assert!(debuginfo.units >= 2 && debuginfo.entries > 100);

    let elf = object::File::parse(&*file).unwrap();
    let address = |name| elf.symbol_by_name(name).unwrap().address();
    assert_eq!(debuginfo.base, address("_text"));
    let build_id: String = elf
        .build_id()
        .unwrap()
        .unwrap()
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    assert_eq!(debuginfo.build_id, build_id);

    let begin = find(
        &debuginfo,
        "read_global > read_seqbegin > __seqprop_spinlock_sequence",
    );
    let seqlock = "include/linux/seqlock.h";
    let frames: Vec<String> = begin.chain.iter().map(frame).collect();
    assert_eq!(frames[0], "read_global kernel/unit.c:14");
    assert_eq!(frames[1], format!("read_seqbegin {seqlock}:47"));
    assert!(frames[2].starts_with(&format!("__seqprop_spinlock_sequence {seqlock}:2")));
    assert_eq!(begin.lockname, Some(Lockname::Seqlock));
    assert_eq!(begin.lock_call.as_deref(), Some("rt_spin_lock"));
    assert_eq!(begin.global, Some(address("global_lock")));
    assert_eq!(begin.primitive.part(), Part::Begin);
    let (function, offset) = debuginfo.place(begin);
    assert_eq!(function, "read_global");
    assert_eq!(address("read_global") + offset, begin.ranges[0].start);

    let member = find(
        &debuginfo,
        "read_member > get_value > read_seqretry > do___read_seqcount_retry",
    );
    assert_eq!((member.global, member.lock_call.as_deref()), (None, None));
}

#[test]
fn a_function_that_is_not_inlined_is_an_instance() {
    let debuginfo = parse(&Workshop::new(COMPILER).image(&["-g"]));
    let latch = find(&debuginfo, "raw_write_seqcount_latch");
    assert_eq!(debuginfo.place(latch).1, 0, "all of the function");
    assert_eq!(latch.lockname, Some(Lockname::Latch));
}

#[test]
fn text_that_is_dropped_is_not_wanted() {
    for file in [
        Workshop::new(COMPILER).image(&["-g"]),
        Workshop::new(COMPILER).module(&["-g"]),
    ] {
        let debuginfo = parse(&file);
        let early = find(&debuginfo, "write_early > do_raw_write_seqcount_begin");
        assert!(debuginfo.is_init(early));
        let wanted: Vec<&str> = debuginfo
            .wanted()
            .map(|one| one.chain[0].function.as_str())
            .collect();
        assert_eq!(wanted.len(), 7, "{wanted:?}");
        assert!(!wanted.contains(&"write_early"));
    }
}

#[test]
fn versions_and_compressions_make_no_difference() {
    let reference = seen(&parse(&Workshop::new(COMPILER).module(&["-gdwarf-5"])));
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let workshop = Workshop::new(COMPILER);
        assert_eq!(seen(&parse(&workshop.module(&[version]))), reference);
        for (option, format) in [
            ("zlib", object::CompressionFormat::Zlib),
            ("zlib-gnu", object::CompressionFormat::Zlib),
            ("zstd", object::CompressionFormat::Zstandard),
        ] {
            let file = workshop.compressed(&[version], option);
            let elf = object::File::parse(&*file).unwrap();
            let info = elf.section_by_name(".debug_info").unwrap();
            assert_eq!(info.compressed_data().unwrap().format, format);
            assert_eq!(seen(&parse(&file)), reference, "{version} {option}");
        }
    }
}

#[test]
fn a_module_and_an_image_have_the_same() {
    let module = parse(&Workshop::new(COMPILER).module(&["-g"]));
    let image = parse(&Workshop::new(COMPILER).image(&["-g"]));
    assert_eq!(seen(&module), seen(&image));
    assert_eq!(module.base, crate::discover::elf::layout::BASE);
    let global = |debuginfo: &Debuginfo| {
        let begin = find(
            debuginfo,
            "read_global > read_seqbegin > __seqprop_spinlock_sequence",
        );
        debuginfo
            .symbols
            .at(begin.global.unwrap())
            .unwrap()
            .0
            .name
            .to_owned()
    };
    assert_eq!(
        (global(&module), global(&image)),
        ("global_lock".into(), "global_lock".into())
    );
}

#[test]
fn a_separate_debug_file_has_the_same_at_the_same_addresses() {
    for make in [Workshop::image, Workshop::module] {
        let workshop = Workshop::new(COMPILER);
        let whole = parse(&make(&workshop, &["-g"]));
        let made = if workshop.path("image").exists() {
            "image"
        } else {
            "module.ko"
        };
        workshop.run("objcopy", &["--only-keep-debug", made, "debug"]);
        let separate = parse(&workshop.read("debug"));
        assert_eq!(separate.inlined, whole.inlined);
        assert_eq!(separate.build_id, whole.build_id);
        assert_eq!(separate.base, whole.base);
    }
}

#[test]
fn link_time_optimization_moves_names_to_other_units() {
    let workshop = Workshop::new(COMPILER);
    let debuginfo = parse(&workshop.image(&["-g", "-flto", "-ffat-lto-objects"]));
    assert_eq!(names(&debuginfo), expected());
}

#[test]
fn clang_has_the_same_calls() {
    let Some(clang) = ["clang", "clang-14", "clang-16", "clang-19"]
        .into_iter()
        .find(|clang| is_installed(clang))
    else {
        return;
    };
    for flags in [&["-gdwarf-4"][..], &["-gdwarf-5"]] {
        let debuginfo = parse(&Workshop::new(clang).image(flags));
        assert_eq!(names(&debuginfo), expected(), "{flags:?}");
        let begin = find(
            &debuginfo,
            "read_global > read_seqbegin > __seqprop_spinlock_sequence",
        );
        assert_eq!(begin.lock_call.as_deref(), Some("rt_spin_lock"));
        assert_eq!(begin.lockname, Some(Lockname::Seqlock));
    }
}

#[test]
fn what_dwz_moves_to_a_supplement_is_found_there() {
    if !is_installed("dwz") {
        return;
    }
    let workshop = Workshop::new(COMPILER);
    let whole = seen(&parse(&workshop.image(&["-gdwarf-4"])));
    for copy in ["one", "two"] {
        fs_copy(&workshop, "image", copy);
    }
    workshop.run(
        "dwz",
        &[
            "-m",
            "common",
            "-M",
            "common.debug",
            "-L",
            "none",
            "one",
            "two",
        ],
    );
    let (file, common) = (workshop.read("one"), workshop.read("common"));
    let wanted = supplement(&file).unwrap().unwrap();
    assert_eq!(wanted.path, "common.debug");
    let debuginfo = Debuginfo::parse(&file, Some(&common)).unwrap();
    assert_eq!(seen(&debuginfo), whole);

    let error = Debuginfo::parse(&file, None).unwrap_err().to_string();
    assert!(
        error.contains("common.debug") && error.contains(&wanted.build_id),
        "{error}"
    );
    let other = workshop.read("image");
    let error = format!("{:#}", Debuginfo::parse(&file, Some(&other)).unwrap_err());
    assert!(
        error.contains(&wanted.build_id) && error.contains("build id"),
        "{error}"
    );
}

fn fs_copy(workshop: &Workshop, from: &str, to: &str) {
    std::fs::copy(workshop.path(from), workshop.path(to)).unwrap();
}

#[test]
fn what_is_no_debuginfo_is_refused() {
    let refused = |file: &[u8]| format!("{:#}", Debuginfo::parse(file, None).unwrap_err());
    assert!(refused(b"").contains("no 64-bit ELF file"));
    assert!(refused(b"\x7fELF\x01\x01\x01").contains("no 64-bit ELF file"));
    let stripped = Workshop::new(COMPILER).image(&["-g0"]);
    assert!(refused(&stripped).contains("no debuginfo"));
    let debuginfo = parse(&Workshop::new(COMPILER).image(&["-g"]));
    assert!(debuginfo.ensure_build(&debuginfo.build_id).is_ok());
    assert!(debuginfo.ensure_build("").is_ok());
    let error = debuginfo.ensure_build("ab01").unwrap_err().to_string();
    assert!(
        error.contains("ab01") && error.contains(&debuginfo.build_id),
        "{error}"
    );
}
