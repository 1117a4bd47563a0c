//! What is traced, since when; what was lost, and what tracing costs.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{print, print_right};
use crate::{
    aggregate::snapshot::Snapshot,
    export::{account, filters, quantity::duration_inline},
    tui::{
        data::Data,
        state::State,
        text::{safe, width},
        theme::{PLAIN, STRONG},
    },
};

pub(super) fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let mut x = 0;
    let mut put = |y: u16, text: &str, style: Style| {
        print(buffer, area, x, y, text, style);
        x += width(text) as u16;
        x
    };
    let theme = state.theme;
    put(0, "seqtrace ", STRONG);
    let Some(data) = state.current() else {
        return;
    };
    let used = put(0, &what(data), PLAIN);
    if state.frozen.is_some() {
        // It must be seen, whatever stands there.
        print_right(buffer, area, 0, " HELD", theme.alarm());
    } else {
        let every = format!("every {}", interval(state));
        print_right(buffer, area, used + 1, &every, PLAIN);
    }
    if area.height < 2 {
        return;
    }
    let below = Rect::new(area.x, area.y + 1, area.width, 1);
    let losses = account::lost(&data.newest);
    let is_lost = losses.is_some();
    let losses = format!("losses {}", losses.unwrap_or_else(|| "none".to_owned()));
    let rest = format!(
        "  sites {}  cost {}",
        account::covered(&data.newest.coverage),
        account::costs_short(&data.newest)
    );
    let style = if is_lost { theme.alarm() } else { PLAIN };
    print(buffer, below, 0, 0, &losses, style);
    print(buffer, below, width(&losses) as u16, 0, &rest, PLAIN);
}

fn what(data: &Data) -> String {
    let snapshot: &Snapshot = &data.newest;
    let realtime = if snapshot.realtime {
        " (PREEMPT_RT)"
    } else {
        ""
    };
    let since = if data.is_reset() {
        " since the reset"
    } else {
        ""
    };
    let watched = duration_inline(data.total.elapsed_ns);
    let only =
        filters::inline(snapshot).map_or_else(String::new, |words| format!(", only {words}"));
    format!(
        "{}{realtime}, {watched}{since}{}",
        safe(&snapshot.release),
        safe(&only)
    )
}

/// The interval as the command line has it.
fn interval(state: &State) -> String {
    let interval_ms = state.interval.as_millis();
    if interval_ms.is_multiple_of(1_000) {
        format!("{} s", interval_ms / 1_000)
    } else {
        format!("{interval_ms} ms")
    }
}
