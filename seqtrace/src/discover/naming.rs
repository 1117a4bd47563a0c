//! A second look at the sequences that their function alone does not name: what its callers pass
//! tells, and what theirs do; else what the function uses besides in the same object.
//!
//! Only few functions need it, so their callers are analysed when they are asked for. How many
//! callers, and how far up, is bounded; what is not known then stays unknown.

use std::collections::{BTreeMap, BTreeSet};

use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelIterator as _, IntoParallelRefIterator as _,
    ParallelIterator as _,
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    access::Access,
    argument::{Argument, Arguments, Parameter},
    btf::Btf,
    caller,
    catalog::{Lockname, Name, Seqcount},
    evidence::Evidence,
    fit::Fit,
    function::{Function, Functions},
    graph::Flow,
    identify::{Identity, Landmarks, Typing},
    image::Image,
    instruction::ARGUMENTS,
    value::{Value, ValueId, Values},
};

/// How many calls upwards are followed.
const LEVELS: usize = 3;
/// Functions that more places call are called with anything.
const CALLERS_LIMIT: usize = 48;
/// Functions that are analysed for one image besides.
const FUNCTIONS_LIMIT: usize = 512;

/// What a second look needs of the image.
#[derive(Debug)]
pub(super) struct Naming<'a> {
    pub(super) image: &'a Image,
    pub(super) btf: Option<&'a Btf>,
    pub(super) landmarks: &'a Landmarks,
    pub(super) functions: &'a Functions<'a>,
    pub(super) flow: &'a Flow<'a>,
}

/// A word that has no name yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Word {
    pub(super) id: ValueId,
    /// Whether the function shows that it is a sequence.
    pub(super) is_sequence: bool,
    /// The LOCKNAMEs that fit how readers wait; none: any.
    pub(super) allowed: &'static [Lockname],
}

/// A function with the words in it that have no name yet.
pub(super) type Nameless<'a> = (Function<'a>, Vec<Word>);

/// A function that was analysed, with what was found.
#[derive(Debug)]
struct Analysed<'a> {
    function: Function<'a>,
    evidence: Evidence,
    values: Values,
    accesses: Vec<Access>,
}

impl<'a> Naming<'a> {
    /// What the words are as far as callers tell, in the order of the functions.
    pub(super) fn names(&self, nameless: &[Nameless<'a>]) -> Vec<Vec<(ValueId, Identity)>> {
        let readers: Vec<Option<Analysed<'a>>> = nameless
            .par_iter()
            .map(|(function, _)| {
                let (evidence, values, accesses) = Access::all(self.flow, *function)?;
                Some(Analysed {
                    function: *function,
                    evidence,
                    values,
                    accesses,
                })
            })
            .collect();
        let mut callers = Callers::default();
        let mut arguments = Arguments::default();
        for _ in 0..LEVELS {
            let asked = self.asked(nameless, &readers, &callers, &arguments);
            if !callers.find(self, asked) {
                break;
            }
            arguments = self.arguments(&callers, &arguments);
        }
        // What is known of the outermost callers has to come down to the words.
        for _ in 1..LEVELS {
            arguments = self.arguments(&callers, &arguments);
        }
        let named = nameless.par_iter().zip(&readers);
        named
            .map(|((_, words), reader)| {
                let (mut found, _) = self.identify(words, reader.as_ref(), &arguments);
                if let Some(reader) = reader {
                    self.fit(words, reader, &mut found);
                }
                found
            })
            .collect()
    }

    /// Names what still has no name by what fits.
    fn fit(&self, words: &[Word], reader: &Analysed<'a>, found: &mut [(ValueId, Identity)]) {
        let Some(btf) = self.btf else { return };
        let arguments = Arguments::default();
        let typing = self.typing(reader, &arguments);
        for (id, identity) in found
            .iter_mut()
            .filter(|(_, identity)| !identity.is_named())
        {
            let word = words.iter().find(|word| word.id == *id);
            let (Some(word), Value::Load { address, .. }) = (word, reader.values.get(*id)) else {
                continue;
            };
            let fit = Fit {
                btf,
                evidence: &reader.evidence,
                accesses: &reader.accesses,
                typed: &typing.typed_places(address.base),
            };
            let seqcount = fit.seqcount(address, identity, word.allowed);
            // Any counter may lie where some structure has a seqcount.
            let is_typed =
                !fit.typed.is_empty() || matches!(identity, Identity::FromMember(Some(_), _));
            let is_sure = |seqcount: &Seqcount| {
                word.is_sequence || is_typed && matches!(seqcount.name, Name::Member(_))
            };
            if let Some(seqcount) = seqcount.filter(is_sure) {
                *identity = Identity::Seqcount(seqcount);
            }
        }
    }

    fn analyse(&self, function: Function<'a>) -> Option<Analysed<'a>> {
        let (evidence, values) = Evidence::new(self.flow, function)?;
        Some(Analysed {
            function,
            evidence,
            values,
            accesses: Vec::new(),
        })
    }

    fn typing<'s>(&'s self, analysed: &'s Analysed<'a>, arguments: &'s Arguments) -> Typing<'s> {
        let typing = Typing::new(
            self.image,
            self.btf,
            self.landmarks,
            analysed.function,
            &analysed.evidence,
            &analysed.values,
        );
        typing.with(arguments)
    }

    /// What the words are, and the parameters that would tell more.
    fn identify(
        &self,
        words: &[Word],
        reader: Option<&Analysed<'a>>,
        arguments: &Arguments,
    ) -> (Vec<(ValueId, Identity)>, FxHashSet<Parameter>) {
        let Some(reader) = reader else {
            return (Vec::new(), FxHashSet::default());
        };
        let mut typing = self.typing(reader, arguments);
        let mut found = Vec::new();
        for word in words {
            if let Value::Load { address, .. } = typing.values.get(word.id) {
                found.push((word.id, typing.identify(address)));
            }
        }
        (found, typing.asked)
    }

    /// Parameters that would tell more about the words, or about what is passed to their functions.
    fn asked(
        &self,
        nameless: &[Nameless<'a>],
        readers: &[Option<Analysed<'a>>],
        callers: &Callers<'a>,
        arguments: &Arguments,
    ) -> BTreeSet<Parameter> {
        let words = nameless.par_iter().zip(readers);
        let asked = words.map(|((_, words), reader)| {
            let (_, asked) = self.identify(words, reader.as_ref(), arguments);
            asked.into_iter().collect::<Vec<_>>()
        });
        let passed = callers.calls.par_iter().map(|(parameter, calls)| {
            let (_, asked) = self.passed(*parameter, calls, callers, arguments);
            asked.into_iter().collect()
        });
        let all: Vec<Vec<Parameter>> = asked.chain(passed).collect();
        all.into_iter().flatten().collect()
    }

    /// What is passed for each parameter that was asked for.
    fn arguments(&self, callers: &Callers<'a>, arguments: &Arguments) -> Arguments {
        let passed: Vec<(Parameter, Vec<Argument>)> = callers
            .calls
            .par_iter()
            .map(|(&parameter, calls)| {
                let (passed, _) = self.passed(parameter, calls, callers, arguments);
                (parameter, passed)
            })
            .collect();
        passed.into_iter().collect()
    }

    /// What callers pass for a parameter, and the parameters of theirs that would tell more.
    fn passed(
        &self,
        parameter: Parameter,
        calls: &[u64],
        callers: &Callers<'a>,
        arguments: &Arguments,
    ) -> (Vec<Argument>, FxHashSet<Parameter>) {
        let mut passed = Vec::new();
        let mut asked = FxHashSet::default();
        let index = ARGUMENTS
            .iter()
            .position(|&register| register == parameter.register);
        for caller in calls.iter().filter_map(|call| callers.analysed.get(call)) {
            let mut typing = self.typing(caller, arguments);
            let calls = typing.evidence.calls.iter();
            for call in calls.filter(|call| call.callee == parameter.function) {
                passed.extend(index.map(|index| typing.argument(call.arguments[index])));
            }
            asked.extend(typing.asked);
        }
        (passed, asked)
    }
}

/// The callers that were looked for.
#[derive(Debug, Default)]
struct Callers<'a> {
    /// For each parameter that was asked for: the functions that call its function.
    calls: BTreeMap<Parameter, Vec<u64>>,
    /// By address.
    analysed: FxHashMap<u64, Analysed<'a>>,
}

impl<'a> Callers<'a> {
    /// Finds and analyses the callers of more functions; whether there were any to look for.
    fn find(&mut self, naming: &Naming<'a>, asked: BTreeSet<Parameter>) -> bool {
        let new: Vec<Parameter> = asked
            .into_iter()
            .filter(|parameter| !self.calls.contains_key(parameter))
            .collect();
        let functions: FxHashSet<u64> = new.iter().map(|parameter| parameter.function).collect();
        if functions.is_empty() {
            return false;
        }
        let mut callers: FxHashMap<u64, Vec<Function<'a>>> = FxHashMap::default();
        for (call, callee) in caller::calls_of(naming.image, &functions) {
            let function = naming.functions.at(call);
            let whole = function.and_then(|function| naming.whole(function));
            let list = callers.entry(callee).or_default();
            list.extend(whole.filter(|function| !list.contains(function)));
        }
        callers.retain(|_, list| list.len() <= CALLERS_LIMIT);
        self.analyse(naming, callers.values().flatten().copied());
        for parameter in new {
            let list = callers.get(&parameter.function);
            let starts = list.into_iter().flatten().map(|function| function.start);
            self.calls.insert(parameter, starts.collect());
        }
        true
    }

    fn analyse(&mut self, naming: &Naming<'a>, functions: impl Iterator<Item = Function<'a>>) {
        let new: BTreeMap<u64, Function<'a>> = functions
            .filter(|function| !self.analysed.contains_key(&function.start))
            .map(|function| (function.start, function))
            .collect();
        let room = FUNCTIONS_LIMIT.saturating_sub(self.analysed.len());
        let new: Vec<Function<'a>> = new.into_values().take(room).collect();
        let analysed: Vec<Analysed<'a>> = new
            .into_par_iter()
            .filter_map(|function| naming.analyse(function))
            .collect();
        let analysed = analysed.into_iter();
        self.analysed
            .extend(analysed.map(|analysed| (analysed.function.start, analysed)));
    }
}

impl<'a> Naming<'a> {
    /// The function that a cold part belongs to, else the function itself.
    fn whole(&self, function: Function<'a>) -> Option<Function<'a>> {
        match function.parent_name() {
            Some(name) => self.functions.at(self.image.resolve(name)?),
            None => Some(function),
        }
    }
}
