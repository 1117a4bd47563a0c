//! An explained log → text for people, JSON, and its circles as graphs. Pure.

use crate::explain::{
    Explained, Explanation,
    cycle::{Edge, End},
};

mod dot;
mod paragraph;
mod svg;
mod text;

pub use dot::dot;
pub use svg::svg;
pub use text::text;

/// The log as one JSON document, indented, with a newline at its end.
pub fn document(explained: &Explained) -> String {
    serde_json::to_string_pretty(explained).expect("strings are its only keys") + "\n"
}

/// The reports that have a circle to be drawn.
pub fn drawable(explained: &Explained) -> impl Iterator<Item = &Explanation> {
    let reports = explained.reports.iter();
    reports.filter(|explanation| !explanation.edges.is_empty())
}

/// What an end of an arrow is called: its class, and which seqcount that is here.
fn label(end: &End) -> String {
    match &end.object {
        Some(object) => format!(
            "{} = {}, {}",
            end.class,
            object.names.join(" or "),
            object.side.word()
        ),
        None if end.seqcount => format!("{}, seqcount", end.class),
        None => end.class.clone(),
    }
}

/// Where the taken end of an arrow is taken: `___slab_alloc+0xa40, read_mems_allowed_begin (file:line)`.
fn place(edge: &Edge) -> String {
    let mut text = edge.place.clone().unwrap_or_else(|| "?".to_owned());
    if let Some(inlined) = &edge.inlined {
        text += ", ";
        text += inlined;
    }
    if let Some(source) = &edge.source {
        text += " (";
        text += source;
        text += ")";
    }
    text
}

/// The circle as nodes and arrows between them. A class whose ends are different seqcounts is a node
/// for each, so that a merged class shows where the circle is open.
struct Graph<'a> {
    nodes: Vec<String>,
    arrows: Vec<(usize, usize, &'a Edge)>,
}

impl<'a> Graph<'a> {
    fn new(edges: &'a [Edge]) -> Self {
        let mut nodes: Vec<String> = Vec::new();
        let mut node = |end: &End, edges: &[Edge]| {
            let name = node_name(end, edges);
            nodes
                .iter()
                .position(|known| *known == name)
                .unwrap_or_else(|| {
                    nodes.push(name);
                    nodes.len() - 1
                })
        };
        let arrows = edges
            .iter()
            .map(|edge| (node(&edge.held, edges), node(&edge.taken, edges), edge))
            .collect();
        Self { nodes, arrows }
    }
}

/// The class with the seqcount that it is here, where it is known for both of its ends.
fn node_name(end: &End, edges: &[Edge]) -> String {
    let ends = || {
        edges
            .iter()
            .flat_map(|edge| [&edge.held, &edge.taken])
            .filter(|other| other.class == end.class)
    };
    let all_known = ends().all(|other| other.object.is_some());
    match &end.object {
        Some(object) if all_known => format!("{}\n{}", end.class, object.names.join(" or ")),
        Some(_) | None => end.class.clone(),
    }
}
