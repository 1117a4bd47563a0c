//! Probes that come and go while others count, on system calls that nobody but this test makes.

use std::{collections::BTreeSet, sync::atomic::AtomicBool, time::Duration};

use ::seqtrace::{
    attach::{AttachOptions, Session},
    collect::Collector,
    command::prepare,
    discover::catalog::{BlockEnd, Name, Role, Seqcount, Site},
    kernel::{
        running::{Running, VMLINUX},
        text::{Choice, Text},
    },
    plan::{Backend, Kind, Place, Plan, Target},
};

use crate::guest::{self, Guest};

/// Calls of each system call in a round.
const CALLS: u64 = 1000;

/// Slots of the plan.
const RETRY: u32 = 0;
const ON_DEMAND: u32 = 1;
const BLOCK: u32 = 2;

/// What begins a function that may be called through a pointer: the kernel puts a probe at the entry
/// behind it (`arch_adjust_kprobe_addr`, `arch/x86/kernel/kprobes/core.c`).
const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];

/// A target at the entry of a function: each call is one event.
fn target(running: &Running, role: Role, function: &str, end: Option<&str>) -> Target {
    let text = Text::open(Choice::Auto).expect("the text can be read");
    let address = |name| {
        let symbols = &running.symbols.vmlinux;
        let entry = symbols.address_of(name).expect("the kernel has it");
        let head = text.read(entry, 4).expect("it is text");
        entry + if head == ENDBR64 { 4 } else { 0 }
    };
    let entry = running.symbols.vmlinux.address_of(function);
    let base = running.base(VMLINUX).expect("the kernel is loaded");
    let start = address(function);
    let end_address = end.map(address);
    let entry = entry.unwrap_or(start);
    Target {
        image: VMLINUX.to_owned(),
        kind: Kind::of_role(role),
        address: start,
        end_address,
        owner_offset: None,
        skip: None,
        backend: Backend::Probe,
        on_demand: false,
        word: None,
        place: Place::Site(Site {
            function: function.to_owned(),
            offset: start - entry,
            image_offset: start - base,
            role,
            seqcount: Seqcount {
                name: Name::Unknown,
                lockname: None,
                lock: None,
            },
            end: end_address.map(|end| BlockEnd {
                offset: end - entry,
                image_offset: end - base,
            }),
            lock_function: None,
            sequence_register: None,
            cold: Vec::new(),
            location: None,
            chain: Vec::new(),
        }),
    }
}

/// Calls each probed function so many times.
fn round() {
    for _ in 0..CALLS {
        for call in [
            libc::SYS_getppid,
            libc::SYS_getgid,
            libc::SYS_getuid,
            libc::SYS_geteuid,
        ] {
            // SAFETY: takes nothing and gives a number.
            unsafe { libc::syscall(call) };
        }
    }
}

/// One probe after the other is taken off and put back, the last of its program included; what is
/// attached counts every call, what is not counts none.
pub(crate) fn probes_come_and_go_one_by_one(_: &Guest) -> String {
    let running = Running::read(false, Choice::Auto).expect("the kernel can be read");
    let target = |role, function, end| target(&running, role, function, end);
    let mut waiting = target(Role::Retry, "__x64_sys_getgid", None);
    waiting.on_demand = true;
    let end = Some("__x64_sys_geteuid");
    let plan = Plan {
        targets: vec![
            target(Role::Retry, "__x64_sys_getppid", None),
            waiting,
            target(Role::Block, "__x64_sys_getuid", end),
        ],
    };
    let layout = prepare::task_layout(&running.btf).expect("the kernel has BTF");
    let options = AttachOptions::default();
    let stop = AtomicBool::new(false);
    let session = Session::attach(&plan, &layout, &options, &stop, |_| ());
    let mut session = session.expect("the probes are taken");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    let _inside = runtime.enter();
    let mut collector =
        Collector::new(&mut session, Duration::from_secs(1)).expect("the maps are there");
    collector.include(ON_DEMAND);

    let mut expected = [0; 3];
    let mut check = |session: &Session, attached: &[u32], probes: usize| {
        assert_eq!(session.probed(), &BTreeSet::from_iter(attached.to_vec()));
        assert_eq!(guest::probes(), probes, "{attached:?}");
        round();
        for slot in attached {
            expected[*slot as usize] += CALLS;
        }
        let batch = collector
            .final_batch(Duration::ZERO)
            .expect("the maps are read");
        let counts: Vec<u64> = batch.counters.iter().map(|site| site.count).collect();
        assert_eq!(counts, expected, "with {attached:?}");
        assert_eq!(batch.losses.iter().sum::<u64>(), 0, "{:?}", batch.losses);
    };
    let add = |session: &mut Session, slot| {
        assert!(session.add(slot).expect("it can be attached"), "{slot}");
    };
    let remove = |session: &mut Session, slot| session.remove(slot).expect("it can go");

    check(&session, &[RETRY, BLOCK], 3);
    add(&mut session, ON_DEMAND);
    check(&session, &[RETRY, ON_DEMAND, BLOCK], 4);
    remove(&mut session, RETRY);
    check(&session, &[ON_DEMAND, BLOCK], 3);
    remove(&mut session, ON_DEMAND);
    check(&session, &[BLOCK], 2);
    remove(&mut session, BLOCK);
    check(&session, &[], 0);
    add(&mut session, BLOCK);
    add(&mut session, RETRY);
    check(&session, &[RETRY, BLOCK], 3);
    session.detach(|_| ());
    assert_eq!(guest::probes(), 0);
    format!("{expected:?} events")
}
