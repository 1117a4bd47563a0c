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
        // A terminal without a process on its other side reads as EIO: that is its end.
        while let Ok(length) = source.read(&mut buffer) {
            if length == 0 || sink.write_all(&buffer[..length]).is_err() {
                break;
            }
            copied_bytes += length as u64;
        }
        copied_bytes
    })
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Cursor, Read as _, Write as _},
        os::unix::net::UnixStream,
    };

    use super::*;

    #[test]
    fn bytes_arrive_unchanged_and_counted() {
        let sent: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
        let (sink, mut end) = UnixStream::pair().unwrap();
        let relay = start(Cursor::new(sent.clone()), sink);
        let mut received = Vec::new();
        end.read_to_end(&mut received).unwrap();
        assert_eq!(received, sent);
        assert_eq!(relay.join().unwrap(), 100_000);
    }

    #[test]
    fn a_relay_ends_when_nobody_takes_its_bytes() {
        let (source, mut feeder) = UnixStream::pair().unwrap();
        let (sink, end) = UnixStream::pair().unwrap();
        drop(end);
        let relay = start(source, sink);
        feeder.write_all(b"lost").unwrap();
        assert_eq!(relay.join().unwrap(), 0);
    }
}
