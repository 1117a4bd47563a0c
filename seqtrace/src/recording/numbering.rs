//! Lists of frames in a snapshot ↔ numbers of stacks, wherever they stand.

use anyhow::{Result, bail, ensure};
use serde_json::{Map, Value};

use super::limits;

/// The key of a list of frames, in stacks, events and blames alike.
const FRAMES: &str = "frames";

/// Puts the number that `number` gives in the place of each list of frames; an empty list stays.
pub(super) fn number(value: &mut Value, number: &mut impl FnMut(Vec<String>) -> u32) {
    match value {
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| self::number(value, number)),
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::Array(frames) if key == FRAMES => {
                        if !frames.is_empty() {
                            *value = number(
                                std::mem::take(frames)
                                    .into_iter()
                                    .filter_map(text)
                                    .collect(),
                            )
                            .into();
                        }
                    }
                    _ => self::number(value, number),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// Puts the frames back, makes all text safe for a terminal, and adds up all numbers.
pub(super) struct Expansion<'a, F: Fn(u64) -> Option<&'a [u32]>> {
    /// Frames of a stack by its number.
    pub(super) stack: F,
    /// Names of frames.
    pub(super) names: &'a [String],
    sum: u64,
    bytes: usize,
}

impl<'a, F: Fn(u64) -> Option<&'a [u32]>> Expansion<'a, F> {
    pub(super) fn new(stack: F, names: &'a [String]) -> Self {
        Self {
            stack,
            names,
            sum: 0,
            bytes: 0,
        }
    }

    /// # Errors
    ///
    /// When a stack is not known, or a bound is exceeded.
    pub(super) fn expand(&mut self, value: &mut Value) -> Result<()> {
        match value {
            Value::Null | Value::Bool(_) => Ok(()),
            Value::Number(number) => {
                let number = number.as_u64().unwrap_or_default();
                self.sum = self.sum.saturating_add(number);
                ensure!(self.sum <= limits::SUM, "its numbers are too large");
                Ok(())
            }
            Value::String(text) => {
                make_safe(text);
                Ok(())
            }
            Value::Array(values) => values.iter_mut().try_for_each(|value| self.expand(value)),
            Value::Object(members) => self.expand_members(members),
        }
    }

    fn expand_members(&mut self, members: &mut Map<String, Value>) -> Result<()> {
        for (key, value) in members.iter_mut() {
            match value {
                Value::Number(number) if key == FRAMES => {
                    let frames = number.as_u64().and_then(|number| (self.stack)(number));
                    let Some(frames) = frames else {
                        bail!("stack {number} is not known");
                    };
                    *value = Value::Array(self.frames(frames)?);
                }
                _ => self.expand(value)?,
            }
        }
        Ok(())
    }

    fn frames(&mut self, frames: &[u32]) -> Result<Vec<Value>> {
        let mut texts = Vec::with_capacity(frames.len());
        for &frame in frames {
            let name = &self.names[frame as usize];
            self.bytes += size_of::<Value>() + name.len();
            ensure!(
                self.bytes <= limits::EXPANDED_BYTES,
                "its stacks are too many"
            );
            texts.push(Value::String(name.clone()));
        }
        Ok(texts)
    }
}

/// Escapes what could steer a terminal.
pub(super) fn make_safe(text: &mut String) {
    if text.contains(char::is_control) {
        *text = text
            .chars()
            .flat_map(|character| {
                let is_safe = !character.is_control();
                let plain = is_safe.then_some(character);
                let escaped = (!is_safe).then(|| character.escape_default());
                plain.into_iter().chain(escaped.into_iter().flatten())
            })
            .collect();
    }
}
