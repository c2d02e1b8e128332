-- Links to receivers' pages: one webhook each, the hash of a token, an end.
CREATE TABLE receiver_links (
    id           BYTEA PRIMARY KEY CHECK (length(id) = 16),
    webhook_id   BYTEA NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    hash         BYTEA NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    revoked_at   BIGINT,
    last_used_at BIGINT
);

CREATE INDEX receiver_links_of_webhook ON receiver_links (webhook_id, id);
