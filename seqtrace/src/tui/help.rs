//! The text of the help.

/// Keys and what they do; then what is shown.
const HELP: &str = "\
KEYS                    (↑ ↓ scroll, any other key closes this help)
  1 … 6, Tab            choose a tab
  ↑ ↓, PgUp PgDn, g G   choose a line; also j k, the wheel, a click
  ← →                   sort by the column beside; also h l, a click on its name
  i                     turn the order
  Enter                 open: the sites of a seqcount or a task, the stacks of a
                        site, an event or a pair; also a second click
  Esc                   back; also Backspace
  /                     filter: only lines with this text, as it is typed;
                        Enter keeps it, Esc ends it
  f                     flame graph of the selected line
  space                 hold the screen; counting goes on
  r                     reset: count from now on
  + -                   read the numbers less often, more often
  s                     save all since the start: a recording, a flame graph
  q                     end: takes the probes off, prints the totals

IN A FLAME GRAPH
  ↑ ↓ ← →               choose a call: its caller, its heaviest, one beside
  Enter                 give the call the whole width; Esc shows all again
  w                     weigh by time lost, or by events: retries have no time

WHAT IS SHOWN
  waits                 a reader found a writer inside, and blocked or spun
  retries               a read section failed its check and ran again
  /S                    for each second of the last interval; a wait counts in
                        that in which it ended
  TOTAL, COUNT          since the start, or the last reset
  LAST MINUTE           time lost, the newest at the right, each line to its own
                        height; retries where no time was lost; · is nothing
  WRITER, OWNER         who held the sequence odd, or the lock of its writers,
                        when the reader came
  OTHERS LOST           time that others waited for this task
  <                     not above this: no event since the reset was longer than
                        the longest before it
  ~                     an estimate; all else is counted
";

/// Number of its lines.
pub(super) fn lines() -> usize {
    HELP.lines().count()
}

/// Its lines from this one on.
pub(super) fn from(line: usize) -> impl Iterator<Item = &'static str> {
    HELP.lines().skip(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::text::width;

    #[test]
    fn the_help_fits_the_narrowest_usual_terminal() {
        for line in from(0) {
            assert!(width(line) <= 80, "{line}");
        }
    }
}
