-- Operational events: which one an event is, which ones a webhook wants, and the notices of which events are made. To older
-- programs an operational event is the transition that it is shown as, of an incident that they do not know.

ALTER TABLE events ADD COLUMN operational TEXT;
ALTER TABLE webhooks ADD COLUMN operational_events BIGINT NOT NULL DEFAULT 0;

-- What is to be told of a subject (a webhook, a source). Of `delivery.dead` there is one row for each subject, which counts.
CREATE TABLE operational_notices (
    id            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 40),
    subject       BYTEA NOT NULL CHECK (length(subject) = 16),
    subject_id    TEXT NOT NULL,
    subject_name  TEXT NOT NULL,
    reason        TEXT,
    detail        TEXT,
    count         BIGINT NOT NULL CHECK (count >= 0),
    at            BIGINT NOT NULL,
    due_at        BIGINT NOT NULL
);

CREATE UNIQUE INDEX operational_notices_dead ON operational_notices (subject) WHERE name = 'delivery.dead';
CREATE INDEX operational_notices_due ON operational_notices (due_at);

-- Canaries: a test every so many hours, when the next one is due, and what the last one came to.
ALTER TABLE webhooks ADD COLUMN canary_hours BIGINT;
ALTER TABLE webhooks ADD COLUMN canary_due_at BIGINT;
ALTER TABLE webhooks ADD COLUMN canary_at BIGINT;
ALTER TABLE webhooks ADD COLUMN canary_delivery BYTEA;
ALTER TABLE webhooks ADD COLUMN canary_failure TEXT;
