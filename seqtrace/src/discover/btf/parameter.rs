//! Where the parameters of a function are when it is called.

use super::{Btf, DEPTH_LIMIT, Kind, TypeId, record};

/// A parameter of more bytes is passed on the stack.
const LARGEST_IN_REGISTERS_BYTES: u64 = 16;

impl Btf {
    /// The type of the parameter in an argument register, counted from 0, as the System V ABI
    /// passes parameters; for one in two registers that of the first. `None` when no parameter
    /// begins there.
    pub fn parameter_in(&self, prototype: TypeId, register: usize) -> Option<TypeId> {
        let mut next = 0;
        for parameter in self.parameters(prototype) {
            let bytes = self.size_bytes(parameter);
            if bytes > LARGEST_IN_REGISTERS_BYTES {
                continue;
            }
            if next == register {
                return Some(parameter);
            }
            next += if bytes > 8 { 2 } else { 1 };
        }
        None
    }

    /// Whether a function takes further arguments of any type; their list ends with `void`.
    pub fn is_variadic(&self, prototype: TypeId) -> bool {
        self.parameters(prototype).last() == Some(TypeId::VOID)
    }

    /// Whether objects of the type are `const`.
    pub fn is_constant(&self, id: TypeId) -> bool {
        let mut id = id;
        for _ in 0..DEPTH_LIMIT {
            let Some((btf, at)) = self.record(id) else {
                return false;
            };
            if record::is_const(&btf.bytes[at..]) {
                return true;
            }
            match self.kind(id) {
                Kind::Typedef(to) | Kind::Qualifier(to) => id = to,
                _ => return false,
            }
        }
        false
    }
}
