//! Which node serves a webhook, when there are several: pure, and the same on every node that knows the same nodes.
//!
//! What must be counted in one place has a home: one node serves it, and all webhooks whose limits hang together have the same
//! one. Of any other webhook each node serves a part of its concurrency. Both are chosen by rendezvous hashing: each node has
//! a weight for each key, the greatest comes first, and when a node goes nothing moves but what was its own.

use std::cmp::Reverse;

use crate::scheduler::entry::WebhookLimits;
use model::digest::sha256;
use model::id::WebhookId;

/// What one node serves of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Share {
    /// Nothing: another node is its home.
    Nothing,
    /// So many of its deliveries at once.
    Part(usize),
    /// All there is.
    #[default]
    Whole,
}

impl Share {
    /// What a node serves of a webhook. The nodes are those that serve anything.
    pub fn of(
        webhook_id: WebhookId,
        limits: &WebhookLimits,
        is_degraded: bool,
        nodes: &[i64],
        own: i64,
    ) -> Self {
        if nodes.is_empty() || nodes == [own] {
            return Self::Whole;
        }
        let has_home = is_degraded
            || limits.rate.is_some()
            || !limits.buckets.is_empty()
            || limits.joint.is_some()
            || limits.concurrency < nodes.len();
        // The broadest bucket comes last: whoever shares a narrower one shares this one too.
        let key = match limits.buckets.last() {
            Some(bucket) => bucket.key.as_bytes(),
            None => webhook_id.as_bytes(),
        };
        let Some(rank) = rank(key, nodes, own) else {
            return Self::Nothing;
        };
        match (has_home, rank) {
            (true, 0) => Self::Whole,
            (true, _) => Self::Nothing,
            (false, rank) => {
                let rest = limits.concurrency % nodes.len();
                Self::Part(limits.concurrency / nodes.len() + usize::from(rank < rest))
            }
        }
    }

    /// How many deliveries may be in flight.
    pub fn limit(self, concurrency: usize) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Part(part) => part.min(concurrency),
            Self::Whole => concurrency,
        }
    }

    /// Whether it is more than another one.
    pub fn exceeds(self, other: Self) -> bool {
        self.limit(usize::MAX) > other.limit(usize::MAX)
    }
}

/// The place of a node among all for a key; nothing if it is none of them.
fn rank(key: &[u8], nodes: &[i64], own: i64) -> Option<usize> {
    let weight = |node: i64| Reverse((weight(key, node), node));
    let own_weight = weight(own);
    let before = nodes.iter().filter(|node| weight(**node) < own_weight).count();
    nodes.contains(&own).then_some(before)
}

fn weight(key: &[u8], node: i64) -> u64 {
    let hash = sha256([key, &node.to_be_bytes()]);
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use destination::task::Bucket;
    use model::time::Timestamp;
    use model::webhook::Rate;
    use proptest::prelude::*;

    use super::*;

    fn limits(concurrency: usize) -> WebhookLimits {
        WebhookLimits {
            is_enabled: true,
            concurrency,
            rate: None,
            buckets: Vec::new(),
            joint: None,
            degraded: None,
        }
    }

    fn webhook(number: u16) -> WebhookId {
        let mut random = [0; 10];
        random[..2].copy_from_slice(&number.to_be_bytes());
        WebhookId::new(Timestamp::EPOCH, random)
    }

    fn shares(webhook_id: WebhookId, of: &WebhookLimits, is_degraded: bool, nodes: &[i64]) -> Vec<Share> {
        let share = |own: &i64| Share::of(webhook_id, of, is_degraded, nodes, *own);
        nodes.iter().map(share).collect()
    }

    fn home(shares: &[Share]) -> usize {
        let wholes = shares.iter().filter(|share| **share == Share::Whole).count();
        let others = shares.iter().filter(|share| **share == Share::Nothing).count();
        assert_eq!((wholes, others), (1, shares.len() - 1));
        shares.iter().position(|share| *share == Share::Whole).unwrap()
    }

    fn buckets(keys: &[&str]) -> Vec<Bucket> {
        let bucket = |key: &&str| Bucket {
            key: (*key).into(),
            rate: None,
        };
        keys.iter().map(bucket).collect()
    }

    #[test]
    fn a_node_that_is_alone_serves_everything() {
        let limited = WebhookLimits {
            rate: Rate::parse("1/s"),
            ..limits(1)
        };
        for nodes in [vec![], vec![7]] {
            assert_eq!(Share::of(webhook(1), &limited, true, &nodes, 7), Share::Whole);
        }
        assert_eq!(
            Share::of(webhook(1), &limits(9), false, &[3], 7),
            Share::Nothing,
            "about to leave"
        );
    }

    #[test]
    fn what_must_be_counted_in_one_place_has_one_home() {
        let nodes = [1, 5, 9];
        let with_rate = WebhookLimits {
            rate: Rate::parse("1/s"),
            ..limits(16)
        };
        let with_bucket = WebhookLimits {
            buckets: buckets(&["a"]),
            ..limits(16)
        };
        home(&shares(webhook(1), &with_rate, false, &nodes));
        home(&shares(webhook(1), &with_bucket, false, &nodes));
        home(&shares(webhook(1), &limits(16), true, &nodes));
        home(&shares(webhook(1), &limits(2), false, &nodes));
    }

    #[test]
    fn webhooks_that_share_their_broadest_bucket_have_the_same_home() {
        let nodes = [2, 4, 6, 8];
        let homes: BTreeSet<usize> = (0..50)
            .map(|number| {
                let narrow = format!("chat {number}");
                let of = WebhookLimits {
                    buckets: buckets(&[&narrow, "bot"]),
                    ..limits(16)
                };
                home(&shares(webhook(number), &of, number % 2 == 0, &nodes))
            })
            .collect();
        assert_eq!(homes.len(), 1);
    }

    #[test]
    fn homes_are_spread_over_the_nodes() {
        let nodes = [11, 22, 33, 44];
        let mut counts = [0; 4];
        for number in 0..400 {
            counts[home(&shares(webhook(number), &limits(1), false, &nodes))] += 1;
        }
        assert!(
            counts.iter().all(|count| (60..=140).contains(count)),
            "{counts:?}"
        );
    }

    proptest! {
        #[test]
        fn the_parts_of_all_nodes_are_the_whole_concurrency(
            number: u16,
            concurrency in 1usize..256,
            nodes in prop::collection::btree_set(any::<i64>(), 2..12),
        ) {
            let nodes: Vec<i64> = nodes.into_iter().collect();
            let of = limits(concurrency);
            let sum: usize = shares(webhook(number), &of, false, &nodes).iter().map(|share| share.limit(concurrency)).sum();
            prop_assert_eq!(sum, concurrency);
        }

        #[test]
        fn when_a_node_goes_only_what_was_its_own_moves(
            number: u16,
            nodes in prop::collection::btree_set(any::<i64>(), 3..12),
            gone: prop::sample::Index,
        ) {
            let nodes: Vec<i64> = nodes.into_iter().collect();
            let of = limits(1);
            let gone = *gone.get(&nodes);
            let left: Vec<i64> = nodes.iter().copied().filter(|node| *node != gone).collect();
            let before = nodes[home(&shares(webhook(number), &of, false, &nodes))];
            let after = left[home(&shares(webhook(number), &of, false, &left))];
            prop_assert!(before == gone || before == after);
        }
    }
}
