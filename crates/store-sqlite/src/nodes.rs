//! The lease of this run, and freeing what an earlier one had in hand. A database has one node at a time: it leads, and no
//! other takes its claims while it waits, however long.

use std::time::Duration;

use model::time::Timestamp;
use store::StoreResult;
use store::queue::Membership;

use super::claims::{self, Wakes};
use super::statements::{execute, read_all};
use super::writer::WriteContext;

/// How long a lease is said to hold: for whoever looks at the database beside the server.
const LEASE: Duration = Duration::from_secs(60);

/// Renews this node's lease.
pub fn heartbeat(context: &mut WriteContext<'_>, now: Timestamp) -> StoreResult<Membership> {
    execute(
        context.connection,
        "INSERT INTO nodes (id, lease_until) VALUES (?1, ?2)
         ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until",
        (context.node, now.plus(LEASE).as_millis()),
    )?;
    Ok(Membership {
        own: context.node,
        nodes: vec![context.node],
        is_leader: true,
        shared: None,
    })
}

/// Frees the claims of other nodes without a lease, and forgets those nodes. Says how many claims. A lease that runs for
/// longer than any is given was written before the clock was set back: its node is as good as gone.
pub fn rescue(context: &mut WriteContext<'_>, now: Timestamp) -> StoreResult<u64> {
    // Twice, for the sake of nodes whose clocks differ a little.
    let longest = now.plus(2 * LEASE);
    let mut wakes = Wakes::default();
    let mut count = 0;
    for webhook_id in claims::all_webhooks(context.connection)? {
        let rescued = read_all(
            context.connection,
            "UPDATE deliveries INDEXED BY deliveries_open SET state = 'scheduled', node = NULL, claim = NULL
             WHERE webhook_id = ?1 AND state = 'claimed' AND finished_at IS NULL
               AND node <> ?2
               AND NOT EXISTS (SELECT 1 FROM nodes
                               WHERE nodes.id = deliveries.node AND nodes.lease_until BETWEEN ?3 AND ?4)
             RETURNING webhook_id, due_at",
            (
                webhook_id.as_bytes(),
                context.node,
                now.as_millis(),
                longest.as_millis(),
            ),
            claims::webhook_and_due_at,
        )?;
        count += rescued.len() as u64;
        let earliest = rescued.into_iter().map(|(_, due_at)| due_at).min();
        if let Some(due_at) = earliest
            && claims::is_enabled(context, webhook_id)?
        {
            wakes.add(webhook_id, due_at);
        }
    }
    execute(
        context.connection,
        "DELETE FROM nodes WHERE id <> ?1 AND lease_until NOT BETWEEN ?2 AND ?3",
        (context.node, now.as_millis(), longest.as_millis()),
    )?;
    wakes.send_after_commit(context);
    Ok(count)
}
