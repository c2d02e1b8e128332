-- Chat: what a kind asks for, messages that live with their incident, what a delivery leaves for its next attempt.

ALTER TABLE webhooks ADD COLUMN options TEXT NOT NULL DEFAULT '{}';  -- JSON: {name: value, …}
ALTER TABLE webhooks ADD COLUMN secret_options BLOB;                 -- sealed JSON: {name: value, …}
ALTER TABLE webhooks ADD COLUMN secret_option_names TEXT NOT NULL DEFAULT '[]';  -- JSON: [name, …]
ALTER TABLE webhooks ADD COLUMN learned TEXT;                        -- the adapter's own words
ALTER TABLE webhooks ADD COLUMN degraded_detail TEXT;

ALTER TABLE deliveries ADD COLUMN follow_ups INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN waited_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN progress TEXT;                     -- the adapter's own words

-- 'accepted' beside the outcome 'delivered'; otherwise what helps against the failure. Empty as long as it is the schedule.
ALTER TABLE attempts ADD COLUMN remedy TEXT;
ALTER TABLE attempts ADD COLUMN request_body BLOB CHECK (length(request_body) <= 65536);

-- What is remembered of an incident's message at one webhook, in the adapter's own words.
CREATE TABLE memories (
    webhook_id   BLOB NOT NULL REFERENCES webhooks (id),
    incident_id  BLOB NOT NULL CHECK (length(incident_id) = 16),
    memory       TEXT NOT NULL CHECK (length(memory) BETWEEN 1 AND 4096),
    event_sequence  INTEGER NOT NULL,  -- of the latest event that the message tells of
    updated_at   INTEGER NOT NULL,
    PRIMARY KEY (webhook_id, incident_id)
) WITHOUT ROWID, STRICT;

CREATE INDEX memories_updated_at ON memories (updated_at);
