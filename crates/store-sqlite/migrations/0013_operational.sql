-- Operational events: which one an event is, which ones a webhook wants, and the notices of which events are made.

ALTER TABLE events ADD COLUMN operational TEXT CHECK (length(operational) BETWEEN 1 AND 40);
ALTER TABLE webhooks ADD COLUMN operational_events INTEGER NOT NULL DEFAULT 0 CHECK (operational_events >= 0);

-- What is to be told of a subject (a webhook, a source). Of `delivery.dead` there is one row for each subject, which counts.
CREATE TABLE operational_notices (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 40),
    subject       BLOB NOT NULL CHECK (length(subject) = 16),
    subject_id    TEXT NOT NULL,
    subject_name  TEXT NOT NULL,
    reason        TEXT,
    detail        TEXT,
    count         INTEGER NOT NULL CHECK (count >= 0),
    at            INTEGER NOT NULL,
    due_at        INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX operational_notices_dead ON operational_notices (subject) WHERE name = 'delivery.dead';
CREATE INDEX operational_notices_due ON operational_notices (due_at);

-- Canaries: a test every so many hours, when the next one is due, and what the last one came to.
ALTER TABLE webhooks ADD COLUMN canary_hours INTEGER CHECK (canary_hours BETWEEN 1 AND 168);
ALTER TABLE webhooks ADD COLUMN canary_due_at INTEGER;
ALTER TABLE webhooks ADD COLUMN canary_at INTEGER;
ALTER TABLE webhooks ADD COLUMN canary_delivery BLOB CHECK (length(canary_delivery) = 16);
ALTER TABLE webhooks ADD COLUMN canary_failure TEXT;
