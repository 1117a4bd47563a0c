//! A dependency chain → the circle that it closes: who takes what while holding what.

use serde::Serialize;

use super::{
    identify::{self, Object},
    known,
    report::{Frame, Lock, Report},
};

/// One arrow of the circle: a lock is taken while another is held.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Edge {
    /// The lock that is held.
    pub held: End,
    /// The lock that is taken.
    pub taken: End,
    /// The function that takes it, `free_pid+0x5c`; `None` if the stack is missing.
    pub place: Option<String>,
    /// The innermost call inlined there that is no primitive, where the log was decoded.
    pub inlined: Option<String>,
    /// Its source line, where the log was decoded.
    pub source: Option<String>,
    /// The lines of the log that show it.
    pub lines: (u64, u64),
    /// Whether it is the one that closes the circle; the others were seen before.
    pub new: bool,
}

/// One lock at one end of an arrow.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct End {
    /// Its class, as printed.
    pub class: String,
    /// Whether it is a seqcount.
    pub seqcount: bool,
    /// Which one it is here, where the stack of the arrow tells.
    pub object: Option<Object>,
}

/// The circle of a report, beginning with the lock that is being taken; empty if the report has none.
pub fn edges(report: &Report) -> Vec<Edge> {
    let mut links: Vec<_> = report.chain.iter().collect();
    links.sort_by_key(|link| link.index);
    let Some((first, rest)) = links.split_first() else {
        return Vec::new();
    };
    let mut edges = Vec::new();
    let mut held = &first.lock;
    for link in rest {
        edges.push(edge(held, &link.lock, &link.frames, false));
        held = &link.lock;
    }
    if !rest.is_empty() {
        edges.push(edge(held, &first.lock, &first.frames, true));
    }
    edges
}

fn edge(held: &Lock, taken: &Lock, frames: &[Frame], new: bool) -> Edge {
    let frame = identify::taker_frame(frames);
    let call = identify::taker(frames);
    let inlined = call.filter(|call| frame.is_some_and(|frame| !is_own(frame, call.function)));
    let last = frames.iter().map(last_line).max().unwrap_or(taken.line);
    Edge {
        held: End::new(held, identify::written(frames), frames),
        taken: End::new(taken, identify::taken(frames), frames),
        place: frame.map(Frame::place),
        inlined: inlined.map(|call| call.function.to_owned()),
        source: call.and_then(|call| call.source).map(str::to_owned),
        lines: (taken.line, last),
        new,
    }
}

fn is_own(frame: &Frame, function: &str) -> bool {
    super::report::plain(&frame.function) == function
}

/// The last line of a frame and of the notes about it.
fn last_line(frame: &Frame) -> u64 {
    let notes = frame.inlined.iter().map(|inlined| inlined.line);
    notes.fold(frame.line, u64::max)
}

impl End {
    /// A class that is one seqcount's own says more than a function.
    fn new(lock: &Lock, object: Option<Object>, frames: &[Frame]) -> Self {
        let seqcount = identify::is_seqcount(lock);
        let object = match known::by_class(lock.base()) {
            Some(name) => identify::of_name(name, object, frames),
            None => object,
        };
        Self {
            class: lock.class.clone(),
            seqcount,
            object: object.filter(|_| seqcount),
        }
    }
}
