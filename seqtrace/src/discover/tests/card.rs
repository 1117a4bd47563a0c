//! Cards of compiled readers: the roles stand at the instructions that have them.

use super::{READERS, fixture};
use crate::discover::{
    card::{self, Card, Code, Line, Mark},
    catalog::{CheckClass, Role},
    image::Image,
    scan,
};

fn card(image: &Image, function: &str, offset: Option<u64>) -> Card {
    let catalog = scan(image, None, &|_, _| {});
    assert_eq!(card::functions(&catalog, function), [function]);
    let mut cards = card::cards(image, &catalog, function, offset);
    assert_eq!(cards.len(), 1, "one function has that name");
    cards.remove(0)
}

fn codes(card: &Card) -> impl Iterator<Item = &Code> {
    card.lines.iter().filter_map(|line| match line {
        Line::Code(code) => Some(code),
        Line::Part(_) | Line::Gap => None,
    })
}

/// The instructions with a mark that is chosen.
fn marked(card: &Card, choose: impl Fn(&Mark) -> bool) -> Vec<&Code> {
    let has = |code: &&Code| code.marks.iter().any(&choose);
    codes(card).filter(has).collect()
}

/// The only one of them.
fn only(card: &Card, choose: impl Fn(&Mark) -> bool) -> &Code {
    let found = marked(card, choose);
    assert_eq!(found.len(), 1, "{card:#?}");
    found[0]
}

#[test]
fn a_spinning_reader_is_shown_from_its_load_to_its_retry() {
    let image = fixture::build(READERS, false);
    let card = card(&image, "read_global", None);
    let load = only(&card, |mark| matches!(mark, Mark::Load { .. }));
    assert!(
        load.text.starts_with("mov    <global_lock>"),
        "{}",
        load.text
    );
    let test = marked(&card, |mark| *mark == Mark::Test);
    assert!(
        test[0].text.starts_with("test   $0x1,%"),
        "{}",
        test[0].text
    );
    let spin = only(&card, |mark| {
        matches!(
            mark,
            Mark::Cold {
                role: Role::Spin,
                ..
            }
        )
    });
    assert_eq!(spin.text, "pause");
    let branch = marked(
        &card,
        |mark| matches!(mark, Mark::Branch { odd_to, waits_by: Some(Role::Spin) } if odd_to.offset == spin.offset),
    );
    assert!(
        !branch.is_empty(),
        "an odd value goes to the pause: {card:#?}"
    );
    let compare = only(&card, |mark| matches!(mark, Mark::Compare { .. }));
    assert!(compare.text.starts_with("cmp "), "{}", compare.text);
    only(&card, |mark| {
        matches!(
            mark,
            Mark::Decide {
                class: CheckClass::BeginHead,
                failed_to: Some(_)
            }
        )
    });
}

#[test]
fn a_block_is_shown_with_the_lock_and_its_end() {
    let image = fixture::build(READERS, true);
    let card = card(&image, "read_global", None);
    let block = only(&card, |mark| {
        matches!(
            mark,
            Mark::Cold {
                role: Role::Block,
                ..
            }
        )
    });
    assert_eq!(block.text, "call   <rt_spin_lock>");
    let end = only(&card, |mark| *mark == Mark::BlockEnd);
    assert!(end.text.starts_with("mov    <global_lock>"), "{}", end.text);
    let texts: Vec<&str> = codes(&card).map(|code| code.text.as_str()).collect();
    let lock = texts.iter().position(|text| *text == block.text);
    let lock = lock.expect("it was found before");
    assert_eq!(
        texts[lock - 1],
        "mov    <global_lock+0x8>,%rdi",
        "{texts:#?}"
    );
    assert!(texts.contains(&"call   <rt_spin_unlock>"), "{texts:#?}");
}

#[test]
fn what_tells_nothing_is_left_out() {
    let image = fixture::build(READERS, false);
    let card = card(&image, "read_global", None);
    assert!(codes(&card).all(|code| !code.text.contains("ret")));
    assert!(card.lines.contains(&Line::Gap), "{card:#?}");
}

#[test]
fn the_address_that_was_asked_for_is_shown_whatever_it_is() {
    let image = fixture::build(READERS, false);
    let card = card(&image, "read_global", Some(0));
    let first = codes(&card).next().expect("it is not empty");
    assert_eq!((first.offset, first.asked_for), (0, true));
    assert!(card.has_what_was_asked_for());
    assert_eq!(codes(&card).filter(|code| code.asked_for).count(), 1);
}

#[test]
fn an_address_inside_an_instruction_is_not_there() {
    let image = fixture::build(READERS, false);
    let begin = card(&image, "read_global", None);
    let load = only(&begin, |mark| matches!(mark, Mark::Load { .. })).offset;
    assert!(!card(&image, "read_global", Some(load + 1)).has_what_was_asked_for());
}

#[test]
fn a_function_without_seqcounts_has_no_card() {
    let image = fixture::build(READERS, false);
    let mut catalog = scan(&image, None, &|_, _| {});
    assert!(card::functions(&catalog, "no_such_function").is_empty());
    assert!(card::cards(&image, &catalog, "no_such_function", None).is_empty());
    catalog.sites.clear();
    catalog.instances.clear();
    assert!(card::cards(&image, &catalog, "read_global", None).is_empty());
}
