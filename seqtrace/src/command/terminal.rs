//! The terminal while a screen has it, and what is said meanwhile: given back whatever happens.

use std::{
    env,
    io::{self, IsTerminal as _, Write},
    panic,
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use anyhow::{Context as _, Result};
use ratatui::crossterm::{
    cursor::Show,
    event::{DisableMouseCapture, EnableMouseCapture},
    execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};

/// While a screen has the terminal, what is logged and must wait; else `None`.
static HELD: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// Whether a screen can be drawn: both ends are a terminal that can move its cursor.
pub fn is_usable() -> bool {
    let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb
}

/// Whether the user asks for no colours, as <https://no-color.org> has it.
pub fn is_colourless() -> bool {
    env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// The terminal in raw mode on its second screen; dropping it gives it back.
#[derive(Debug)]
pub struct Taken(());

/// Takes the terminal. A panic gives it back before it is told.
///
/// # Errors
///
/// When the terminal cannot be set.
pub fn take() -> Result<Taken> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            give_back();
            tell(panic);
        }));
    });
    enable_raw_mode().context("failed to set the terminal raw")?;
    held().get_or_insert_default();
    let taken = Taken(());
    execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture)
        .context("failed to set up the screen")?;
    Ok(taken)
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back, if a screen has it, and says what had to wait. Nothing can be done about a
/// terminal that is gone.
pub fn give_back() {
    let Some(log) = held().take() else {
        return;
    };
    let _gone = execute!(
        io::stdout(),
        DisableMouseCapture,
        LeaveAlternateScreen,
        Show
    );
    let _gone = disable_raw_mode();
    let _gone = io::stderr().write_all(&log);
}

fn held() -> MutexGuard<'static, Option<Vec<u8>>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Standard error for the log: holds its lines back while a screen has the terminal.
#[derive(Debug)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *held() {
            Some(log) => log.extend_from_slice(bytes),
            None => io::stderr().write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
