//! An inline chain → a phrase.

use crate::discover::catalog::{Frame, Source};

/// The header whose primitives are looked for; what it does inside them is its own business.
const PRIMITIVES: &str = "include/linux/seqlock.h";

/// What a macro of the header leaves as the only trace of itself: the property it asks for.
const PROPERTY_PREFIX: &str = "__seqprop_";

/// `d_lookup > read_seqbegin, fs/dcache.c:2269`: the calls down to the primitive that was written
/// in the source, and the line where it was written. `-` without debuginfo.
pub(super) fn chain(frames: &[Frame]) -> String {
    let in_header = |frame: &Frame| {
        let source = frame.source.as_ref();
        source.is_some_and(|source| source.file.ends_with(PRIMITIVES))
    };
    let primitive = frames.iter().position(in_header);
    let called_from = match primitive {
        Some(index) => &frames[..index],
        None => frames,
    };
    let line = called_from.last().or(frames.last());
    let shown = primitive.map_or(frames, |index| &frames[..=index]);
    let names: Vec<&str> = shown
        .iter()
        .enumerate()
        .map(|(depth, frame)| (depth, frame.function.as_str()))
        .filter(|(depth, name)| *depth == 0 || !name.starts_with(PROPERTY_PREFIX))
        .map(|(_, name)| name)
        .collect();
    if names.is_empty() {
        return "-".to_owned();
    }
    match line.and_then(|frame| frame.source.as_ref()) {
        None => names.join(" > "),
        Some(Source { file, line }) => format!("{}, {file}:{line}", names.join(" > ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, at: Option<(&str, u32)>) -> Frame {
        Frame {
            function: function.to_owned(),
            source: at.map(|(file, line)| Source {
                file: file.to_owned(),
                line,
            }),
        }
    }

    #[test]
    fn a_chain_ends_with_the_primitive_in_the_source_and_its_line() {
        let header = Some((PRIMITIVES, 227));
        let dcache = frame("d_lookup", Some(("fs/dcache.c", 2269)));
        let begin = frame("read_seqbegin", header);
        let property = frame("__seqprop_spinlock_sequence", header);
        let cpuset = frame(
            "read_mems_allowed_begin",
            Some(("include/linux/cpuset.h", 144)),
        );
        let slab = frame("___slab_alloc", Some(("mm/slub.c", 3000)));
        for (frames, expected) in [
            (vec![], "-"),
            (
                vec![dcache.clone(), begin, property.clone()],
                "d_lookup > read_seqbegin, fs/dcache.c:2269",
            ),
            // A macro of the header in a function of another one.
            (
                vec![slab, cpuset, property.clone()],
                "___slab_alloc > read_mems_allowed_begin, include/linux/cpuset.h:144",
            ),
            (vec![dcache, property], "d_lookup, fs/dcache.c:2269"),
            (vec![frame("d_lookup", None)], "d_lookup"),
        ] {
            assert_eq!(chain(&frames), expected);
        }
    }
}
