-- What a delivery costs, by measurement (`opsknight bench --database`): references that are checked row by row, rows that
-- several nodes wait for, an index that another one contains, and how the busiest tables are vacuumed.

-- Nobody deletes a webhook's row, and whoever writes an attempt has locked its delivery: these references hold without a
-- look at, and a lock of, the row for each delivery and each attempt.
ALTER TABLE deliveries DROP CONSTRAINT deliveries_webhook_id_fkey;
ALTER TABLE attempts DROP CONSTRAINT attempts_delivery_id_fkey;

-- Its columns are the first of `deliveries_dead_causes`, under the same condition.
DROP INDEX deliveries_dead;

-- Anew whenever something of any webhook changes, whoever changes it: a node that knows this mark need not read the
-- webhooks again to know who wants an event. Never the same twice, not even after a change that was undone.
CREATE TABLE webhook_changes (
    id    BIGINT PRIMARY KEY CHECK (id = 1),
    mark  BYTEA NOT NULL
) WITH (fillfactor = 10);

INSERT INTO webhook_changes (id, mark) VALUES (1, uuid_send(gen_random_uuid()));

CREATE FUNCTION mark_webhook_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE webhook_changes SET mark = uuid_send(gen_random_uuid());
    RETURN NULL;
END $$;

-- Not for what nobody decides by, such as when a platform last called.
CREATE TRIGGER webhooks_changed
    AFTER INSERT OR DELETE OR UPDATE OF updated_at, disabled_since, degraded_since, deleted_at ON webhooks
    FOR EACH STATEMENT EXECUTE FUNCTION mark_webhook_change();

-- Each run of a node counts into rows of its own, so that no node waits for another; readers add them up. What is counted
-- by nodes of an earlier version is in `activity`, and is added too.
CREATE TABLE activity_of_nodes (
    period_at       BIGINT NOT NULL,
    webhook_id      BYTEA NOT NULL,
    node            BIGINT NOT NULL,
    delivered       BIGINT NOT NULL CHECK (delivered >= 0),
    retried         BIGINT NOT NULL CHECK (retried >= 0),
    dead            BIGINT NOT NULL CHECK (dead >= 0),
    attempt_times   BYTEA NOT NULL,
    delivery_times  BYTEA NOT NULL,
    PRIMARY KEY (period_at, webhook_id, node)
) WITH (fillfactor = 50);

-- Rows that every batch changes, in columns that no index has: with room on their page the new version stays beside the old
-- one (HOT), the old one goes when the page is read next, and no index hears of it.
ALTER TABLE ledger SET (fillfactor = 20);
ALTER TABLE nodes SET (fillfactor = 20);

-- A delivery changes once or twice, and its open indexes change with it: never HOT, so room on its page would buy nothing.
-- Its dead versions are one for each delivery: by the default of a fifth, a table of ten million would carry two million
-- before anybody cleans up. Open deliveries must be found on few pages, so it is cleaned early and without long pauses.
ALTER TABLE deliveries SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000,
    autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 10000, autovacuum_vacuum_cost_delay = 1);
-- Only ever inserted, and read by id: what vacuum has to do is to mark pages as seen by all, before the wrap-around does it
-- for everything at once.
ALTER TABLE events SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
-- Small tables of which rows come and go all the time: by number of rows, as a fifth of few is soon reached but scanned
-- whole by everybody meanwhile.
ALTER TABLE receipts SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE ledger SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE activity_of_nodes SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- Attempts are most of the bytes. They lie in partitions of a day of their deliveries' ids, whose first 48 bits are
-- milliseconds: old ones are dropped whole instead of row by row, and vacuum has nothing to do there. The deliveries stay in
-- one table: they are small, and lanes, claims and lists would have to look into every partition
-- (docs/decisions/0024-attempts-in-partitions.md). What is there already becomes the first partition as it is; the rest is
-- made ahead by whoever prunes (`attempt_partitions.rs`).
ALTER TABLE attempts RENAME TO attempts_before;
ALTER INDEX attempts_pkey RENAME TO attempts_before_pkey;
CREATE TABLE attempts (LIKE attempts_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (delivery_id, id))
    PARTITION BY RANGE (delivery_id);

CREATE TABLE attempt_partitions (
    name      TEXT PRIMARY KEY,
    from_at   BIGINT NOT NULL,
    until_at  BIGINT NOT NULL,
    CHECK (from_at < until_at)
);

DO $$
DECLARE
    day     CONSTANT BIGINT := 24 * 3600 * 1000;
    latest  BYTEA := (SELECT substring(delivery_id FROM 1 FOR 6) FROM attempts_before ORDER BY delivery_id DESC LIMIT 1);
    now_at  BIGINT := floor(extract(epoch FROM now()) * 1000);
    until   BIGINT;
BEGIN
    -- Clocks may differ, and there is a day to make the next ones.
    until := (greatest(now_at, ('x' || lpad(encode(latest, 'hex'), 16, '0'))::bit(64)::bigint) / day + 2) * day;
    EXECUTE format('ALTER TABLE attempts ATTACH PARTITION attempts_before FOR VALUES FROM (MINVALUE) TO (%L)',
        decode(lpad(to_hex(until), 12, '0') || repeat('0', 20), 'hex'));
    INSERT INTO attempt_partitions (name, from_at, until_at) VALUES ('attempts_before', 0, until);
END $$;

-- What lies in no partition: of times for which none was made, and what outlived its own.
CREATE TABLE attempts_elsewhere PARTITION OF attempts DEFAULT;
