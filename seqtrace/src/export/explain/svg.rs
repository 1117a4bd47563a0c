//! Circles → a drawing: the locks of each from top to bottom, an arrow from each to the next, and the
//! one that closes the circle at the side.

use super::{Graph, drawable, place};
use crate::explain::{Explained, Explanation};

/// Sizes, pixels.
const WIDTH: usize = 960;
const BOX_WIDTH: usize = 420;
const BOX_HEIGHT: usize = 44;
const STEP: usize = 110;
const LEFT: usize = 60;
const TITLE: usize = 64;

/// Characters of a label beside an arrow, and in a box.
const LABEL: usize = 64;
const NAME: usize = 52;

/// The circles as one document, one under the other; `None` if no report has one.
pub fn svg(explained: &Explained) -> Option<String> {
    let mut body = String::new();
    let mut top = 0;
    for explanation in drawable(explained) {
        let (drawn, height) = one(explanation, top);
        body += &drawn;
        top += height;
    }
    if body.is_empty() {
        return None;
    }
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{top}\" viewBox=\"0 0 {WIDTH} {top}\" \
         font-family=\"monospace\" font-size=\"13\">\n\
         <defs><marker id=\"head\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"8\" markerHeight=\"8\" \
         orient=\"auto-start-reverse\"><path d=\"M0 0L10 5L0 10z\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    ))
}

fn one(explanation: &Explanation, top: usize) -> (String, usize) {
    let report = &explanation.report;
    let graph = Graph::new(&explanation.edges);
    let title = format!(
        "{}, lines {}-{}",
        report.kind.words(),
        report.first_line,
        report.last_line
    );
    let mut body = words(LEFT, top + 24, &title, "font-weight=\"bold\"");
    body += &words(LEFT, top + 44, &explanation.verdict.headline(), "");
    let y = |node: usize| top + TITLE + node * STEP;
    for (at, node) in graph.nodes.iter().enumerate() {
        let added = format!(
            "<rect x=\"{LEFT}\" y=\"{}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" fill=\"#eef3fb\" stroke=\"#335\"/>\n",
            y(at)
        );
        body += &added;
        for (line, text) in node.lines().enumerate() {
            body += &words(LEFT + 10, y(at) + 18 + 17 * line, &cut(text, NAME), "");
        }
    }
    for (from, to, edge) in &graph.arrows {
        let stroke = if edge.new {
            "stroke=\"#c22\" stroke-width=\"2\""
        } else {
            "stroke=\"#335\""
        };
        let middle = LEFT + BOX_WIDTH / 2;
        let label_y = if to > from {
            let added = format!(
                "<path d=\"M{middle} {}L{middle} {}\" {stroke} fill=\"none\" marker-end=\"url(#head)\"/>\n",
                y(*from) + BOX_HEIGHT,
                y(*to)
            );
            body += &added;
            y(*from) + BOX_HEIGHT + 28
        } else {
            let added = format!(
                "<path d=\"M{LEFT} {}H{} V{} H{LEFT}\" {stroke} fill=\"none\" marker-end=\"url(#head)\"/>\n",
                y(*from) + BOX_HEIGHT / 2,
                LEFT - 36,
                y(*to) + BOX_HEIGHT / 2
            );
            body += &added;
            y(*from) + BOX_HEIGHT + 28
        };
        body += &words(middle + 12, label_y, &cut(&place(edge), LABEL), "");
        body += &words(
            middle + 12,
            label_y + 16,
            &format!("lines {}-{}", edge.lines.0, edge.lines.1),
            "fill=\"#666\"",
        );
    }
    (body, TITLE + graph.nodes.len() * STEP + 20)
}

fn words(x: usize, y: usize, text: &str, attributes: &str) -> String {
    format!(
        "<text x=\"{x}\" y=\"{y}\" {attributes}>{}</text>\n",
        escaped(text)
    )
}

fn escaped(text: &str) -> String {
    let printable = text.chars().filter(|c| !c.is_control());
    let mut out = String::new();
    for c in printable {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            c => out.push(c),
        }
    }
    out
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let head: String = text.chars().take(most.saturating_sub(1)).collect();
    head + "…"
}
