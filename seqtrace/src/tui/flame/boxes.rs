//! Calls → boxes on a screen, each as wide as its share.

use super::Node;

/// One call on the screen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Box {
    /// The calls that lead to it, itself at the end; empty: all.
    pub(crate) path: Vec<String>,
    /// Its first column.
    pub(crate) x: usize,
    /// Its columns; one at least.
    pub(crate) width: usize,
    pub(crate) weight: u64,
}

impl Box {
    /// Its row: 0 for all.
    pub(crate) fn depth(&self) -> usize {
        self.path.len()
    }
}

/// The boxes in `columns` columns, row by row. The call at `zoom`, and those that lead to it, are as wide
/// as all. Calls that are too light for a column are left out.
pub(crate) fn boxes(root: &Node, zoom: &[String], columns: usize) -> Vec<Box> {
    let mut boxes = Vec::new();
    for depth in 0..zoom.len() {
        if let Some(node) = root.at(&zoom[..depth]) {
            boxes.push(Box {
                path: zoom[..depth].to_vec(),
                x: 0,
                width: columns,
                weight: node.weight,
            });
        }
    }
    if let Some(node) = root.at(zoom).filter(|node| node.weight > 0) {
        lay(node, zoom.to_vec(), (0, columns), &mut boxes);
    }
    boxes.sort_by_key(|one| (one.depth(), one.x));
    boxes
}

fn lay(node: &Node, path: Vec<String>, (x, width): (usize, usize), boxes: &mut Vec<Box>) {
    let share = |weight: u64| {
        let columns = u128::from(weight) * width as u128 / u128::from(node.weight.max(1));
        columns as usize
    };
    let mut before = 0;
    for (name, call) in node.by_weight() {
        let (from, to) = (share(before), share(before + call.weight).min(width));
        before += call.weight;
        if to > from {
            let mut path = path.clone();
            path.push(name.clone());
            lay(call, path, (x + from, to - from), boxes);
        }
    }
    if width > 0 {
        boxes.push(Box {
            path,
            x,
            width,
            weight: node.weight,
        });
    }
}

/// Where to go from a box.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// To its caller.
    Out,
    /// To the heaviest call that it made.
    In,
    /// To the box beside it.
    Left,
    Right,
}

/// The index of the box one step from the one at `at`; itself where there is none.
pub(crate) fn next(boxes: &[Box], at: usize, step: Step) -> usize {
    let Some(here) = boxes.get(at) else {
        return 0;
    };
    let same_row = |other: &Box| other.depth() == here.depth();
    let found = match step {
        Step::Out => {
            let caller = here.path.split_last().map(|(_, caller)| caller);
            boxes
                .iter()
                .position(|other| Some(other.path.as_slice()) == caller)
        }
        Step::In => boxes.iter().position(|other| {
            other.depth() == here.depth() + 1 && other.path.starts_with(&here.path)
        }),
        Step::Left => boxes
            .iter()
            .rposition(|other| same_row(other) && other.x < here.x),
        Step::Right => boxes
            .iter()
            .position(|other| same_row(other) && other.x > here.x),
    };
    found.unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(names: &str) -> Vec<String> {
        let names = names.split(';').filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
    }

    fn tree(lines: &[(&str, u64)]) -> Node {
        let mut root = Node::default();
        for (names, weight) in lines {
            root.add(&path(names), *weight);
        }
        root
    }

    fn places(boxes: &[Box]) -> Vec<(String, usize, usize)> {
        let boxes = boxes.iter();
        boxes
            .map(|one| (one.path.join(";"), one.x, one.width))
            .collect()
    }

    #[test]
    fn boxes_are_as_wide_as_their_share_and_the_heaviest_stands_first() {
        let root = tree(&[("a;b", 1), ("c;d", 3)]);
        let expected = [
            ("", 0, 8),
            ("c", 0, 6),
            ("a", 6, 2),
            ("c;d", 0, 6),
            ("a;b", 6, 2),
        ]
        .map(|(path, x, width)| (path.to_owned(), x, width));
        assert_eq!(places(&boxes(&root, &[], 8)), expected);
    }

    #[test]
    fn a_zoomed_call_has_the_whole_width() {
        let root = tree(&[("a;b", 1), ("a;e", 1), ("c;d", 2)]);
        let expected = [("", 0, 8), ("a", 0, 8), ("a;b", 0, 4), ("a;e", 4, 4)]
            .map(|(path, x, width)| (path.to_owned(), x, width));
        assert_eq!(places(&boxes(&root, &path("a"), 8)), expected);
    }

    #[test]
    fn what_is_too_light_for_a_column_is_left_out_and_nothing_overlaps() {
        let root = tree(&[("a", 1_000_000), ("b", 1), ("c", 400_000), ("d;e", 77_777)]);
        for columns in 0..90 {
            let boxes = boxes(&root, &[], columns);
            for pair in boxes.windows(2).filter(|p| p[0].depth() == p[1].depth()) {
                assert!(pair[0].x + pair[0].width <= pair[1].x, "{pair:?}");
            }
            assert!(
                boxes
                    .iter()
                    .all(|one| one.width > 0 && one.x + one.width <= columns)
            );
        }
        assert_eq!(boxes(&Node::default(), &[], 80), []);
    }

    #[test]
    fn steps_lead_to_neighbours_and_stay_at_the_edge() {
        let root = tree(&[("a;b", 1), ("c;d", 3)]);
        let boxes = boxes(&root, &[], 8);
        let walk = |steps: &[Step]| {
            let at = steps.iter().fold(0, |at, step| next(&boxes, at, *step));
            boxes[at].path.join(";")
        };
        assert_eq!(walk(&[Step::In]), "c");
        assert_eq!(walk(&[Step::In, Step::In, Step::In]), "c;d");
        assert_eq!(walk(&[Step::In, Step::Right, Step::In]), "a;b");
        assert_eq!(walk(&[Step::In, Step::Right, Step::Right, Step::Left]), "c");
        assert_eq!(walk(&[Step::In, Step::Out, Step::Out]), "");
        assert_eq!(next(&[], 3, Step::In), 0);
    }
}
