//! Which seqcount a word is: a global by its symbol, a member by the type of the pointer that the
//! word is reached by.
//!
//! BTF may also say that a word is something else, which refutes what the rules believed.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    argument::{Argument, Arguments, Parameter},
    btf::{Btf, Kind, PlacedSeqcount, TypeId},
    catalog::{Name, Seqcount},
    evidence::Evidence,
    function::Function,
    image::Image,
    label,
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
    pub(super) current: Vec<u64>,
    /// The array with the place of each CPU's per-CPU area.
    pub(super) per_cpu_offsets: Option<u64>,
    /// Per-CPU address of the place of the CPU's own area.
    pub(super) own_offset: Option<u64>,
    pub(super) task: Option<TypeId>,
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
            own_offset: image.resolve("this_cpu_off"),
            task: btf.and_then(|btf| btf.structure("task_struct")),
        }
    }
}

/// Structures inside structures, as far as they are followed outwards.
const LEVELS: usize = 8;

/// A pointer's target: a type, and the distance from the start of an object of it.
pub(super) type Target = (TypeId, i64);

/// Follows the types of one function's values.
pub(super) struct Typing<'a> {
    pub(super) image: &'a Image,
    pub(super) btf: Option<&'a Btf>,
    pub(super) landmarks: &'a Landmarks,
    pub(super) function: Function<'a>,
    pub(super) evidence: &'a Evidence,
    pub(super) values: &'a Values,
    /// What callers pass, as far as somebody has looked.
    pub(super) arguments: Option<&'a Arguments>,
    /// `None` while a value is being looked at, so that cycles end.
    pub(super) targets: FxHashMap<ValueId, Option<Target>>,
    /// Parameters of which only callers could tell more.
    pub(super) asked: FxHashSet<Parameter>,
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
        Self {
            image,
            btf,
            landmarks,
            function,
            evidence,
            values,
            arguments: None,
            targets: FxHashMap::default(),
            asked: FxHashSet::default(),
        }
    }

    /// The same, with what is known of the function's callers.
    pub(super) fn with(self, arguments: &'a Arguments) -> Self {
        Self {
            arguments: Some(arguments),
            ..self
        }
    }

    /// What the word at an address is.
    pub(super) fn identify(&mut self, address: Address) -> Identity {
        let Address { base, displacement } = address;
        if base == Values::ZERO {
            let global = self.global(displacement as u64);
            return global.unwrap_or(Identity::Global(displacement as u64));
        }
        if let Some(variable) = self.per_cpu_address(address) {
            let variable = self.per_cpu(variable);
            return variable.unwrap_or(Identity::Displacement(displacement));
        }
        let identity = match self.target(base) {
            Some((of, offset)) => {
                let offset = offset.wrapping_add(displacement);
                self.identify_indexed(base, of, offset)
                    .unwrap_or_else(|| self.identify_in(of, offset))
            }
            None if self.is_list_walk(base) => Identity::FromMember(None, displacement),
            None => Identity::Displacement(displacement),
        };
        if identity.is_named() {
            return identity;
        }
        self.passed(address).unwrap_or(identity)
    }

    /// The seqcount whose address callers pass: of one they agree on, or of any of several.
    fn passed(&mut self, address: Address) -> Option<Identity> {
        let Value::Initial(register) = self.values.get(address.base) else {
            return None;
        };
        let parameter = self.parameter_at(register);
        self.asked.insert(parameter);
        let mut found: Option<Seqcount> = None;
        for &argument in self.arguments?.of(parameter)? {
            let identity = match argument {
                Argument::Object((of, offset)) => {
                    self.identify_in(of, offset.wrapping_add(address.displacement))
                }
                Argument::Global(start) => {
                    let at = start.wrapping_add_signed(address.displacement);
                    self.global(at).unwrap_or_else(|| self.untyped_global(at))
                }
                Argument::Unknown => return None,
            };
            let Identity::Seqcount(seqcount) = identity else {
                return None;
            };
            found = Some(match found {
                Some(before) => label::either(&before, &seqcount),
                None => seqcount,
            });
        }
        found.map(Identity::Seqcount)
    }

    /// A global that callers pass to a function that reads a sequence there.
    fn untyped_global(&self, address: u64) -> Identity {
        Identity::Seqcount(Seqcount {
            name: label::global(self.image, address),
            lockname: None,
            lock: None,
        })
    }

    /// What the types call the word at an address that is no seqcount.
    pub(super) fn member(&mut self, address: Address) -> Option<Name> {
        let Address { base, displacement } = address;
        let (of, offset) = if base == Values::ZERO {
            self.variable(displacement as u64)?
        } else if let Some(variable) = self.per_cpu_address(address) {
            self.variable(variable)?
        } else {
            let (of, offset) = self.target(base)?;
            (of, offset.wrapping_add(displacement))
        };
        let btf = self.btf?;
        let (of, offset) = self.container(of, offset);
        let place = btf.place_at(of, offset)?;
        let owner = btf.name(btf.resolve(of));
        let is_named = !owner.is_empty() && !place.path.is_empty() && place.rest == 0;
        is_named.then(|| Name::Member(format!("{owner}.{}", place.path)))
    }

    /// A global variable whose type is known.
    fn global(&self, address: u64) -> Option<Identity> {
        let (of, offset) = self.variable(address)?;
        let seqcount = match self.seqcount_at(of, offset)? {
            Ok(seqcount) => seqcount,
            Err(identity) => return Some(identity),
        };
        let (symbol, _) = self.image.symbol_at(address)?;
        let path = any_index(if offset == 0 { "" } else { &seqcount.path });
        let dot = if path.is_empty() { "" } else { "." };
        let name = Name::Global(format!("{}{dot}{path}", symbol.name));
        let lockname = Some(seqcount.lockname);
        Some(Identity::Seqcount(Seqcount {
            name,
            lockname,
            lock: None,
        }))
    }

    /// A per-CPU variable: by its own name if it is a seqcount, else as a member of its type.
    fn per_cpu(&self, address: u64) -> Option<Identity> {
        let (of, offset) = self.variable(address)?;
        let identity = self.identify_in(of, offset);
        let Identity::Seqcount(Seqcount {
            name: Name::Unknown,
            lockname,
            lock: _,
        }) = identity
        else {
            return Some(identity);
        };
        let (symbol, _) = self.image.symbol_at(address)?;
        let name = Name::Global(symbol.name.to_owned());
        Some(Identity::Seqcount(Seqcount {
            name,
            lockname,
            lock: None,
        }))
    }

    /// The word at an offset of an object.
    fn identify_in(&self, of: TypeId, offset: i64) -> Identity {
        let (of, offset) = self.container(of, offset);
        let seqcount = match self.seqcount_at(of, offset) {
            Some(Ok(seqcount)) => seqcount,
            Some(Err(identity)) => return identity,
            // Outside of the object: the pointer is to a member of something larger.
            None if self.is_structure(of) => return Identity::FromMember(Some(of), offset),
            None => return Identity::Displacement(offset),
        };
        let path = seqcount.path;
        let owner = self.btf.map_or("", |btf| btf.name(btf.resolve(of)));
        let name = if path.is_empty() || owner.is_empty() {
            Name::Unknown
        } else {
            Name::Member(format!("{owner}.{}", any_index(&path)))
        };
        Identity::Seqcount(Seqcount {
            name,
            lockname: Some(seqcount.lockname),
            lock: None,
        })
    }

    /// The sequence of an element of an array in the object, where the index is folded into the
    /// base in a way that the displacement alone names no member.
    fn identify_indexed(&self, base: ValueId, of: TypeId, offset: i64) -> Option<Identity> {
        let Value::Indexed { .. } = self.values.get(base) else {
            return None;
        };
        if let Some(Ok(_)) = self.seqcount_at(of, offset) {
            return None;
        }
        let (name, lockname) = self.btf?.seqcount_in_array(of, offset)?;
        Some(Identity::Seqcount(Seqcount {
            name: Name::Member(name),
            lockname: Some(lockname),
            lock: None,
        }))
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
    pub(super) fn container(&self, of: TypeId, offset: i64) -> Target {
        let (mut of, mut offset) = (of, offset);
        let Some(btf) = self.btf else {
            return (of, offset);
        };
        // What has no name is a part of what has one.
        let is_inner = |of: TypeId| self.is_structure(of) && btf.name(btf.resolve(of)).is_empty();
        for _ in 0..LEVELS {
            if offset >= 0 && !is_inner(of) {
                break;
            }
            let Some((outer, at)) = btf.container_of(of) else {
                break;
            };
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
    pub(super) fn variable(&self, address: u64) -> Option<Target> {
        let (symbol, distance) = self.image.symbol_at(address)?;
        Some((self.btf?.variable(symbol.name)?, distance as i64))
    }

    pub(super) fn is_structure(&self, of: TypeId) -> bool {
        let kind = self.btf.map(|btf| btf.kind(btf.resolve(of)));
        matches!(kind, Some(Kind::Structure { .. } | Kind::Union { .. }))
    }
}

impl Identity {
    /// Whether it is a seqcount with a name.
    pub(super) fn is_named(&self) -> bool {
        match self {
            Self::Seqcount(seqcount) => seqcount.name != Name::Unknown,
            Self::Global(_) | Self::Other => true,
            Self::Displacement(_) | Self::FromMember(..) => false,
        }
    }
}

/// A path with its indices left out: `clock_base[].seq`, since code is about any element.
fn any_index(path: &str) -> String {
    let mut is_index = false;
    let keep = |letter: &char| {
        is_index = (is_index || *letter == '[') && *letter != ']';
        !is_index || *letter == '['
    };
    path.chars().filter(keep).collect()
}
