//! Which seqcount a word is: a global by its symbol, a member by following the types of pointers
//! from the function's parameters, `current`, and what callees return.
//!
//! BTF may also say that a word is something else, which refutes what the rules believed.

use rustc_hash::FxHashMap;

use super::{
    btf::{Btf, Kind, PlacedSeqcount, TypeId},
    catalog::{Name, Seqcount},
    evidence::Evidence,
    function::Function,
    image::Image,
    instruction::ARGUMENTS,
    value::{Address, Value, ValueId, Values},
};

/// What a word turned out to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Identity {
    /// The sequence of this seqcount.
    Seqcount(Seqcount),
    /// The word at this constant address, of which no type is known.
    Global(u64),
    /// A word that the types say is no sequence.
    Other,
    /// A word at this displacement from a pointer of unknown type.
    Displacement(i64),
    /// A word at this distance from a member of a structure; of which type, where it is known,
    /// else of one by which objects are strung together.
    FromMember(Option<TypeId>, i64),
}

/// Where the kernel keeps what the types do not tell.
#[derive(Clone, Debug)]
pub(super) struct Landmarks {
    /// Per-CPU addresses of the pointer to the running task.
    current: Vec<u64>,
    /// The array of the CPUs' per-CPU areas.
    per_cpu_offsets: Option<u64>,
    task: Option<TypeId>,
}

impl Landmarks {
    pub(super) fn new(image: &Image, btf: Option<&Btf>) -> Self {
        // `current` since 7.0 and before 6.2; between, the first member of `pcpu_hot`.
        let names = [
            "const_current_task",
            "current_task",
            "const_pcpu_hot",
            "pcpu_hot",
        ];
        Self {
            current: names
                .iter()
                .filter_map(|name| image.resolve(name))
                .collect(),
            per_cpu_offsets: image.resolve("__per_cpu_offset"),
            task: btf.and_then(|btf| btf.structure("task_struct")),
        }
    }
}

/// A pointer's target: a type, and the distance from the start of an object of it.
type Target = (TypeId, i64);

/// Follows the types of one function's values.
pub(super) struct Typing<'a> {
    pub(super) image: &'a Image,
    pub(super) btf: Option<&'a Btf>,
    pub(super) landmarks: &'a Landmarks,
    pub(super) function: Function<'a>,
    pub(super) evidence: &'a Evidence,
    pub(super) values: &'a Values,
    /// `None` while a value is being looked at, so that cycles end.
    targets: FxHashMap<ValueId, Option<Target>>,
}

impl<'a> Typing<'a> {
    pub(super) fn new(
        image: &'a Image,
        btf: Option<&'a Btf>,
        landmarks: &'a Landmarks,
        function: Function<'a>,
        evidence: &'a Evidence,
        values: &'a Values,
    ) -> Self {
        let targets = FxHashMap::default();
        Self {
            image,
            btf,
            landmarks,
            function,
            evidence,
            values,
            targets,
        }
    }

    /// What the word at an address is.
    pub(super) fn identify(&mut self, address: Address) -> Identity {
        let Address { base, displacement } = address;
        if base == Values::ZERO {
            let global = self.global(displacement as u64);
            return global.unwrap_or(Identity::Global(displacement as u64));
        }
        if self.is_per_cpu(base) {
            let variable = self.per_cpu(displacement as u64);
            return variable.unwrap_or(Identity::Displacement(displacement));
        }
        match self.target(base) {
            Some((of, offset)) => self.identify_in(of, offset.wrapping_add(displacement)),
            None if self.is_list_walk(base) => Identity::FromMember(None, displacement),
            None => Identity::Displacement(displacement),
        }
    }

    /// A global variable whose type is known.
    fn global(&self, address: u64) -> Option<Identity> {
        let (of, offset) = self.variable(address)?;
        let seqcount = match self.seqcount_at(of, offset)? {
            Ok(seqcount) => seqcount,
            Err(identity) => return Some(identity),
        };
        let (symbol, _) = self.image.symbol_at(address)?;
        let path = if offset == 0 { "" } else { &seqcount.path };
        let dot = if path.is_empty() { "" } else { "." };
        let name = Name::Global(format!("{}{dot}{path}", symbol.name));
        let lockname = Some(seqcount.lockname);
        Some(Identity::Seqcount(Seqcount { name, lockname }))
    }

    /// A per-CPU variable: by its own name if it is a seqcount, else as a member of its type.
    fn per_cpu(&self, address: u64) -> Option<Identity> {
        let (of, offset) = self.variable(address)?;
        let identity = self.identify_in(of, offset);
        let Identity::Seqcount(Seqcount {
            name: Name::Unknown,
            lockname,
        }) = identity
        else {
            return Some(identity);
        };
        let (symbol, _) = self.image.symbol_at(address)?;
        let name = Name::Global(symbol.name.to_owned());
        Some(Identity::Seqcount(Seqcount { name, lockname }))
    }

    /// The word at an offset of an object.
    fn identify_in(&self, of: TypeId, offset: i64) -> Identity {
        let (of, offset) = self.container(of, offset);
        let seqcount = match self.seqcount_at(of, offset) {
            Some(Ok(seqcount)) => seqcount,
            Some(Err(identity)) => return identity,
            // Outside of the object: the pointer is to a member of something larger.
            None => return Identity::FromMember(Some(of), offset),
        };
        let owner = self.btf.map_or("", |btf| btf.name(btf.resolve(of)));
        let name = if seqcount.path.is_empty() || owner.is_empty() {
            Name::Unknown
        } else {
            Name::Member(format!("{owner}.{}", seqcount.path))
        };
        Identity::Seqcount(Seqcount {
            name,
            lockname: Some(seqcount.lockname),
        })
    }

    /// The seqcount whose sequence is at an offset of an object, or what else is there; `None`
    /// when the types do not tell.
    fn seqcount_at(&self, of: TypeId, offset: i64) -> Option<Result<PlacedSeqcount, Identity>> {
        let place = self.btf?.place_at(of, offset)?;
        let seqcount = place.seqcount.filter(|seqcount| seqcount.offset == 0);
        Some(seqcount.ok_or(Identity::Other))
    }

    /// The object around a place in front of an object: `container_of` leads to the one structure
    /// that has a member of the type.
    fn container(&self, of: TypeId, offset: i64) -> Target {
        let (mut of, mut offset) = (of, offset);
        while offset < 0
            && let Some((outer, at)) = self.btf.and_then(|btf| btf.container_of(of))
            && at > 0
        {
            of = outer;
            offset = offset.wrapping_add(at as i64);
        }
        (of, offset)
    }

    /// Whether the value goes from object to object by the pointer that it points to.
    fn is_list_walk(&self, base: ValueId) -> bool {
        let next = Address {
            base,
            displacement: 0,
        };
        self.values.inputs(base).iter().any(|&input| {
            self.values.get(input)
                == Value::Load {
                    address: next,
                    bytes: 8,
                }
        })
    }

    /// Type of the variable that an address lies in, and the distance from its start.
    fn variable(&self, address: u64) -> Option<Target> {
        let (symbol, distance) = self.image.symbol_at(address)?;
        Some((self.btf?.variable(symbol.name)?, distance as i64))
    }

    /// Whether addresses on this base are per-CPU: `%gs:` or `__per_cpu_offset[cpu]`.
    fn is_per_cpu(&self, base: ValueId) -> bool {
        if base == Values::PER_CPU {
            return true;
        }
        let Value::Load { address, bytes: 8 } = self.values.get(base) else {
            return false;
        };
        Some(address.displacement as u64) == self.landmarks.per_cpu_offsets
    }

    /// What a value points to.
    fn target(&mut self, id: ValueId) -> Option<Target> {
        if let Some(&known) = self.targets.get(&id) {
            return known;
        }
        self.targets.insert(id, None);
        let target = self.find_target(id).or_else(|| self.stored(id));
        self.targets.insert(id, target);
        target
    }

    fn find_target(&mut self, id: ValueId) -> Option<Target> {
        match self.values.get(id) {
            Value::Initial(number) => self.parameter(number),
            Value::Offset(Address { base, displacement }) => {
                let (of, offset) = self.target(base)?;
                Some((of, offset.wrapping_add(displacement)))
            }
            Value::Load { address, bytes: 8 } => self.loaded(address),
            Value::Returned(call) => self.returned(call),
            Value::Merge(_) => self.merged(id),
            Value::Indexed {
                base,
                index,
                scale: 1,
            } => self.target(base).or_else(|| self.target(index)),
            // Flags in the low bits of a pointer are masked away.
            Value::Masked { of, mask } if (mask as i64) < 0 && mask as i64 >= -64 => {
                self.target(of)
            }
            Value::Zero
            | Value::PerCpu
            | Value::Constant(_)
            | Value::Indexed { .. }
            | Value::Load { .. }
            | Value::Masked { .. }
            | Value::Truncated(_)
            | Value::Read { .. }
            | Value::Opaque(..) => None,
        }
    }

    /// Parameters in registers, as the System V ABI passes them. Functions that gcc has cloned
    /// (`.isra.0`, `.constprop.0`) have other parameters, and no BTF.
    fn parameter(&self, number: u8) -> Option<Target> {
        let btf = self.btf?;
        let name = self.function.parent_name().unwrap_or(self.function.name);
        let prototype = btf.function(name)?;
        let mut next = 0;
        for parameter in btf.parameters(prototype) {
            let bytes = btf.size_bytes(parameter);
            if bytes > 16 {
                // Passed on the stack.
                continue;
            }
            if *ARGUMENTS.get(next)? == number {
                return self.pointee(parameter);
            }
            next += if bytes > 8 { 2 } else { 1 };
        }
        None
    }

    fn loaded(&mut self, address: Address) -> Option<Target> {
        let Address { base, displacement } = address;
        if base == Values::PER_CPU && self.landmarks.current.contains(&(displacement as u64)) {
            return self.landmarks.task.map(|task| (task, 0));
        }
        let (of, offset) = if base == Values::ZERO || self.is_per_cpu(base) {
            self.variable(displacement as u64)?
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
