//! Circles → a graph in the language of Graphviz.

use super::{Graph, drawable, place};
use crate::explain::Explained;

/// The circle of each report as a cluster of one graph; `None` if no report has one.
pub fn dot(explained: &Explained) -> Option<String> {
    let mut text =
        "digraph locks {\n  node [shape=box, fontname=monospace];\n  edge [fontname=monospace];\n"
            .to_owned();
    let mut any = false;
    for (number, explanation) in drawable(explained).enumerate() {
        any = true;
        let report = &explanation.report;
        let title = format!(
            "{}, lines {}-{}\n{}",
            report.kind.words(),
            report.first_line,
            report.last_line,
            explanation.verdict.headline()
        );
        let added = format!(
            "  subgraph cluster_{number} {{\n    label={};\n",
            quoted(&title)
        );
        text += &added;
        let graph = Graph::new(&explanation.edges);
        for (at, node) in graph.nodes.iter().enumerate() {
            let added = format!("    n{number}_{at} [label={}];\n", quoted(node));
            text += &added;
        }
        for (from, to, edge) in graph.arrows {
            let style = if edge.new {
                ", style=bold, color=red"
            } else {
                ""
            };
            let label = quoted(&format!(
                "{}\nlines {}-{}",
                place(edge),
                edge.lines.0,
                edge.lines.1
            ));
            let added = format!("    n{number}_{from} -> n{number}_{to} [label={label}{style}];\n");
            text += &added;
        }
        text += "  }\n";
    }
    any.then(|| text + "}\n")
}

fn quoted(text: &str) -> String {
    let inside = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{inside}\"")
}
