//! The catalog of the fixture and its debuginfo → how they are put together.

use super::{build::Workshop, *};
use crate::{
    discover::{
        annotate::{self, Disagreements},
        catalog::{Half, ImageCatalog, Instance, Name, Odd, Only, Role, Seqcount, Site, Write},
        score::{Score, Scored, Tally, score},
    },
    export,
};

/// What a scan that is right finds in the fixture, by hand.
fn catalog(debuginfo: &Debuginfo) -> ImageCatalog {
    let instances = debuginfo.wanted().map(|one| {
        let half = match one.primitive.part() {
            Part::Begin => Half::Begin {
                odd: Odd::Waits,
                reloads: Vec::new(),
            },
            Part::WriteBegin => Half::Write(Write::Begin),
            Part::WriteEnd => Half::Write(Write::End),
            Part::Check | Part::WriteOther => Half::Write(Write::Unknown),
            Part::Wrapper | Part::Relative | Part::Pause => panic!("it accesses nothing"),
        };
        instance(debuginfo, one, half)
    });
    ImageCatalog {
        image: "vmlinux".to_owned(),
        build_id: debuginfo.build_id.clone(),
        realtime: true,
        functions: 1,
        text_bytes: 1,
        sites: Vec::new(),
        instances: instances.collect(),
        inferred: std::collections::BTreeMap::new(),
        disagreements: Vec::new(),
    }
}

fn instance(debuginfo: &Debuginfo, one: &Inlined, half: Half) -> Instance {
    let (function, offset) = debuginfo.place(one);
    Instance {
        function,
        offset,
        image_offset: one.ranges[0].start - debuginfo.base,
        half,
        seqcount: Seqcount {
            name: Name::Global("global_lock".to_owned()),
            lockname: Some(Lockname::Seqlock),
            lock: None,
        },
        open_coded: false,
        sites: Vec::new(),
        location: None,
        chain: Vec::new(),
    }
}

fn site(instance: &Instance, role: Role, image_offset: u64) -> Site {
    Site {
        function: instance.function.clone(),
        offset: 0,
        image_offset,
        role,
        seqcount: instance.seqcount.clone(),
        end: None,
        lock_function: None,
        sequence_register: None,
        location: None,
        cold: Vec::new(),
        chain: Vec::new(),
    }
}

fn tally(wanted: u64, found: u64, named: u64) -> Tally {
    Tally {
        wanted,
        found,
        named,
        ..Tally::default()
    }
}

fn debuginfo() -> Debuginfo {
    parse(&Workshop::new(COMPILER).image(&["-g"]))
}

const BEGIN: &str = "read_global > read_seqbegin > __seqprop_spinlock_sequence";

#[test]
fn the_scan_of_the_fixture_finds_what_debuginfo_has() {
    let file = Workshop::new(COMPILER).image(&["-g"]);
    let kernel = crate::discover::elf::vmlinux(&file).unwrap();
    let mut catalog = crate::discover::scan(&kernel.image, None, &|_, _| {});
    let debuginfo = parse(&file);
    let score = score(&catalog, &debuginfo);
    assert_eq!(score.blocks.expected, 2);
    assert_eq!((score.blocks.found, score.blocks.sites), (2, 2));
    assert_eq!(score.false_detections, []);
    annotate::annotate(&mut catalog, &debuginfo);
    let blocks: Vec<Vec<String>> = catalog
        .sites
        .iter()
        .filter(|site| site.role == Role::Block)
        .map(|site| {
            site.chain
                .iter()
                .map(|frame| frame.function.clone())
                .collect()
        })
        .collect();
    assert!(
        blocks.contains(&BEGIN.split(" > ").map(str::to_owned).collect()),
        "{blocks:?}"
    );
}

#[test]
fn what_is_found_counts_by_role_and_by_primitive() {
    let debuginfo = debuginfo();
    let mut catalog = catalog(&debuginfo);
    catalog.instances[0].seqcount.name = Name::Unknown;
    let score = score(&catalog, &debuginfo);
    let all: u64 = score.roles.values().map(|tally| tally.wanted).sum();
    assert_eq!(all, 8);
    assert_eq!(score.init, 2);
    // The checks are written down as writes above.
    assert_eq!(score.of(Scored::Check), tally(2, 0, 0));
    assert_eq!(score.missed.len(), 2);
    assert_eq!(score.false_detections.len(), 2, "the same two");
    let begins = score.primitives["__seqprop_spinlock_sequence"];
    assert_eq!(begins, score.of(Scored::Begin));
    assert_eq!(
        (begins.wanted, begins.found, begins.unknown + begins.named),
        (2, 2, 2)
    );
    let unknown: u64 = score.roles.values().map(|tally| tally.unknown).sum();
    assert_eq!(unknown, 1);
    assert!((score.of(Scored::Check).recall() - 0.0).abs() < f64::EPSILON);
    assert!((score.of(Scored::WriteEnd).recall() - 100.0).abs() < f64::EPSILON);
}

#[test]
fn what_is_missed_is_listed_with_its_calls() {
    let debuginfo = debuginfo();
    let mut catalog = catalog(&debuginfo);
    let begin = find(&debuginfo, BEGIN);
    let at = begin.ranges[0].start - debuginfo.base;
    catalog
        .instances
        .retain(|instance| instance.image_offset != at);
    let score = score(&catalog, &debuginfo);
    let missed = score
        .missed
        .iter()
        .find(|missed| missed.what == begin.primitive.name());
    let missed = missed.unwrap();
    assert_eq!(missed.function, "read_global");
    assert_eq!(missed.chain, begin.chain);
    let text = export::score::table(&score, None);
    assert!(
        text.contains("read_global (kernel/unit.c:14) > read_seqbegin"),
        "{text}"
    );

    annotate::annotate(&mut catalog, &debuginfo);
    let here = catalog
        .disagreements
        .iter()
        .find(|one| one.image_offset == at);
    assert_eq!(here.unwrap().only, Only::Debuginfo);
    assert_eq!(here.unwrap().chain, begin.chain);
}

#[test]
fn a_begin_whose_reload_lies_in_the_ranges_is_found() {
    let debuginfo = debuginfo();
    let mut catalog = catalog(&debuginfo);
    let at = find(&debuginfo, BEGIN).ranges[0].start - debuginfo.base;
    let moved = catalog
        .instances
        .iter_mut()
        .find(|one| one.image_offset == at)
        .unwrap();
    moved.image_offset = 0;
    moved.half = Half::Begin {
        odd: Odd::Waits,
        reloads: vec![at],
    };
    assert_eq!(score(&catalog, &debuginfo).of(Scored::Begin).found, 2);
}

#[test]
fn what_is_in_no_primitive_is_false_unless_it_is_open_coded() {
    let debuginfo = debuginfo();
    let mut catalog = catalog(&debuginfo);
    let before = score(&catalog, &debuginfo).false_detections.len();
    let mut other = catalog.instances[0].clone();
    other.image_offset = 0;
    other.function = "_text".to_owned();
    catalog.instances.push(other.clone());
    let judged = score(&catalog, &debuginfo);
    assert_eq!(judged.false_detections.len(), before + 1);
    assert_eq!(judged.open_coded, []);

    other.open_coded = true;
    *catalog.instances.last_mut().unwrap() = other;
    catalog.instances[0].open_coded = true;
    let judged = score(&catalog, &debuginfo);
    assert_eq!(judged.false_detections.len(), before);
    assert_eq!(
        (judged.open_coded.len(), judged.wrongly_open_coded.len()),
        (2, 1)
    );
}

#[test]
fn names_locknames_and_halves_that_differ_are_listed() {
    let debuginfo = debuginfo();
    let mut catalog = catalog(&debuginfo);
    let offset = |chain| find(&debuginfo, chain).ranges[0].start - debuginfo.base;
    let (begin, end) = (
        offset(BEGIN),
        offset("write_global > write_sequnlock > do_raw_write_seqcount_end"),
    );
    let right = score(&catalog, &debuginfo);
    assert_eq!((right.wrong_names.len(), right.wrong_halves.len()), (0, 0));
    for instance in &mut catalog.instances {
        if instance.image_offset == begin {
            instance.seqcount.name = Name::Member("object.lock".to_owned());
            instance.seqcount.lockname = Some(Lockname::Mutex);
        }
        if instance.image_offset == end {
            instance.half = Half::Write(Write::Begin);
        }
    }
    let wrong = score(&catalog, &debuginfo);
    let names: Vec<(&str, &str)> = wrong
        .wrong_names
        .iter()
        .map(|one| (one.scan.as_str(), one.debuginfo.as_str()))
        .collect();
    assert_eq!(names, [("object.lock", "global_lock")]);
    let locknames = |score: &Score| {
        let all = score.wrong_locknames.iter();
        all.filter(|one| one.scan == "mutex").count()
    };
    assert_eq!((locknames(&right), locknames(&wrong)), (0, 1));
    assert_eq!(wrong.wrong_halves.len(), 1);
    assert_eq!(wrong.wrong_halves[0].debuginfo, "do_raw_write_seqcount_end");
}

#[test]
fn a_barrier_begins_and_ends_and_is_no_wrong_half() {
    let debuginfo = debuginfo();
    let mut catalog = catalog(&debuginfo);
    let barrier = find(&debuginfo, "write_barrier > do_raw_write_seqcount_barrier");
    let first = instance(&debuginfo, barrier, Half::Write(Write::Begin));
    let at = first.image_offset;
    catalog.instances.retain(|one| one.image_offset != at);
    catalog.instances.push(first.clone());
    assert_eq!(score(&catalog, &debuginfo).wrong_halves.len(), 1);
    catalog.instances.push(Instance {
        image_offset: at + 1,
        half: Half::Write(Write::End),
        ..first
    });
    assert_eq!(score(&catalog, &debuginfo).wrong_halves, []);
}

#[test]
fn a_part_of_a_global_has_its_name() {
    let debuginfo = debuginfo();
    let mut catalog = catalog(&debuginfo);
    for (name, wrong) in [
        ("global_lock.seqcount", 0),
        ("global_lock+0x8", 0),
        ("global_locks", 1),
        ("other", 1),
    ] {
        for instance in &mut catalog.instances {
            instance.seqcount.name = Name::Ambiguous(vec![name.to_owned()]);
        }
        let at = find(&debuginfo, BEGIN).ranges[0].start - debuginfo.base;
        let begin = catalog
            .instances
            .iter_mut()
            .find(|one| one.image_offset == at);
        begin.unwrap().seqcount.name = Name::Global(name.to_owned());
        assert_eq!(
            score(&catalog, &debuginfo).wrong_names.len(),
            wrong,
            "{name}"
        );
    }
}

#[test]
fn a_site_has_the_calls_of_its_instance_else_of_where_it_lies() {
    let debuginfo = debuginfo();
    let mut catalog = catalog(&debuginfo);
    let begin = find(&debuginfo, BEGIN);
    let pause = find(&debuginfo, "read_global > read_seqbegin > cpu_relax");
    let owned = 0x7777;
    let at = begin.ranges[0].start - debuginfo.base;
    let instance = catalog
        .instances
        .iter_mut()
        .find(|one| one.image_offset == at)
        .unwrap();
    instance.sites = vec![owned];
    let instance = instance.clone();
    let paused = pause.ranges[0].start - debuginfo.base;
    catalog.sites = vec![
        site(&instance, Role::Spin, owned),
        site(&instance, Role::Spin, paused),
        site(&instance, Role::Retry, 1),
    ];
    let disagreements = annotate::annotate(&mut catalog, &debuginfo);
    assert_eq!(
        disagreements,
        Disagreements {
            only_in_debuginfo: 2,
            only_in_scan: 2
        }
    );
    assert_eq!(catalog.disagreements.len(), 4);
    let chains: Vec<&[Frame]> = catalog.sites.iter().map(|site| &*site.chain).collect();
    assert_eq!(chains, [&*begin.chain, &*pause.chain, &[]]);
    let instance = catalog.instances.iter().find(|one| one.image_offset == at);
    assert_eq!(instance.unwrap().chain, begin.chain);
}

#[test]
fn scores_of_images_add_up() {
    let debuginfo = debuginfo();
    let one = score(&catalog(&debuginfo), &debuginfo);
    let mut both = one.clone();
    both.add(one.clone());
    assert_eq!(both.images.len(), 2);
    for role in Scored::ALL {
        assert_eq!(both.of(role).wanted, 2 * one.of(role).wanted);
        assert_eq!(both.of(role).missed(), 2 * one.of(role).missed());
    }
    assert_eq!(both.missed.len(), 2 * one.missed.len());
    assert_eq!(both.blocks.expected, 2 * one.blocks.expected);
    let document = export::score::document(&both);
    let back: Score = serde_json::from_str(&document).unwrap();
    assert_eq!(back, both);
    assert!(export::score::table(&both, Some(60)).starts_with("2 images"));
}
