//! Reports about one task: hung tasks (`kernel/hung_task.c`) and failed checks of seqcount writers
//! (`include/linux/seqlock.h`).

use super::{
    super::{
        clean::Line,
        report::{Quote, Report, Stack, StackRole},
    },
    lock,
    stack::Collector,
};

/// `INFO: task kworker/u4:1:33 blocked for more than 120 seconds.`
pub(super) fn hung(lines: &[Line], report: &mut Report) {
    if let Some(first) = lines.first() {
        let task = first.text.split_once("task ").and_then(|(_, rest)| {
            let (task, _) = rest.split_once(" blocked for ")?;
            let (name, pid) = task.rsplit_once(':')?;
            Some(format!("{name}/{pid}"))
        });
        report.task = task;
    }
    read(lines, report);
}

/// `WARNING: CPU: 3 PID: 77 at include/linux/seqlock.h:271 f+0x1/0x2`
pub(super) fn warned(lines: &[Line], report: &mut Report) {
    if let Some(first) = lines.first() {
        let after = first.text.split_once("include/linux/seqlock.h:");
        let function =
            after.and_then(|(_, rest)| rest.split_whitespace().find(|word| word.contains("+0x")));
        let function = function.map(|word| word.trim_end_matches(','));
        if let Some(frame) = function.and_then(|word| super::frame::frame(word, first.number)) {
            report.stacks.push(Stack {
                role: StackRole::Current,
                line: first.number,
                frames: vec![frame],
            });
        }
    }
    read(lines, report);
}

fn read(lines: &[Line], report: &mut Report) {
    report.complaint = lines.first().map(|first| Quote {
        line: first.number,
        text: first.text.clone(),
    });
    let mut collector = Collector::default();
    let mut frames = Vec::new();
    let mut title = None;
    for line in lines {
        let text = line.text.as_str();
        if text.starts_with("Call Trace")
            || text.starts_with("Call trace")
            || text.starts_with("Backtrace")
        {
            title.get_or_insert(line.number);
        } else if title.is_some() && collector.add(text, line.number, &mut frames) {
            continue;
        } else if let Some(lock) = lock::lock(text, line.number) {
            report.held.push(lock);
        }
        let tells_release = text.starts_with("CPU:") || text.contains("ainted");
        if tells_release {
            report.find_release(text, line.number);
        }
        if text.starts_with("CPU:") && report.task.is_none() {
            report.task = task_of(text);
        }
    }
    let Some(line) = title else {
        report.missing.push("the stack of the task".to_owned());
        return;
    };
    let known = report.stacks.iter_mut();
    match known
        .into_iter()
        .find(|stack| stack.role == StackRole::Current)
    {
        // The stack goes on from the place that the first line names.
        Some(stack) => stack.frames.append(&mut frames),
        None => report.stacks.push(Stack {
            role: StackRole::Current,
            line,
            frames,
        }),
    }
    if report.current().is_empty() {
        report.missing.push("the stack of the task".to_owned());
    }
}

/// `CPU: 46 UID: 0 PID: 7867 Comm: runc:[1:CHILD] Not tainted …` → `runc:[1:CHILD]/7867`.
pub(super) fn task_of(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("PID: ")?;
    let (pid, rest) = rest.split_once(' ')?;
    let (_, name) = rest.split_once("Comm: ")?;
    let end = [" Not tainted", " Tainted:", " Kdump:"]
        .iter()
        .filter_map(|word| name.find(word))
        .min();
    let name = end.map_or(name, |end| &name[..end]);
    Some(format!("{}/{pid}", name.trim()))
}

/// The number after `CPU: `.
pub(super) fn cpu_of(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("CPU: ")?;
    rest.split_whitespace().next()?.parse().ok()
}
