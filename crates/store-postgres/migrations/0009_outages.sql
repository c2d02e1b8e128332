-- After an outage: which events a webhook still gets, and which webhook takes over from it.
ALTER TABLE webhooks ADD COLUMN after_outage TEXT NOT NULL DEFAULT 'everything' CHECK (length(after_outage) BETWEEN 1 AND 40);
ALTER TABLE webhooks ADD COLUMN expire_after_ms BIGINT;
ALTER TABLE webhooks ADD COLUMN fallback_id BYTEA;
ALTER TABLE webhooks ADD COLUMN fallback_after_ms BIGINT;
-- Deliveries up to this id were looked at, whether they are late.
ALTER TABLE webhooks ADD COLUMN fallback_seen BYTEA;

-- 'superseded' or 'expired', beside the failure given_up: to what knows nothing of outages it is dead, and not lost.
ALTER TABLE deliveries ADD COLUMN ended_as TEXT;
-- When it was replayed last: it waits since then.
ALTER TABLE deliveries ADD COLUMN replayed_at BIGINT;
-- The delivery that this one took over, and the one that took over from this one.
ALTER TABLE deliveries ADD COLUMN fallback_of BYTEA;
ALTER TABLE deliveries ADD COLUMN taken_over_by BYTEA;
