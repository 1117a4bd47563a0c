use std::collections::BTreeMap;

use globset::Glob;

use super::*;
use crate::{
    discover::catalog::{CheckClass, Name, Role, Seqcount, Site, StartValue},
    plan::{OwnerOffsets, Plan, SeqcountNames, plan},
};

const BASE: u64 = 0xffff_ffff_8100_0000;

fn seqcount(name: &str) -> Seqcount {
    Seqcount {
        name: Name::Global(name.to_owned()),
        lockname: None,
        lock: None,
    }
}

fn site(name: &str, image_offset: u64, role: Role) -> Site {
    Site {
        function: "reader".to_owned(),
        offset: image_offset & 0xff,
        image_offset,
        role,
        seqcount: seqcount(name),
        end: None,
        lock_function: None,
        sequence_register: None,
        cold: Vec::new(),
        location: None,
        chain: Vec::new(),
    }
}

/// A check whose re-load is at `image_offset` and whose branch is eight bytes behind it.
fn check(name: &str, function: &str, image_offset: u64, sites: &[u64]) -> Instance {
    Instance {
        function: function.to_owned(),
        offset: image_offset & 0xff,
        image_offset,
        half: Half::Check(Check {
            compare: image_offset + 6,
            decides: image_offset + 8,
            condition: "jne".to_owned(),
            class: CheckClass::RetryOnly,
            start: StartValue::Unknown,
            optimizable: false,
            begins: Vec::new(),
            loops: false,
        }),
        seqcount: seqcount(name),
        open_coded: false,
        sites: sites.to_vec(),
        location: None,
        chain: Vec::new(),
    }
}

fn planned(sites: Vec<Site>, instances: Vec<Instance>, globs: &[&str]) -> Result<Plan> {
    let image = |image: &str, sites, instances| ImageCatalog {
        image: image.to_owned(),
        build_id: String::new(),
        realtime: false,
        functions: 1,
        text_bytes: 1,
        sites,
        instances,
        inferred: BTreeMap::new(),
        disagreements: Vec::new(),
    };
    let catalog = Catalog {
        // The slots of the second image's sites come before those of the first one's checks.
        images: vec![
            image("vmlinux", sites, instances),
            image("xfs", vec![site("other", 0x10, Role::Spin)], Vec::new()),
        ],
    };
    let bases = ["vmlinux", "xfs"].map(|image| (image.to_owned(), BASE));
    let globs: Vec<Glob> = globs.iter().map(|glob| Glob::new(glob).unwrap()).collect();
    let request = Request {
        backends: Backends::PROBE,
        retries: SeqcountNames::new(&globs),
        ..Request::default()
    };
    let hazards = Hazards::default();
    let bases = BTreeMap::from(bases);
    plan(
        &catalog,
        &bases,
        &hazards,
        OwnerOffsets::default(),
        &request,
    )
}

/// Kind, distance of the probe from the base, and reason of each target.
fn told(plan: &Plan) -> Vec<(Kind, u64, Option<Skip>)> {
    let targets = plan.targets.iter();
    targets
        .map(|target| (target.kind, target.address - BASE, target.skip))
        .collect()
}

#[test]
fn a_check_is_probed_where_its_result_is_used_and_its_cold_site_left_out() {
    let plan = planned(
        vec![site("a", 0x180, Role::Retry), site("b", 0x190, Role::Retry)],
        vec![
            check("a", "reader", 0x140, &[0x180]),
            check("b", "reader", 0x150, &[0x190]),
        ],
        &["a"],
    )
    .expect("a plan");
    assert_eq!(
        told(&plan),
        [
            (Kind::Retry, 0x180, Some(Skip::CountedAtCheck)),
            (Kind::Retry, 0x190, None),
            (Kind::Spin, 0x10, None),
            (Kind::Check, 0x148, None),
        ]
    );
    let place = &plan.targets[3].place;
    assert_eq!(
        (place.label().as_str(), place.offset()),
        ("reader+0x40", 0x48)
    );
}

#[test]
fn a_fallback_is_counted_where_it_is_and_not_at_its_check() {
    let plan = planned(
        vec![site("a", 0x180, Role::Fallback)],
        vec![check("a", "reader", 0x140, &[0x180])],
        &["*"],
    )
    .expect("a plan");
    assert_eq!(
        told(&plan),
        [
            (Kind::Fallback, 0x180, None),
            (Kind::Spin, 0x10, None),
            (Kind::Check, 0x148, Some(Skip::CountedAtFallback)),
        ]
    );
}

#[test]
fn a_site_that_a_check_without_probe_leads_to_stays() {
    let plan = planned(
        vec![site("a", 0x180, Role::Retry)],
        vec![
            check("a", "reader", 0x140, &[0x180]),
            check("b", "reader", 0x150, &[0x180]),
        ],
        &["a"],
    )
    .expect("a plan");
    assert_eq!(
        told(&plan),
        [
            (Kind::Retry, 0x180, None),
            (Kind::Spin, 0x10, None),
            (Kind::Check, 0x148, Some(Skip::CountedAtRetry)),
        ]
    );
}

#[test]
fn what_the_tracer_uses_and_what_one_flag_does_not_tell_is_left_out() {
    let mut below = check("a", "reader", 0x150, &[0x180]);
    if let Half::Check(check) = &mut below.half {
        check.condition = "jb".to_owned();
    }
    let plan = planned(
        vec![site("a", 0x180, Role::Retry)],
        vec![check("a", "mod_find", 0x140, &[]), below],
        &["a"],
    )
    .expect("a plan");
    assert_eq!(
        told(&plan),
        [
            (Kind::Retry, 0x180, None),
            (Kind::Spin, 0x10, None),
            (Kind::Check, 0x148, Some(Skip::UsedByTracer)),
            (Kind::Check, 0x158, Some(Skip::OtherCondition)),
        ]
    );
}

#[test]
fn a_pattern_that_matches_no_check_is_an_error() {
    let sites = vec![site("b", 0x180, Role::Spin)];
    let instances = vec![check("a", "reader", 0x140, &[])];
    let error = planned(sites, instances, &["a", "b"]).expect_err("b has no check");
    assert_eq!(
        error.to_string(),
        "no check of a seqcount called `b` is found: `seqtrace sites --role check` lists those \
         there are"
    );
}
