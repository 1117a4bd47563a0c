//! What callers pass to functions whose own types do not tell.

use rustc_hash::FxHashMap;

use super::{identify::Target, instruction::RegisterNumber};

/// A parameter in a register of a function.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Parameter {
    /// Address of the function.
    pub(super) function: u64,
    pub(super) register: RegisterNumber,
}

/// What one caller passes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Argument {
    /// A pointer into an object of a known type.
    Object(Target),
    /// A constant: the address of a global, if it is one.
    Global(u64),
    /// The caller's types do not tell either.
    Unknown,
}

/// The parameters that were looked at, with what each caller passes.
#[derive(Debug, Default)]
pub(super) struct Arguments(FxHashMap<Parameter, Vec<Argument>>);

impl Arguments {
    /// What each call passes; `None` when nobody has looked.
    pub(super) fn of(&self, parameter: Parameter) -> Option<&[Argument]> {
        let Self(known) = self;
        known.get(&parameter).map(Vec::as_slice)
    }

    /// The object that the parameter points into, where all callers that know it agree.
    pub(super) fn object(&self, parameter: Parameter) -> Option<Target> {
        let mut targets = self
            .of(parameter)?
            .iter()
            .filter_map(|argument| match argument {
                Argument::Object(target) => Some(*target),
                Argument::Global(_) | Argument::Unknown => None,
            });
        let first = targets.next()?;
        targets.all(|target| target == first).then_some(first)
    }
}

impl FromIterator<(Parameter, Vec<Argument>)> for Arguments {
    fn from_iter<I: IntoIterator<Item = (Parameter, Vec<Argument>)>>(passed: I) -> Self {
        Self(passed.into_iter().collect())
    }
}
