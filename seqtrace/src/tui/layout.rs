//! The size of a terminal → where what stands.

use ratatui::layout::{Rect, Size};

use crate::tui::tabs::Tab;

/// The parts of the screen, from top to bottom; one that has no room is empty.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Areas {
    /// What is traced, losses and cost.
    pub(super) header: Rect,
    pub(super) tabs: Rect,
    /// The way to the page, on those that were opened from another.
    pub(super) title: Rect,
    pub(super) page: Rect,
    /// Keys, the filter, and what became of the last one.
    pub(super) footer: Rect,
}

impl Areas {
    pub(super) fn new(size: Size, has_title: bool) -> Self {
        let Size { width, height } = size;
        let header = match height {
            0..6 => 0,
            6..10 => 1,
            10.. => 2,
        };
        let heights = [
            header,
            u16::from(height >= 5),
            u16::from(has_title && height >= 4),
        ];
        let footer = u16::from(height >= 3);
        let page = height - heights.iter().sum::<u16>() - footer;
        let mut y = 0;
        let mut take = |height| {
            let area = Rect::new(0, y, width, height);
            y += height;
            area
        };
        Self {
            header: take(heights[0]),
            tabs: take(heights[1]),
            title: take(heights[2]),
            page: take(page),
            footer: take(footer),
        }
    }

    /// Lines of a table that fit, below its header.
    pub(super) fn lines(&self) -> usize {
        usize::from(self.page.height.saturating_sub(1))
    }
}

/// The tabs with the columns in which their names stand: the first one, and how many.
pub(super) fn tabs() -> impl Iterator<Item = (Tab, String, (u16, u16))> {
    let mut x = 0;
    (1..).zip(Tab::ALL).map(move |(number, tab)| {
        let label = format!(" {number} {} ", tab.name());
        let width = label.len() as u16;
        let place = (x, width);
        x += width;
        (tab, label, place)
    })
}

/// Columns of the bars of the last minute: as many as leave room for the numbers.
pub(super) fn bars(width: u16) -> usize {
    match width {
        0..100 => 12,
        100..180 => 20,
        180.. => 60,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_fill_any_screen_without_gaps() {
        for height in 0..60 {
            for has_title in [false, true] {
                let areas = Areas::new(Size::new(80, height), has_title);
                let Areas {
                    header,
                    tabs,
                    title,
                    page,
                    footer,
                } = areas;
                let mut y = 0;
                for area in [header, tabs, title, page, footer] {
                    assert_eq!((area.y, area.width), (y, 80));
                    y += area.height;
                }
                assert_eq!(y, height);
                assert!(height < 3 || page.height > 0, "no room at {height}");
            }
        }
    }
}
