//! Addresses of a stack → names of functions, and of calls that were inlined in them.

use std::collections::BTreeMap;

/// Name of the function that holds a kernel address, `None` where none does.
pub type Symbolise = Box<dyn Fn(u64) -> Option<String> + Send + Sync>;

/// Stands for a frame that has no name. Its address would tell where the kernel was loaded.
const UNKNOWN: &str = "[unknown]";

/// Marks a frame that is no function of its own, as the folded stacks of other tools have it
/// (`perf script` through `stackcollapse-perf --inline`).
const INLINED: &str = "_[i]";

/// What names the frames.
pub(super) struct FrameNames {
    symbolise: Symbolise,
    /// By the address that is looked up; outermost first.
    calls: BTreeMap<u64, Vec<String>>,
}

impl FrameNames {
    pub(super) fn new(symbolise: Symbolise) -> Self {
        Self {
            symbolise,
            calls: BTreeMap::new(),
        }
    }

    pub(super) fn inline(&mut self, calls: BTreeMap<u64, Vec<String>>) {
        self.calls = calls;
    }

    /// The names of the functions in `addresses` (innermost first), outermost first.
    pub(super) fn frames(&self, addresses: &[u64]) -> Vec<String> {
        let mut frames = Vec::new();
        for address in addresses.iter().rev() {
            let address = lookup_address(*address);
            frames.push((self.symbolise)(address).unwrap_or_else(|| UNKNOWN.to_owned()));
            let inlined = self.calls.get(&address).into_iter().flatten();
            frames.extend(inlined.map(|name| format!("{name}{INLINED}")));
        }
        frames
    }
}

/// Every address stands behind the instruction that matters: a return address behind its call, the
/// saved instruction pointer of a kprobe behind the breakpoint. So the byte before it is looked
/// up, which also is right where a call is the last instruction of a function.
pub(super) fn lookup_address(address: u64) -> u64 {
    address.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> FrameNames {
        FrameNames::new(Box::new(|address: u64| match address >> 12 {
            1 => Some("getrusage".to_owned()),
            2 => Some("do_syscall_64".to_owned()),
            _ => None,
        }))
    }

    #[test]
    fn a_frame_is_looked_up_one_byte_back() {
        // 0x2000 is where do_syscall_64 begins: the call before it was the last of getrusage.
        assert_eq!(
            names().frames(&[0x1041, 0x2000, 0x9000]),
            ["[unknown]", "getrusage", "getrusage"]
        );
    }

    #[test]
    fn inlined_calls_stand_inside_their_function_and_are_marked() {
        let mut names = names();
        let calls = ["read_seqbegin", "spin_lock"].map(str::to_owned);
        names.inline(BTreeMap::from([(0x1040, calls.to_vec())]));
        assert_eq!(
            names.frames(&[0x1041, 0x2041]),
            [
                "do_syscall_64",
                "getrusage",
                "read_seqbegin_[i]",
                "spin_lock_[i]"
            ]
        );
    }
}
