//! Everything that happens to a running guest as one stream of events: its sockets, its process,
//! and signals to us.

use std::{
    io::{Read as _, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::{Child, ExitStatus},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use anyhow::{Context as _, Result};
use guest::port;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use super::qemu::CONSOLE;

/// Where bytes came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stream {
    /// The kernel's log.
    Console,
    /// The command's standard output.
    Stdout,
    /// The command's standard error.
    Stderr,
    /// The verdict.
    Control,
}

/// One thing that happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// Bytes from the guest.
    Bytes(Stream, Vec<u8>),
    /// The guest's side of the control port, to answer on.
    Connected(UnixStream),
    /// QEMU's side of one of the [`STREAMS`] is gone.
    Closed,
    /// QEMU ended.
    Exited(ExitStatus),
    /// We got this signal.
    Interrupted(i32),
}

/// The streams that have a socket and send events.
pub(crate) const STREAMS: [(Stream, &str); 4] = [
    (Stream::Console, CONSOLE),
    (Stream::Stdout, port::STDOUT),
    (Stream::Stderr, port::STDERR),
    (Stream::Control, port::CONTROL),
];

/// Chunks under way at most: a slow reader of our output slows the guest down.
const BACKLOG: usize = 64;

/// Listens where QEMU will connect to, and for signals. Call it before QEMU is started.
pub(crate) fn listen(sockets: &Path) -> Result<(SyncSender<Event>, Receiver<Event>)> {
    let (sender, receiver) = sync_channel(BACKLOG);
    for (stream, name) in STREAMS {
        let listener = bind(sockets, name)?;
        let sender = sender.clone();
        thread::spawn(move || {
            if let Ok((socket, _)) = listener.accept() {
                read(stream, socket, &sender);
            }
            // The receiver is gone when nobody wants to know any more.
            let _gone = sender.send(Event::Closed);
        });
    }
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("failed to handle signals")?;
    let interrupted = sender.clone();
    thread::spawn(move || {
        for signal in signals.forever() {
            let _gone = interrupted.send(Event::Interrupted(signal));
        }
    });
    Ok((sender, receiver))
}

/// Feeds `source` to the guest's [`port::STDIN`], in a thread.
pub(crate) fn feed(
    sockets: &Path,
    mut copy: impl FnMut(&mut dyn Write) + Send + 'static,
) -> Result<()> {
    let listener = bind(sockets, port::STDIN)?;
    thread::spawn(move || {
        if let Ok((mut socket, _)) = listener.accept() {
            copy(&mut socket);
            // QEMU takes a closed socket for an end of the port's host side; keep it.
            loop {
                thread::park();
            }
        }
    });
    Ok(())
}

/// Reports the end of QEMU, in a thread.
pub(crate) fn watch(mut child: Child, sender: SyncSender<Event>) {
    thread::spawn(move || {
        if let Ok(status) = child.wait() {
            let _gone = sender.send(Event::Exited(status));
        }
    });
}

fn bind(sockets: &Path, name: &str) -> Result<UnixListener> {
    let path = sockets.join(name);
    UnixListener::bind(&path).with_context(|| format!("failed to listen on `{}`", path.display()))
}

fn read(stream: Stream, mut socket: UnixStream, sender: &SyncSender<Event>) {
    if stream == Stream::Control
        && let Ok(answer) = socket.try_clone()
        && sender.send(Event::Connected(answer)).is_err()
    {
        return;
    }
    let mut buffer = vec![0; 32 * 1024];
    while let Ok(length) = socket.read(&mut buffer) {
        if length == 0
            || sender
                .send(Event::Bytes(stream, buffer[..length].to_vec()))
                .is_err()
        {
            return;
        }
    }
}
