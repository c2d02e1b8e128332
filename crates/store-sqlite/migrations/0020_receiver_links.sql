-- Links to receivers' pages: one webhook each, the hash of a token, an end.
CREATE TABLE receiver_links (
    id           BLOB PRIMARY KEY CHECK (length(id) = 16),
    webhook_id   BLOB NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    hash         BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    revoked_at   INTEGER,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX receiver_links_of_webhook ON receiver_links (webhook_id, id);
