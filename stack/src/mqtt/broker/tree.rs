//! Subscriptions by the levels of their filters: finding those that a topic passes costs its levels, not all there are.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;

/// Subscribers with what they asked for, `T` each.
#[derive(Debug)]
pub(super) struct Tree<T> {
    root: Level<T>,
}

#[derive(Debug)]
struct Level<T> {
    /// Those whose filter ends here.
    ends: BTreeMap<Rc<str>, T>,
    /// Those whose filter ends in `#` behind this.
    all: BTreeMap<Rc<str>, T>,
    below: BTreeMap<String, Level<T>>,
}

impl<T> Default for Level<T> {
    fn default() -> Self {
        Level { ends: BTreeMap::new(), all: BTreeMap::new(), below: BTreeMap::new() }
    }
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Tree { root: Level::default() }
    }
}

impl<T: Copy> Tree<T> {
    /// Adds a subscription; `false` if it took the place of one to the same filter.
    pub(super) fn insert(&mut self, filter: &str, who: Rc<str>, what: T) -> bool {
        let mut level = &mut self.root;
        for name in filter.split('/') {
            if name == "#" {
                return level.all.insert(who, what).is_none();
            }
            level = level.below.entry(name.to_owned()).or_default();
        }
        level.ends.insert(who, what).is_none()
    }

    /// Takes one away; `false` if there was none.
    pub(super) fn remove(&mut self, filter: &str, who: &str) -> bool {
        self.root.remove(filter, who)
    }

    /// Calls `found` with each subscription that the topic passes.
    pub(super) fn matching(&self, topic: &str, mut found: impl FnMut(&Rc<str>, T)) {
        self.root.matching(Some(topic), topic.starts_with('$'), &mut found);
    }
}

impl<T: Copy> Level<T> {
    fn remove(&mut self, filter: &str, who: &str) -> bool {
        let (name, rest) = filter.split_once('/').map_or((filter, None), |(name, rest)| (name, Some(rest)));
        if name == "#" {
            return self.all.remove(who).is_some();
        }
        let Some(level) = self.below.get_mut(name) else {
            return false;
        };
        let removed = match rest {
            Some(rest) => level.remove(rest, who),
            None => level.ends.remove(who).is_some(),
        };
        if level.ends.is_empty() && level.all.is_empty() && level.below.is_empty() {
            self.below.remove(name);
        }
        removed
    }

    /// `rest` is what is left of the topic; wildcards do not count for the first level of one that begins with `$`.
    fn matching(&self, rest: Option<&str>, special: bool, found: &mut impl FnMut(&Rc<str>, T)) {
        if !special {
            self.all.iter().for_each(|(who, what)| found(who, *what));
        }
        let Some(rest) = rest else {
            self.ends.iter().for_each(|(who, what)| found(who, *what));
            return;
        };
        let (name, rest) = rest.split_once('/').map_or((rest, None), |(name, rest)| (name, Some(rest)));
        for level in [Some(name), (!special).then_some("+")].into_iter().flatten() {
            if let Some(level) = self.below.get(level) {
                level.matching(rest, false, found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::mqtt::topic;

    fn filters() -> impl Strategy<Value = String> {
        let level = || prop_oneof![Just("a"), Just("b"), Just(""), Just("+"), Just("$c")];
        (prop::collection::vec(level(), 1..4), any::<bool>()).prop_map(|(mut levels, all)| {
            if all {
                levels.push("#");
            }
            levels.join("/")
        })
    }

    proptest! {
        #[test]
        fn it_finds_what_comparing_all_finds(
            subscriptions in prop::collection::vec((filters(), 0..4_usize), 0..12),
            gone in prop::collection::vec(0..12_usize, 0..6),
            levels in prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just(""), Just("$c")], 1..5),
        ) {
            let mut tree = Tree::default();
            let mut plain = Vec::new();
            for (number, (filter, who)) in subscriptions.into_iter().enumerate() {
                let who = ["w", "x", "y", "z"][who];
                plain.retain(|(other, name, _)| (other, *name) != (&filter, who));
                tree.insert(&filter, who.into(), number);
                plain.push((filter, who, number));
            }
            for at in gone {
                if at < plain.len() {
                    let (filter, who, _) = plain.swap_remove(at);
                    prop_assert!(tree.remove(&filter, who));
                    prop_assert!(!tree.remove(&filter, who));
                }
            }
            let name = levels.join("/");
            let mut found = Vec::new();
            tree.matching(&name, |who, number| found.push((who.as_ref().to_owned(), number)));
            found.sort();
            let passing = plain.iter().filter(|(filter, ..)| topic::matches(filter, &name));
            let mut expected: Vec<_> = passing.map(|(_, who, number)| ((*who).to_owned(), *number)).collect();
            expected.sort();
            prop_assert_eq!(found, expected);
        }
    }
}
