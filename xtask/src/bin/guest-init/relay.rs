//! Copies bytes between the command and a port, in a thread, unchanged and counted.

use std::{
    io::{Read, Write},
    thread::{self, JoinHandle},
};

/// Copies until the source ends and returns the number of bytes that the sink took.
///
/// A relay between the command and its port gives the command an ordinary pipe: a port can be
/// opened only once, so `tee /dev/stderr` would fail on the port itself.
pub(crate) fn start<R, W>(mut source: R, mut sink: W) -> JoinHandle<u64>
where
    R: Read + Send + 'static,
    W: Write + Send + 'static,
{
    thread::spawn(move || {
        let mut buffer = vec![0; 32 * 1024];
        let mut copied_bytes = 0;
        loop {
            // A terminal without a process on its other side reads as EIO: that is its end.
            let Ok(length) = source.read(&mut buffer) else {
                break;
            };
            if length == 0 || sink.write_all(&buffer[..length]).is_err() {
                break;
            }
            copied_bytes += length as u64;
        }
        copied_bytes
    })
}
