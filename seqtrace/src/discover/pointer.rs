//! What a function's values point to: by the types of its parameters, of the running task, of what
//! callees return, and of the places that pointers are loaded from.
//!
//! Where a value has no type of its own, what is done with it tells: the places it is stored in
//! and the functions it is given to; for a parameter, what callers pass. What contradicts itself
//! has no type.

use super::{
    argument::{Argument, Parameter},
    btf::{Kind, TypeId},
    evidence::Call,
    identify::{Target, Typing},
    instruction::{self, ARGUMENTS, RegisterNumber},
    value::{Address, Value, ValueId, Values},
};

impl Typing<'_> {
    /// The address of the per-CPU variable that an address is about, whichever CPU's.
    pub(super) fn per_cpu_address(&self, address: Address) -> Option<u64> {
        let Address { base, displacement } = address;
        if self.is_per_cpu(base) {
            return Some(displacement as u64);
        }
        let start = self.constant(self.without_per_cpu(base)?)?;
        Some(start.wrapping_add_signed(displacement))
    }

    /// What is added to the place of a CPU's area, where a value is such a sum.
    fn without_per_cpu(&self, id: ValueId) -> Option<ValueId> {
        let Value::Indexed {
            base,
            index,
            scale: 1,
        } = self.values.get(id)
        else {
            return None;
        };
        match (self.is_per_cpu(base), self.is_per_cpu(index)) {
            (true, false) => Some(index),
            (false, true) => Some(base),
            (true, true) | (false, false) => None,
        }
    }

    /// Whether addresses on this base are per-CPU: `%gs:`, `__per_cpu_offset[cpu]`, or the CPU's
    /// own of the latter.
    fn is_per_cpu(&self, base: ValueId) -> bool {
        if base == Values::PER_CPU {
            return true;
        }
        let Value::Load { address, bytes: 8 } = self.values.get(base) else {
            return false;
        };
        let displacement = Some(address.displacement as u64);
        displacement == self.landmarks.per_cpu_offsets
            || address.base == Values::PER_CPU && displacement == self.landmarks.own_offset
    }

    /// The constant that a value is on every way here.
    fn constant(&self, id: ValueId) -> Option<u64> {
        match self.values.get(id) {
            Value::Constant(constant) => Some(constant as u64),
            Value::Merge(_) => {
                let mut inputs = self.values.inputs(id).iter().map(|&input| {
                    let Value::Constant(constant) = self.values.get(input) else {
                        return None;
                    };
                    Some(constant as u64)
                });
                let first = inputs.next()??;
                inputs.all(|input| input == Some(first)).then_some(first)
            }
            _ => None,
        }
    }

    /// The address that a value is, where it is the same constant on every way here.
    pub(super) fn on_every_way(&self, id: ValueId) -> Address {
        match self.constant(id) {
            Some(constant) => Address {
                base: Values::ZERO,
                displacement: constant as i64,
            },
            None => self.values.address(id),
        }
    }

    /// What a value points to.
    pub(super) fn target(&mut self, id: ValueId) -> Option<Target> {
        if let Some(&known) = self.targets.get(&id) {
            return known;
        }
        self.targets.insert(id, None);
        let target = self
            .find_target(id)
            .or_else(|| self.stored(id))
            .or_else(|| self.given(id))
            .or_else(|| self.given_back(id));
        self.targets.insert(id, target);
        target
    }

    /// What an argument is, as a caller sees it.
    pub(super) fn argument(&mut self, id: ValueId) -> Argument {
        let address = self.values.address(id);
        if address.base == Values::ZERO {
            return Argument::Global(address.displacement as u64);
        }
        self.target(id).map_or(Argument::Unknown, Argument::Object)
    }

    fn find_target(&mut self, id: ValueId) -> Option<Target> {
        match self.values.get(id) {
            Value::Initial(number) => self.parameter(number),
            Value::Offset(address) => {
                if let Some(variable) = self.per_cpu_address(address) {
                    return self.variable(variable);
                }
                let (of, offset) = self.target(address.base)?;
                Some((of, offset.wrapping_add(address.displacement)))
            }
            Value::Load { address, bytes: 8 } => self.loaded(address),
            Value::Returned(call) => self.returned(call),
            Value::Merge(_) => self.merged(id),
            Value::Indexed { base, index, scale } => {
                if let Some(rest) = self.without_per_cpu(id) {
                    return match self.constant(rest) {
                        Some(variable) => self.variable(variable),
                        None => self.target(rest),
                    };
                }
                let target = self.target(base);
                target.or_else(|| (scale == 1).then(|| self.target(index)).flatten())
            }
            // Flags in the low bits of a pointer are masked away.
            Value::Masked { of, mask } if (mask as i64) < 0 && mask as i64 >= -64 => {
                self.target(of)
            }
            Value::Zero
            | Value::PerCpu
            | Value::Constant(_)
            | Value::Load { .. }
            | Value::Masked { .. }
            | Value::Truncated(_)
            | Value::Read { .. }
            | Value::Opaque(..) => None,
        }
    }

    /// The parameter that a register held when the function was entered.
    pub(super) fn parameter_at(&self, register: RegisterNumber) -> Parameter {
        let whole = self.function.parent_name();
        let start = whole.and_then(|name| self.image.resolve(name));
        Parameter {
            function: start.unwrap_or(self.function.start),
            register,
        }
    }

    /// A parameter: as declared, else as callers pass it. Functions that gcc has cloned
    /// (`.isra.0`, `.constprop.0`) have other parameters, and no BTF.
    fn parameter(&mut self, register: RegisterNumber) -> Option<Target> {
        let name = self.function.parent_name().unwrap_or(self.function.name);
        let declared = self.declared(name, register, true);
        if declared.is_some() || !ARGUMENTS.contains(&register) {
            return declared;
        }
        let parameter = self.parameter_at(register);
        self.asked.insert(parameter);
        self.arguments?.object(parameter)
    }

    /// The target of a parameter in a register, as the System V ABI passes it, by the prototype of
    /// a function of the image itself or, else, of any.
    fn declared(&self, name: &str, register: RegisterNumber, is_own: bool) -> Option<Target> {
        let btf = self.btf?;
        let prototype = if is_own && !self.image.imports.is_empty() {
            btf.own_function(name)?
        } else {
            btf.function(name)?
        };
        let index = instruction::argument_index(register)?;
        self.pointee(btf.parameter_in(prototype, index)?)
    }

    fn loaded(&mut self, address: Address) -> Option<Target> {
        let Address { base, displacement } = address;
        if base == Values::PER_CPU && self.landmarks.current.contains(&(displacement as u64)) {
            return self.landmarks.task.map(|task| (task, 0));
        }
        let (of, offset) = if base == Values::ZERO {
            self.variable(displacement as u64)?
        } else if let Some(variable) = self.per_cpu_address(address) {
            self.variable(variable)?
        } else {
            let (of, offset) = self.target(base)?;
            (of, offset.wrapping_add(displacement))
        };
        self.pointer_at(of, offset)
    }

    /// A value is what the places are for that it is stored in.
    fn stored(&mut self, id: ValueId) -> Option<Target> {
        let evidence = self.evidence;
        let stores = evidence.stores.iter().filter(|(value, _)| *value == id);
        let mut targets = stores.filter_map(|&(_, Address { base, displacement })| {
            let (of, offset) = self.target(base)?;
            self.pointer_at(of, offset.wrapping_add(displacement))
        });
        let first = targets.next()?;
        targets.all(|target| target == first).then_some(first)
    }

    /// A value is what the functions expect that it is given to.
    fn given(&self, id: ValueId) -> Option<Target> {
        let evidence = self.evidence;
        let mut found: Option<Target> = None;
        for call in &evidence.calls {
            for target in self.expected(call, id) {
                found = match found {
                    None => Some(target),
                    Some(before) => Some(self.wider(before, target)?),
                };
            }
        }
        found
    }

    /// Places on a base whose addresses are given to functions that expect a structure there:
    /// distance from the base, and the structure.
    pub(super) fn typed_places(&self, base: ValueId) -> Vec<(i64, TypeId)> {
        let mut found = Vec::new();
        for call in &self.evidence.calls {
            for (&register, &argument) in ARGUMENTS.iter().zip(&call.arguments) {
                let address = self.values.address(argument);
                if address.base != base {
                    continue;
                }
                let Some(name) = self.image.name_at(call.callee) else {
                    break;
                };
                let expected = self.declared(name, register, false);
                let structure = expected.filter(|&(of, _)| self.is_structure(of));
                found.extend(structure.map(|(of, _)| (address.displacement, of)));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// What a callee expects where it is given the value.
    fn expected(&self, call: &Call, id: ValueId) -> impl Iterator<Item = Target> {
        let given = ARGUMENTS.iter().zip(&call.arguments);
        let registers = given.filter(move |(_, argument)| **argument == id);
        // Few calls are given the value, and only their names are looked up.
        registers.filter_map(move |(&register, _)| {
            let name = self.image.name_at(call.callee)?;
            let target = self.declared(name, register, false)?;
            self.is_structure(target.0).then_some(target)
        })
    }

    /// What the function returns is what it is declared to return.
    fn given_back(&self, id: ValueId) -> Option<Target> {
        self.evidence.returned.binary_search(&id).ok()?;
        let btf = self.btf?;
        match btf.kind(btf.function(self.function.name)?) {
            Kind::Prototype { returns } => self.pointee(returns),
            _ => None,
        }
    }

    /// Of two types of one object the one that begins with the other.
    fn wider(&self, left: Target, right: Target) -> Option<Target> {
        let btf = self.btf?;
        let resolved = |(of, _): Target| btf.resolve(of);
        if resolved(left) == resolved(right) || btf.begins_with(left.0, right.0) {
            Some(left)
        } else if btf.begins_with(right.0, left.0) {
            Some(right)
        } else {
            None
        }
    }

    /// What the pointer at an offset of an object points to.
    fn pointer_at(&self, of: TypeId, offset: i64) -> Option<Target> {
        let (of, offset) = self.container(of, offset);
        let place = self.btf?.place_at(of, offset)?;
        if place.rest == 0 {
            self.pointee(place.leaf)
        } else {
            None
        }
    }

    fn returned(&self, call: u64) -> Option<Target> {
        let btf = self.btf?;
        let name = self.image.name_at(self.evidence.callee(call)?)?;
        match btf.kind(btf.function(name)?) {
            Kind::Prototype { returns } => self.pointee(returns),
            _ => None,
        }
    }

    /// Inputs of a merge must not contradict each other.
    fn merged(&mut self, id: ValueId) -> Option<Target> {
        let values = self.values;
        let mut targets = values
            .inputs(id)
            .iter()
            .filter_map(|&input| self.target(input));
        let first = targets.next()?;
        targets.all(|target| target == first).then_some(first)
    }

    fn pointee(&self, id: TypeId) -> Option<Target> {
        let btf = self.btf?;
        match btf.kind(btf.resolve(id)) {
            Kind::Pointer(to) if btf.resolve(to) != TypeId::VOID => Some((to, 0)),
            _ => None,
        }
    }
}
