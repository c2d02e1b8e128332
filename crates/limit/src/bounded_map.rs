//! A map with a bound: when it is full, the entry that was used longest ago makes room for the new one. For whatever
//! others can make the server remember. Never empties itself: what many forced in cannot push everything out at once.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// At most so many entries, the last used ones.
#[derive(Debug)]
pub struct BoundedMap<K, V> {
    capacity: usize,
    entries: HashMap<K, Entry<V>>,
    /// The keys in the order of their last use.
    order: BTreeMap<u64, K>,
    uses: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    used_at: u64,
}

impl<K: Eq + Hash + Clone, V> BoundedMap<K, V> {
    /// An empty map for at least one entry.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            entries: HashMap::new(),
            order: BTreeMap::new(),
            uses: 0,
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A value, without using it.
    pub fn peek<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// A value, which counts as used now.
    pub fn get<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let entry = self.entries.get_mut(key)?;
        if let Some(key) = self.order.remove(&entry.used_at) {
            self.uses += 1;
            entry.used_at = self.uses;
            self.order.insert(self.uses, key);
        }
        Some(&mut entry.value)
    }

    /// Puts an entry in, used now; gives back the one that made room for it.
    pub fn insert(&mut self, key: K, value: V) -> Option<(K, V)> {
        self.remove(&key);
        let pushed_out = if self.entries.len() >= self.capacity {
            self.pop_oldest()
        } else {
            None
        };
        self.uses += 1;
        let used_at = self.uses;
        self.order.insert(used_at, key.clone());
        self.entries.insert(key, Entry { value, used_at });
        pushed_out
    }

    /// Takes an entry out.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let entry = self.entries.remove(key)?;
        self.order.remove(&entry.used_at);
        Some(entry.value)
    }

    /// Keeps only the entries that a rule wants.
    pub fn retain(&mut self, mut is_kept: impl FnMut(&K, &mut V) -> bool) {
        let order = &mut self.order;
        self.entries.retain(|key, entry| {
            let is_kept = is_kept(key, &mut entry.value);
            if !is_kept {
                order.remove(&entry.used_at);
            }
            is_kept
        });
    }

    fn pop_oldest(&mut self) -> Option<(K, V)> {
        let (_, key) = self.order.pop_first()?;
        let entry = self.entries.remove(&key)?;
        Some((key, entry.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let mut map = BoundedMap::new(2);
        assert_eq!(map.insert("a", 1), None);
        assert_eq!(map.insert("b", 2), None);
        assert_eq!(map.get("a"), Some(&mut 1));
        assert_eq!(map.peek("b"), Some(&2));
        assert_eq!(map.insert("c", 3), Some(("b", 2)));
        assert_eq!(map.insert("a", 4), None);
        assert_eq!(
            (map.peek("a"), map.peek("b"), map.peek("c")),
            (Some(&4), None, Some(&3))
        );
    }

    #[test]
    fn what_was_taken_out_holds_no_place() {
        let mut map = BoundedMap::new(2);
        map.insert("a", 1);
        map.insert("b", 2);
        map.insert("c", 3);
        assert_eq!((map.remove("b"), map.remove("a")), (Some(2), None));
        map.insert("d", 4);
        map.retain(|_, value| *value > 3);
        assert_eq!((map.len(), map.peek("d")), (1, Some(&4)));
        assert_eq!(map.insert("e", 5), None);
        assert_eq!(map.insert("f", 6), Some(("d", 4)));
    }

    proptest! {
        #[test]
        fn both_halves_agree_and_stay_within_the_bound(steps in prop::collection::vec((0..4_u8, 0..20_u8), 0..200)) {
            let mut map = BoundedMap::new(5);
            for (step, key) in steps {
                match step {
                    0 => drop(map.remove(&key)),
                    1 => drop(map.get(&key)),
                    2 => map.retain(|other, ()| *other != key),
                    _ => drop(map.insert(key, ())),
                }
                prop_assert!(map.len() <= 5);
                prop_assert_eq!(map.entries.len(), map.order.len());
                prop_assert!(map.order.iter().all(|(at, key)| map.entries[key].used_at == *at));
            }
        }
    }
}
