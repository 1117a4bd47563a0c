//! The writes to a watched word → a table or a JSON document.

use crate::{
    aggregate::{
        rates::per_second,
        watched::{Watched, WriterRow},
    },
    export::{
        account,
        columns::{self, Column, Overflow},
        quantity::{duration_inline, plural, three_digits},
    },
};

/// Writers that are shown.
const ROWS: usize = 20;

/// The document, indented, with a newline at its end.
pub fn document(watched: &Watched) -> String {
    serde_json::to_string_pretty(watched).expect("strings are its only keys") + "\n"
}

/// The report.
pub fn table(watched: &Watched, width: Option<usize>) -> String {
    let Watched {
        release,
        word,
        elapsed_ns,
        writes,
        odd,
        even,
        unread,
        holds,
        hold_ns,
        max_hold_ns,
        writers_full,
        writers,
        ..
    } = watched;
    let headline = format!(
        "{release}, `{word}` watched for {}: {}, {}/s",
        duration_inline(*elapsed_ns),
        plural(*writes, "write"),
        three_digits(per_second(*writes, *elapsed_ns)),
    );
    let mut text = account::line("seqtrace", &headline, width) + "\n";
    if !writers.is_empty() {
        let rows = || writers.iter().take(ROWS);
        let function = |row: &WriterRow| row.function.clone().unwrap_or_else(|| "?".to_owned());
        let names = Column::text("FUNCTION", rows().map(function));
        let values = [
            Column::number("WRITES", rows().map(|row| row.writes.to_string())),
            Column::text(
                "WRITER/PID",
                rows().map(|row| format!("{}/{}", row.comm, row.tgid)),
            ),
        ];
        text += &columns::render(&[&names], &values.each_ref(), width, Overflow::Continue);
        if writers.len() > ROWS {
            let more = plural((writers.len() - ROWS) as u64, "more writer");
            text = text + "(" + &more + ")\n";
        }
        text.push('\n');
    }
    let sum = format!("{writes} = {odd} odd after it + {even} even + {unread} unread");
    text += &account::line("writes", &sum, width);
    if *holds > 0 {
        let mean = duration_inline(hold_ns / holds);
        let text_of = format!(
            "{holds} from odd to even, {} in all, {mean} on average, {} at most",
            duration_inline(*hold_ns),
            duration_inline(*max_hold_ns)
        );
        text += &account::line("holds", &text_of, width);
    }
    let losses = match writers_full {
        0 => "none".to_owned(),
        lost => format!("{lost} writers_full: writes that are credited to no writer"),
    };
    text += &account::line("losses", &losses, width);
    if !watched.adds_up() {
        text += &account::line("sums", "do not add up, please report this", width);
    }
    text
}
