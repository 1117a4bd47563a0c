//! What `seqtrace sites` prints of a small catalog that has one of everything.

use std::collections::BTreeSet;

use globset::Glob;
use seqtrace::{
    aggregate::{coverage, snapshot::Costs},
    discover::catalog::{
        BlockEnd, Catalog, Check, CheckClass, Disagreement, Frame, Half, ImageCatalog, Instance,
        Lockname, Name, Odd, Only, Role, Seqcount, Site, Source, StartValue, Write,
    },
    export::{
        selection::{Kind, Selection},
        sites::Sites,
    },
    plan::{self, Place, Plan, Skip, Target},
};

use crate::{golden, schema};

fn d_seq() -> Name {
    Name::Member("dentry.d_seq".to_owned())
}

fn tk_core() -> Name {
    Name::Global("tk_core.seq".to_owned())
}

fn generation() -> Name {
    Name::Global("nf_conntrack_generation".to_owned())
}

fn seqcount(name: Name) -> Seqcount {
    Seqcount {
        lockname: (name == d_seq()).then_some(Lockname::Spinlock),
        name,
        lock: None,
    }
}

/// A site of an image at `image_offset`.
fn site(function: &str, image_offset: u64, role: Role, name: Name) -> Site {
    let is_block = role == Role::Block;
    Site {
        function: function.to_owned(),
        offset: image_offset & 0xff,
        image_offset,
        role,
        seqcount: seqcount(name),
        end: is_block.then_some(BlockEnd {
            offset: (image_offset & 0xff) + 0x11,
            image_offset: image_offset + 0x11,
        }),
        lock_function: is_block.then(|| "rt_spin_lock".to_owned()),
        sequence_register: None,
        location: None,
        cold: Vec::new(),
        chain: Vec::new(),
    }
}

fn instance(function: &str, image_offset: u64, half: Half, name: Name) -> Instance {
    Instance {
        function: function.to_owned(),
        offset: image_offset & 0xff,
        image_offset,
        half,
        seqcount: seqcount(name),
        open_coded: false,
        sites: Vec::new(),
        location: None,
        chain: Vec::new(),
    }
}

fn check(compare: u64, class: CheckClass, start: StartValue) -> Half {
    Half::Check(Check {
        compare,
        decides: compare + 2,
        condition: "jne".to_owned(),
        class,
        start,
        optimizable: class != CheckClass::Value,
        loops: class == CheckClass::BeginHead,
        begins: Vec::new(),
    })
}

fn frame(function: &str, file: &str, line: u32) -> Frame {
    Frame {
        function: function.to_owned(),
        source: Some(Source {
            file: file.to_owned(),
            line,
        }),
    }
}

fn vmlinux_sites() -> Vec<Site> {
    let candidates = ["dentry.d_seq", "inode.i_seq"].map(str::to_owned);
    vec![
        site("path_init", 0x1048, Role::Block, d_seq()),
        site("path_init", 0x1069, Role::Spin, d_seq()),
        site("ktime_get", 0x2012, Role::Spin, tk_core()),
        site("xfrm_hash_rebuild", 0x3095, Role::Spin, Name::Unknown),
        site(
            "d_lookup",
            0x404b,
            Role::Retry,
            Name::Ambiguous(candidates.into()),
        ),
    ]
}

fn vmlinux_instances() -> Vec<Instance> {
    let waits = |reloads: &[u64]| Half::Begin {
        odd: Odd::Waits,
        reloads: reloads.to_vec(),
    };
    vec![
        Instance {
            sites: vec![0x1048, 0x1069],
            chain: vec![
                frame("path_init", "fs/namei.c", 2471),
                frame("read_seqcount_begin", "include/linux/seqlock.h", 300),
            ],
            ..instance("path_init", 0x1022, waits(&[0x1059]), d_seq())
        },
        instance("ktime_get", 0x2010, waits(&[]), tk_core()),
        instance(
            "ktime_get",
            0x2078,
            check(0x207e, CheckClass::BeginHead, StartValue::Register(3)),
            tk_core(),
        ),
        instance(
            "d_alloc_parallel",
            0x5010,
            check(0x5010, CheckClass::Shared, StartValue::Unknown),
            d_seq(),
        ),
        Instance {
            open_coded: true,
            ..instance(
                "end_dir_add",
                0x6020,
                Half::Write(Write::End),
                Name::Member("inode.i_dir_seq".to_owned()),
            )
        },
    ]
}

fn missed() -> Disagreement {
    Disagreement {
        function: "vtime_init_idle".to_owned(),
        offset: 0x21,
        image_offset: 0x7021,
        only: Only::Debuginfo,
        chain: vec![frame("vtime_init_idle", "kernel/sched/cputime.c", 809)],
    }
}

fn catalog() -> Catalog {
    let image = |image: &str, sites, instances| ImageCatalog {
        image: image.to_owned(),
        build_id: "35c1a9d3".to_owned(),
        realtime: true,
        functions: 41_000,
        text_bytes: 20_971_520,
        sites,
        instances,
        inferred: std::collections::BTreeMap::new(),
        disagreements: if image == "vmlinux" {
            vec![missed()]
        } else {
            Vec::new()
        },
    };
    let reader = "__nf_conntrack_find_get";
    let start = StartValue::Memory {
        base: 4,
        displacement: -8,
    };
    let masks = Half::Begin {
        odd: Odd::Masks,
        reloads: Vec::new(),
    };
    let module_instances = vec![
        instance(reader, 0x12b, masks, generation()),
        instance(
            reader,
            0x180,
            check(0x186, CheckClass::RetryOnly, start),
            generation(),
        ),
        instance(
            "nf_conntrack_hash_resize",
            0x940,
            Half::Write(Write::Begin),
            generation(),
        ),
    ];
    Catalog {
        images: vec![
            image("vmlinux", vmlinux_sites(), vmlinux_instances()),
            image(
                "nf_conntrack",
                vec![site(reader, 0x1a2, Role::Spin, generation())],
                module_instances,
            ),
        ],
    }
}

fn plan(catalog: &Catalog) -> Plan {
    let sites = catalog
        .images
        .iter()
        .flat_map(|image| image.sites.iter().map(move |site| (image, site)));
    let targets = sites.map(|(image, site)| Target {
        backend: plan::Backend::Probe,
        image: image.image.clone(),
        kind: plan::Kind::of_role(site.role),
        place: Place::Site(site.clone()),
        address: 0xffff_ffff_8100_0000 + site.image_offset,
        end_address: None,
        owner_offset: None,
        skip: (site.function == "ktime_get").then_some(Skip::UsedByTracer),
        on_demand: false,
        word: None,
    });
    let mut targets: Vec<Target> = targets.collect();
    let checks = catalog.images.iter().flat_map(|image| {
        let checks = image.instances.iter();
        let checks = checks.filter(|instance| matches!(instance.half, Half::Check(_)));
        checks.map(move |check| (image, check))
    });
    // Every retry of one of the seqcounts is to be counted.
    let asked = checks.filter(|(_, check)| check.seqcount.name == d_seq());
    targets.extend(asked.map(|(image, check)| Target {
        backend: plan::Backend::Probe,
        image: image.image.clone(),
        kind: plan::Kind::Check,
        place: Place::Instance(check.clone()),
        address: 0xffff_ffff_8100_0000 + check.image_offset,
        end_address: None,
        owner_offset: None,
        skip: None,
        on_demand: false,
        word: None,
    }));
    Plan { targets }
}

/// As for the running kernel, or as for a file.
fn sites(running: bool, selection: &Selection) -> Sites {
    let catalog = catalog();
    let plan = plan(&catalog);
    let costs = Costs {
        discover_ns: 481_000_000,
        peak_rss_bytes: 45_088_768,
        ..Costs::default()
    };
    let mut coverage = coverage::cover(&plan, &[], &BTreeSet::new());
    coverage.notes = vec!["kernel text: /proc/kcore".to_owned()];
    let planned = running.then_some((&plan, coverage));
    let release = "6.12.107+deb13-rt-amd64";
    Sites::new(Some(release), &catalog, planned, selection, costs)
}

fn assert_keeps_to(width: usize, text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= width, "too long: {line}");
        assert_eq!(line, line.trim_end(), "ends with a space");
    }
}

#[test]
fn summaries() {
    let everything = Selection::default();
    let running = sites(true, &everything);
    golden("sites-wide.txt", &running.summary(None));
    let narrow = running.summary(Some(80));
    assert_keeps_to(80, &narrow);
    golden("sites-80.txt", &narrow);
    golden("sites-file.txt", &sites(false, &everything).summary(None));
}

#[test]
fn listings() {
    let everything = Selection::default();
    golden(
        "sites-long-wide.txt",
        &sites(true, &everything).listing(None),
    );
    golden(
        "sites-long-80.txt",
        &sites(true, &everything).listing(Some(80)),
    );
    golden("sites-selected.txt", &sites(false, &some()).listing(None));
}

fn some() -> Selection {
    let seqcount = Glob::new("dentry.*").expect("a pattern");
    let function = Glob::new("path_*").expect("a pattern");
    Selection::new([&seqcount], [&function], [Kind::Block, Kind::Begin])
}

#[test]
fn documents() {
    let everything = Selection::default();
    for (name, sites) in [
        ("sites.json", sites(true, &everything)),
        ("sites-file.json", sites(false, &some())),
    ] {
        let document = sites.document();
        let value = serde_json::from_str(&document).expect("it is JSON");
        assert_eq!(schema::violations(&value), Vec::<String>::new(), "{name}");
        assert!(!document.contains("1844674"), "a run-time address got out");
        golden(name, &document);
        let read: Sites = serde_json::from_str(&document).expect("what was written can be read");
        assert_eq!(read, sites);
    }
}
