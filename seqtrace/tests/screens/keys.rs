//! What keys and mouse do.

use super::*;

/// A session, as it began and as it went on.
fn split() -> (Vec<Arc<Snapshot>>, Vec<Arc<Snapshot>>) {
    let mut snapshots = recorded(Recorded::Storm);
    let later = snapshots.split_off(snapshots.len() - 2);
    (snapshots, later)
}

fn storm(width: u16, height: u16) -> Screen {
    Screen::of(&recorded(Recorded::Storm), width, height)
}

#[test]
fn any_column_sorts_and_a_second_time_turns_the_order() {
    let mut screen = storm(200, 60);
    screen.assert_has(&["LOST/S▼"]);
    screen.press("<right>").assert_has(&["RETRIES/S▼"]);
    screen.press("<left><left>").assert_has(&["WAITS/S▼"]);
    screen.press("i").assert_has(&["WAITS/S▲"]);
    screen.press("<left>").assert_has(&["SEQCOUNT▲"]);
    let names = |screen: &Screen| -> Vec<String> {
        let text = screen.text();
        let rows = text.lines().skip(4).take_while(|line| !line.is_empty());
        rows.filter_map(|line| line.split(' ').next())
            .map(str::to_owned)
            .collect()
    };
    let rising = names(&screen);
    assert!(rising.len() > 2 && rising.is_sorted(), "{rising:?}");
    screen.press("i");
    let falling = names(&screen);
    assert!(falling.iter().rev().eq(&rising), "{falling:?}");
    screen.press("<left>");
    screen.assert_has(&["WRITERS' LOCK▲"]);
}

#[test]
fn a_filter_works_as_it_is_typed_and_goes_with_escape() {
    let mut screen = storm(120, 40);
    screen.press("2/d_lo");
    screen.assert_has(&["/d_lo▏", "Esc ends it"]);
    screen.press("<backspace><backspace><backspace><backspace>RENAME");
    screen.assert_has(&["/RENAME▏", "rename_lock"]);
    screen.assert_lacks(&["thread_group_cputime"]);
    screen.press("<enter>");
    screen.assert_has(&["/RENAME ", "Esc ends the filter"]);
    screen.press("q");
    assert_eq!(screen.effects, [Effect::Quit]);
    screen.press("<esc>");
    screen.assert_has(&["thread_group_cputime"]);
}

#[test]
fn keys_are_letters_while_a_filter_is_typed() {
    let mut screen = storm(80, 24);
    screen.press("/q s?");
    assert_eq!(screen.effects, []);
    screen.assert_has(&["/q s?▏", "No line has the text of the filter."]);
}

#[test]
fn enter_opens_and_escape_leads_back_to_the_same_line() {
    let mut screen = storm(120, 40);
    screen.press("<down>");
    let seqcount = screen.selected();
    screen.press("<enter>");
    let name = seqcount.split(' ').next().unwrap_or_default();
    screen.assert_has(&[&format!("seqcounts › {name}")]);
    screen.press("<enter>");
    screen.assert_has(&["of all", "Enter zoom"]);
    screen.press("<esc><esc>");
    assert_eq!(screen.selected(), seqcount);
    screen.press("<esc><esc>");
    assert_eq!(screen.selected(), seqcount);
    assert_eq!(screen.effects, []);
}

#[test]
fn the_selected_line_stays_selected_when_its_numbers_move_it() {
    let (earlier, later) = split();
    let mut screen = Screen::of(&earlier, 120, 40);
    screen.press("<down>");
    let name = |screen: &Screen| screen.selected().split(' ').next().map(str::to_owned);
    let before = name(&screen);
    screen.see(&later[1]);
    assert_eq!(name(&screen), before);
    screen.press("i");
    assert_eq!(name(&screen), before);
}

#[test]
fn a_held_screen_stays_and_goes_on_with_the_newest() {
    let (earlier, later) = split();
    let mut screen = Screen::of(&earlier, 80, 24);
    screen.press("<space>");
    let held = screen.text();
    screen.assert_has(&["HELD"]);
    screen.see(&later[0]);
    screen.see(&later[1]);
    assert_eq!(screen.text(), held);
    screen.press("<space>");
    assert_eq!(screen.text(), storm(80, 24).text());
}

#[test]
fn a_reset_counts_from_then_on_and_tells_what_is_a_bound() {
    let (earlier, later) = split();
    let mut screen = Screen::of(&earlier, 200, 60);
    screen.press("r");
    screen.assert_has(&["0 ns since the reset", "counting from now on"]);
    screen.see(&later[1]);
    screen.assert_has(&["s since the reset", "mount_lock", "  <"]);
    golden("reset-200x60", &screen.text());
}

#[test]
fn the_interval_is_chosen_in_steps_and_asked_for() {
    let mut screen = storm(80, 24);
    screen.press("+").assert_has(&["every 2 s"]);
    screen.press("---").assert_has(&["every 200 ms"]);
    screen.press("----").assert_has(&["every 100 ms"]);
    let times: Vec<u64> = [2_000, 1_000, 500, 200, 100].into();
    let asked: Vec<Effect> = times
        .into_iter()
        .map(|ms| Effect::Interval(Duration::from_millis(ms)))
        .collect();
    assert_eq!(screen.effects, asked);
}

#[test]
fn what_is_saved_is_what_is_shown_as_it_came() {
    let (earlier, later) = split();
    let mut screen = Screen::of(&earlier, 80, 24);
    screen.press("r<space>");
    screen.see(&later[1]);
    screen.press("s");
    let [Effect::Save(saved)] = &screen.effects[..] else {
        panic!("{:?}", screen.effects);
    };
    assert_eq!(Some(saved), earlier.last());
    screen.input(Input::Told("saved seqtrace-x.seqtrace".to_owned()));
    screen.assert_has(&["saved seqtrace-x.seqtrace"]);
    screen.press("<down>").assert_lacks(&["saved"]);
}

#[test]
fn control_c_ends_wherever_it_is_pressed() {
    for keys in ["", "/", "?", "<enter><enter>"] {
        let mut screen = storm(80, 24);
        screen.press(keys);
        let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        screen.input(Input::Key(key));
        assert_eq!(screen.effects, [Effect::Quit], "after {keys:?}");
    }
}

#[test]
fn help_is_read_and_closed_by_any_other_key() {
    let mut screen = storm(80, 24);
    let before = screen.text();
    screen.press("?").assert_has(&["KEYS", "PgDn"]);
    screen
        .press("<down>")
        .assert_lacks(&["any other key closes"]);
    screen.press("q");
    assert_eq!(screen.text(), before);
    assert_eq!(screen.effects, []);
}

#[test]
fn the_mouse_chooses_tabs_columns_and_lines_and_opens_them() {
    let mut screen = storm(120, 40);
    screen.click_on("2 sites").assert_has(&["KIND", "TOTAL"]);
    screen.click_on("COUNT").assert_has(&["COUNT▼"]);
    screen.click_on("COUNT").assert_has(&["COUNT▲"]);
    screen.click_on("1 seqcounts");
    screen.click(3, 5);
    let selected = screen.selected();
    assert_eq!(Some(&*selected), screen.text().lines().nth(5));
    screen.click(3, 5).assert_has(&["seqcounts › "]);
    screen.click(3, 3).assert_lacks(&["seqcounts › "]);
    screen.mouse(MouseEventKind::ScrollUp, 5, 10);
    assert_eq!(Some(&*screen.selected()), screen.text().lines().nth(4));
    screen.mouse(MouseEventKind::ScrollDown, 5, 10);
    assert_ne!(Some(&*screen.selected()), screen.text().lines().nth(4));
    screen.press("f");
    screen.click(1, 5);
    screen.click(1, 5);
    screen.assert_has(&["Esc back"]);
    screen.click(119, 39);
}

#[test]
fn a_flame_graph_of_retries_is_one_of_events() {
    let mut screen = Screen::of(&recorded(Recorded::Retries), 80, 24);
    screen.press("/d_lookup<enter>f");
    screen.press("w").assert_has(&["events, 100% of all"]);
}

#[test]
fn a_new_size_is_taken_at_once() {
    let mut screen = storm(80, 24);
    screen.press("<end>");
    screen.terminal.backend_mut().resize(120, 40);
    screen.input(Input::Resize(Size::new(120, 40)));
    let mut other = storm(120, 40);
    other.press("<end>");
    assert_eq!(screen.text(), other.text());
}
