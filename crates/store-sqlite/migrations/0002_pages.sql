-- Pages: people who sign in, inboxes, activity over time.

-- argon2id in the PHC string format; nobody can sign in without.
ALTER TABLE users ADD COLUMN password TEXT CHECK (length(password) >= 1);

-- Not unique: version 1 let in addresses that differ in case alone.
CREATE INDEX users_email_nocase ON users (email COLLATE NOCASE);

CREATE TABLE sign_in_links (
    hash        BLOB PRIMARY KEY CHECK (length(hash) = 32),
    user_id     BLOB NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    expires_at  INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE sessions (
    id            BLOB PRIMARY KEY CHECK (length(id) = 16),
    user_id       BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash          BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at    INTEGER NOT NULL,
    last_seen_at  INTEGER NOT NULL,
    address       TEXT NOT NULL,
    agent         TEXT NOT NULL
) WITHOUT ROWID, STRICT;

CREATE INDEX sessions_user ON sessions (user_id, last_seen_at);

CREATE TABLE inboxes (
    id               BLOB PRIMARY KEY CHECK (length(id) = 16),
    name             TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    answer_status    INTEGER NOT NULL CHECK (answer_status BETWEEN 200 AND 599),
    answer_delay_ms  INTEGER NOT NULL CHECK (answer_delay_ms BETWEEN 0 AND 30000),
    secret           BLOB,                     -- sealed
    created_at       INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE inbox_requests (
    inbox_id         BLOB NOT NULL REFERENCES inboxes (id) ON DELETE CASCADE,
    id               BLOB NOT NULL CHECK (length(id) = 16),
    at               INTEGER NOT NULL,
    method           TEXT NOT NULL,
    target           TEXT NOT NULL,
    remote_address   TEXT NOT NULL,
    head             TEXT NOT NULL,
    body             BLOB NOT NULL CHECK (length(body) <= 65536),
    body_truncated   INTEGER NOT NULL CHECK (body_truncated IN (0, 1)),
    answered_status  INTEGER NOT NULL CHECK (answered_status BETWEEN 100 AND 599),
    PRIMARY KEY (inbox_id, id)
) WITHOUT ROWID, STRICT;

-- The period comes first: all webhooks of some periods are read, and pruned, as one piece.
CREATE TABLE activity (
    period_at       INTEGER NOT NULL,
    webhook_id      BLOB NOT NULL REFERENCES webhooks (id),
    delivered       INTEGER NOT NULL CHECK (delivered >= 0),
    retried         INTEGER NOT NULL CHECK (retried >= 0),
    dead            INTEGER NOT NULL CHECK (dead >= 0),
    attempt_times   BLOB NOT NULL,             -- a histogram: 32-bit counts, little-endian, trailing zeros left out
    delivery_times  BLOB NOT NULL,             -- the same
    PRIMARY KEY (period_at, webhook_id)
) WITHOUT ROWID, STRICT;

-- Holds all that grouping the dead by cause reads, so that it never visits the deliveries themselves.
CREATE INDEX deliveries_dead_causes ON deliveries (webhook_id, id, is_test, last_failure, created_at)
    WHERE state = 'dead';
