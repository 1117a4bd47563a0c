//! Frames and the notes about them → a stack.

use super::{
    super::report::{Frame, Inlined},
    frame::{self, Entry},
};

/// Collects the frames of one stack after the other.
#[derive(Debug, Default)]
pub(super) struct Collector {
    /// Calls inlined into the frame that comes next.
    above: Vec<Inlined>,
}

impl Collector {
    /// Adds what a line says to `frames`; `false` if it belongs to no stack.
    pub(super) fn add(&mut self, text: &str, line: u64, frames: &mut Vec<Frame>) -> bool {
        match frame::entry(text, line) {
            Some(Entry::Frame(mut frame)) => {
                frame.inlined = std::mem::take(&mut self.above);
                frames.push(frame);
            }
            Some(Entry::Above(inlined)) => self.above.push(inlined),
            Some(Entry::Below(inlined)) => match frames.last_mut() {
                Some(frame) => below(frame, inlined),
                None => return false,
            },
            None => {
                self.above.clear();
                return false;
            }
        }
        true
    }
}

/// A note about the last frame: of a call in it, or of the function itself.
pub(super) fn below(frame: &mut Frame, inlined: Inlined) {
    if super::super::report::plain(&inlined.function)
        == super::super::report::plain(&frame.function)
    {
        frame.source.get_or_insert(inlined.source);
    } else {
        frame.inlined.push(inlined);
    }
}
