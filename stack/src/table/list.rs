//! Doubly linked lists whose links lie in the items themselves: adding and removing cost the same however
//! long the list is, and nothing is allocated.

/// No item.
pub(crate) const NONE: u32 = u32::MAX;
/// Not in any list; a link of its own, so that an item alone in a list differs from one in none.
const APART: u32 = u32::MAX - 1;

/// An item's place in one list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    previous: u32,
    next: u32,
}

impl Link {
    /// In no list.
    pub(crate) const APART: Link = Link { previous: APART, next: APART };

    /// Whether the item is in a list by this link.
    #[inline]
    pub(crate) fn is_linked(self) -> bool {
        self.next != APART
    }
}

/// Which of an item's links a list uses.
pub(crate) type Linked<T> = fn(&mut T) -> &mut Link;

/// The ends of one list. `link` in each call picks which of an item's links this list uses; it must be the
/// same one always.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    head: u32,
    tail: u32,
}

impl List {
    /// The empty list.
    pub(crate) const EMPTY: List = List { head: NONE, tail: NONE };

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.head == NONE
    }

    /// The first item.
    #[inline]
    pub(crate) fn front(self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }

    /// Adds `item`, which must be in no list by this link, at the end.
    // On boards it is worth its bytes once for each sort of item.
    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn push_back<T>(&mut self, items: &mut [T], link: Linked<T>, item: u32) {
        debug_assert!(!link(&mut items[item as usize]).is_linked());
        *link(&mut items[item as usize]) = Link { previous: self.tail, next: NONE };
        match self.tail {
            NONE => self.head = item,
            tail => link(&mut items[tail as usize]).next = item,
        }
        self.tail = item;
    }

    /// Takes the first item out.
    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn pop_front<T>(&mut self, items: &mut [T], link: Linked<T>) -> Option<u32> {
        let item = self.front()?;
        self.remove(items, link, item);
        Some(item)
    }

    /// Takes `item`, which must be in this list, out.
    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn remove<T>(&mut self, items: &mut [T], link: Linked<T>, item: u32) {
        let Link { previous, next } = core::mem::replace(link(&mut items[item as usize]), Link::APART);
        debug_assert!(next != APART);
        match previous {
            NONE => self.head = next,
            previous => link(&mut items[previous as usize]).next = next,
        }
        match next {
            NONE => self.tail = previous,
            next => link(&mut items[next as usize]).previous = previous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_leave_from_both_ends_and_the_middle() {
        let mut items = [Link::APART; 4];
        let mut list = List::EMPTY;
        for item in 0..4 {
            list.push_back(&mut items, |item| item, item);
        }
        list.remove(&mut items, |item| item, 1);
        list.remove(&mut items, |item| item, 3);
        assert_eq!(list.pop_front(&mut items, |item| item), Some(0));
        list.push_back(&mut items, |item| item, 1);
        assert_eq!(list.pop_front(&mut items, |item| item), Some(2));
        assert_eq!(list.pop_front(&mut items, |item| item), Some(1));
        assert_eq!(list.pop_front(&mut items, |item| item), None);
        assert!(list.is_empty() && items.iter().all(|item| !item.is_linked()));
    }
}
