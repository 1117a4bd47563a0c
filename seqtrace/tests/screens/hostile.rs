//! Screens of nothing, of hardly any room, and of names that are meant to break them.

use ratatui::style::{Color, Modifier};

use super::*;

/// Keys that lead everywhere.
const EVERYWHERE: &str = "<enter><enter><down><right><enter>w<esc><esc><esc>2<end><enter><tab>\
                          <enter><pagedown><backtab>4<enter><down>5<enter><end>6<down><end><home>\
                          ?<down><esc>1/a<enter>i<right><esc>f<left><up><esc><space>r<space>s+-q";

fn snapshots() -> Vec<Vec<Arc<Snapshot>>> {
    [
        Recorded::Storm,
        Recorded::Retries,
        Recorded::Losses,
        Recorded::Quiet,
    ]
    .map(recorded)
    .into()
}

#[test]
fn no_size_is_too_small() {
    for snapshots in snapshots() {
        for (width, height) in [(0, 0), (1, 1), (20, 5), (5, 20), (80, 2), (300, 3), (33, 9)] {
            let mut screen = Screen::of(&snapshots, width, height);
            screen.press(EVERYWHERE);
            for (column, row) in [(0, 0), (width, height), (width / 2, height / 2)] {
                screen.click(column, row);
                screen.mouse(MouseEventKind::ScrollDown, column, row);
            }
        }
    }
}

#[test]
fn a_screen_before_the_first_numbers_takes_every_key() {
    let mut screen = Screen::new(80, 24);
    screen.press(EVERYWHERE);
    screen.click_on("2 sites").press("<esc>");
    screen.assert_has(&["The first numbers are on their way."]);
    assert!(screen.effects.contains(&Effect::Quit));
}

#[test]
fn a_quiet_kernel_has_a_line_on_each_tab() {
    let mut screen = Screen::of(&recorded(Recorded::Quiet), 80, 24);
    for (key, line) in [
        ("1", "No reader has waited or retried so far."),
        ("2", "No reader has waited or retried so far."),
        ("4", "No wait has a known writer so far."),
        ("5", "No event has been longer than --threshold so far."),
        ("6", "losses   none"),
    ] {
        screen.press(key).assert_has(&[line]);
    }
    golden("quiet-80x24", &screen.press("1").text());
    screen.press("f").assert_has(&["No time was lost here."]);
}

/// Names as a thread may call itself, or a file may have them.
fn spoil(snapshot: &mut Snapshot) {
    let evil = "\x1b[2J\x07\r\nevil\u{202e}\u{200b}";
    let wide = "読者の名前はとても長いです🧵";
    let long = "a_very_long_name_".repeat(20);
    for (index, row) in snapshot.rows.iter_mut().enumerate() {
        let name = [evil, wide, &long][index % 3];
        row.site = format!("{name}+0x1");
        name.clone_into(&mut row.seqcount);
        for task in row.readers.iter_mut().chain(&mut row.owners) {
            name.clone_into(&mut task.comm);
        }
    }
    for (index, sum) in snapshot.seqcounts.iter_mut().enumerate() {
        [evil, wide, &long][index % 3].clone_into(&mut sum.seqcount);
    }
    for (index, stack) in snapshot.stacks.iter_mut().enumerate() {
        [evil, wide, &long][index % 3].clone_into(&mut stack.comm);
        stack.frames.push(evil.to_owned());
    }
    for blame in &mut snapshot.blames {
        evil.clone_into(&mut blame.reader.comm);
        wide.clone_into(&mut blame.writer.comm);
        blame.writer_site = Some(long.clone());
    }
    for event in &mut snapshot.events {
        evil.clone_into(&mut event.comm);
        event.owner_comm = Some(wide.to_owned());
        event.frames.push(long.clone());
    }
    evil.clone_into(&mut snapshot.release);
    snapshot.coverage.notes.push(evil.to_owned());
}

#[test]
fn names_steer_nothing_and_stay_in_their_columns() {
    let mut snapshot = recorded(Recorded::Storm).pop().expect("there are some");
    spoil(Arc::make_mut(&mut snapshot));
    for (width, height) in [(80, 24), (200, 60), (20, 5)] {
        let mut screen = Screen::of(&[Arc::clone(&snapshot)], width, height);
        for keys in [
            "1", "<enter>", "<enter>", "2", "3", "4", "<enter>", "5", "<enter>", "6",
        ] {
            screen.press(keys);
            for cell in &screen.buffer().content {
                let is_unsafe = |c: char| c.is_control() || ('\u{200b}'..'\u{2070}').contains(&c);
                // Dashes and dots of our own lie in the same block.
                let is_ours = |c: char| matches!(c, '…' | '›' | '\u{2010}'..='\u{2027}');
                let wrong = cell.symbol().chars().any(|c| is_unsafe(c) && !is_ours(c));
                assert!(!wrong, "{:?} after {keys}", cell.symbol());
            }
        }
    }
    let mut screen = Screen::of(&[snapshot], 120, 40);
    golden("hostile-seqcounts-120x40", &screen.text());
    screen.press("4");
    golden("hostile-blame-120x40", &screen.text());
}

#[test]
fn a_screen_without_colours_has_none_and_shows_the_selection() {
    let mut screen = Screen::with_colour(80, 24, false);
    for snapshot in &recorded(Recorded::Losses) {
        screen.see(snapshot);
    }
    for keys in ["1", "2", "<enter>", "3", "4", "5", "6", "?"] {
        screen.press(keys);
        for cell in &screen.buffer().content {
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
        }
    }
    screen.press("q1");
    let reversed = |cell: &&ratatui::buffer::Cell| cell.modifier.contains(Modifier::REVERSED);
    assert!(screen.buffer().content.iter().filter(reversed).count() >= 80);
}

#[test]
fn colours_leave_the_background_to_the_terminal() {
    let mut screen = Screen::of(&recorded(Recorded::Storm), 120, 40);
    for keys in ["1", "2", "3", "4", "5", "6", "?"] {
        screen.press(keys);
        for cell in &screen.buffer().content {
            assert_eq!(cell.bg, Color::Reset);
            assert!(!matches!(cell.fg, Color::Black | Color::White));
        }
    }
}
