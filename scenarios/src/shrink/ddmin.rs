//! Delta debugging: the least part of a list with which something still holds.
//!
//! The algorithm is ddmin (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", IEEE Transactions
//! on Software Engineering 28(2), 2002), but that a round's candidates are tried together.

/// A part of `items` of which no single one can be left out. `holds` is given candidates and says which is the first of
/// them with which it still holds; it held with all items. Gives up, with what is left so far, when `holds` says so.
pub(crate) fn least<T: Clone, E>(
    mut items: Vec<T>,
    mut holds: impl FnMut(&[Vec<T>]) -> Result<Option<usize>, E>,
) -> Result<Vec<T>, E> {
    if items.is_empty() || holds(&[Vec::new()])?.is_some() {
        return Ok(Vec::new());
    }
    let mut parts = 2;
    while items.len() > 1 {
        let bounds: Vec<_> =
            (0..parts).map(|part| part * items.len() / parts..(part + 1) * items.len() / parts).collect();
        let only = bounds.iter().map(|part| items[part.clone()].to_vec());
        let without = bounds.iter().map(|part| [&items[..part.start], &items[part.end..]].concat());
        // With two parts, one without the first is the second alone.
        let candidates: Vec<Vec<T>> = if parts == 2 { only.collect() } else { only.chain(without).collect() };
        match holds(&candidates)? {
            Some(found) => {
                parts = if found < parts { 2 } else { (parts - 1).max(2) };
                items.clone_from(&candidates[found]);
                parts = parts.min(items.len().max(2));
            }
            None if parts < items.len() => parts = (parts * 2).min(items.len()),
            None => break,
        }
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn least_with(items: Vec<u32>, needed: &[u32]) -> (Vec<u32>, usize) {
        let mut tried = 0;
        let least = least(items, |candidates| {
            tried += candidates.len();
            Ok::<_, Infallible>(candidates.iter().position(|items| needed.iter().all(|need| items.contains(need))))
        });
        (least.unwrap(), tried)
    }

    #[test]
    fn what_matters_is_left() {
        let (least, tried) = least_with((0..500).collect(), &[17, 333]);
        assert_eq!(least, [17, 333]);
        assert!(tried < 500, "{tried}");
        assert_eq!(least_with((0..500).collect(), &[]).0, [] as [u32; 0]);
        assert_eq!(least_with(vec![3], &[3]).0, [3]);
    }

    proptest! {
        #[test]
        fn nothing_that_is_left_can_be_left_out(
            (count, needed) in (1_u32..200).prop_flat_map(|count| (Just(count), prop::collection::btree_set(0..count, 0..6)))
        ) {
            let needed: Vec<u32> = needed.into_iter().collect();
            prop_assert_eq!(least_with((0..count).collect(), &needed).0, needed);
        }
    }
}
