//! Writes BTF, for tests: the types a test names, as bytes the parser reads.

use super::record::code;

/// BTF under construction. Ids count from 1 (or on from the base's), as in the kernel.
#[derive(Debug)]
pub(crate) struct Encoder {
    types: Vec<u8>,
    strings: Vec<u8>,
    next: u32,
    first_string: u32,
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Self {
            types: Vec::new(),
            strings: vec![0],
            next: 1,
            first_string: 0,
        }
    }

    /// Goes on where `base` ends, as the BTF of a module does.
    pub(crate) fn on(base: &super::Btf) -> Self {
        Self {
            next: base.len(),
            first_string: base.strings_end(),
            ..Self::new()
        }
    }

    pub(crate) fn int(&mut self, name: &str, size_bytes: u32) -> u32 {
        self.record(name, code::INT, 0, size_bytes, &[0])
    }

    pub(crate) fn pointer(&mut self, to: u32) -> u32 {
        self.record("", code::PTR, 0, to, &[])
    }

    pub(crate) fn array(&mut self, element: u32, count: u32) -> u32 {
        self.record("", code::ARRAY, 0, 0, &[element, 0, count])
    }

    pub(crate) fn typedef(&mut self, name: &str, to: u32) -> u32 {
        self.record(name, code::TYPEDEF, 0, to, &[])
    }

    pub(crate) fn constant(&mut self, of: u32) -> u32 {
        self.record("", code::CONST, 0, of, &[])
    }

    /// Members as name, type, offset in bytes.
    pub(crate) fn structure(&mut self, name: &str, size: u32, members: &[(&str, u32, u32)]) -> u32 {
        self.composite(code::STRUCT, name, size, members)
    }

    pub(crate) fn union(&mut self, name: &str, size: u32, members: &[(&str, u32, u32)]) -> u32 {
        self.composite(code::UNION, name, size, members)
    }

    pub(crate) fn function(&mut self, name: &str, returns: u32, parameters: &[u32]) -> u32 {
        let words: Vec<u32> = parameters.iter().flat_map(|&kind| [0, kind]).collect();
        let count = parameters.len() as u32;
        let prototype = self.record("", code::FUNC_PROTO, count, returns, &words);
        self.record(name, code::FUNC, 0, prototype, &[])
    }

    pub(crate) fn variable(&mut self, name: &str, of: u32) -> u32 {
        self.record(name, code::VAR, 0, of, &[1])
    }

    /// A record as it is asked for, true or not.
    pub(crate) fn record(
        &mut self,
        name: &str,
        kind: u32,
        count: u32,
        size_or_type: u32,
        trailer: &[u32],
    ) -> u32 {
        let name = self.string(name);
        for word in [name, kind << 24 | count, size_or_type]
            .iter()
            .chain(trailer)
        {
            self.types.extend_from_slice(&word.to_le_bytes());
        }
        self.next += 1;
        self.next - 1
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0x9f, 0xeb, 1, 0];
        let types = self.types.len() as u32;
        for word in [24, 0, types, types, self.strings.len() as u32] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&self.types);
        bytes.extend_from_slice(&self.strings);
        bytes
    }

    fn composite(&mut self, kind: u32, name: &str, size: u32, members: &[(&str, u32, u32)]) -> u32 {
        let words: Vec<u32> = members
            .iter()
            .flat_map(|&(name, kind, offset)| [self.string(name), kind, offset * 8])
            .collect();
        self.record(name, kind, members.len() as u32, size, &words)
    }

    fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = self.first_string + self.strings.len() as u32;
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        at
    }
}
