//! The host's terminal while a guest's command has it: raw, and put back whatever happens.

use std::io::{self, IsTerminal as _, Read as _, Write};

use anyhow::{Context as _, Result, ensure};
use guest::TerminalSize;
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

/// Ends the guest when typed: Ctrl-], as in telnet. Everything else goes to the guest.
const ESCAPE: u8 = 0x1d;

/// The terminal in raw mode; dropping it restores what was set before.
#[derive(Debug)]
pub(crate) struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    /// Switches standard input to raw mode.
    pub(crate) fn enter() -> Result<Self> {
        ensure!(
            io::stdin().is_terminal(),
            "`--tty` needs a terminal as standard input"
        );
        let before = tcgetattr(io::stdin()).context("failed to read the terminal's settings")?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &raw)
            .context("failed to set the terminal raw")?;
        Ok(Self { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let Self { before } = self;
        // Nothing can be done about a terminal that is gone.
        let _gone = tcsetattr(io::stdin(), SetArg::TCSADRAIN, before);
    }
}

/// The size of the terminal on standard input.
pub(crate) fn size() -> Result<TerminalSize> {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCGWINSZ writes a `winsize` to where the pointer leads, and it leads to one.
    let result = unsafe { libc::ioctl(0, libc::TIOCGWINSZ, &raw mut size) };
    nix::errno::Errno::result(result).context("failed to read the terminal's size")?;
    Ok(TerminalSize {
        rows: size.ws_row,
        columns: size.ws_col,
    })
}

/// Copies what is typed until the escape is typed, then asks ourselves to end.
pub(crate) fn copy_typing(sink: &mut dyn Write) {
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = io::stdin().read(&mut buffer) {
        let typed = &buffer[..length];
        if typed.contains(&ESCAPE) {
            let _self_is_alive = nix::sys::signal::raise(nix::sys::signal::Signal::SIGTERM);
            return;
        }
        if sink.write_all(typed).is_err() {
            return;
        }
    }
}
