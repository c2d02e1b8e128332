-- People: who they are at an OpenID provider, their second factors; when keys were last used, refusals in the audit log;
-- how people want times to be shown.

CREATE TABLE identities (
    issuer        TEXT NOT NULL CHECK (length(issuer) BETWEEN 1 AND 255),
    subject       TEXT NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    user_id       BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at    INTEGER NOT NULL,
    last_used_at  INTEGER,
    PRIMARY KEY (issuer, subject)
) WITHOUT ROWID, STRICT;

CREATE INDEX identities_user ON identities (user_id);

CREATE TABLE second_factors (
    user_id     BLOB PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    secret      BLOB NOT NULL,                 -- sealed
    last_step   INTEGER NOT NULL,              -- a code is good once
    created_at  INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE recovery_codes (
    hash     BLOB PRIMARY KEY CHECK (length(hash) = 32),
    user_id  BLOB NOT NULL REFERENCES second_factors (user_id) ON DELETE CASCADE
) WITHOUT ROWID, STRICT;

CREATE INDEX recovery_codes_user ON recovery_codes (user_id);

-- An older program leaves both as they are.
ALTER TABLE api_keys ADD COLUMN last_used_at INTEGER;

-- How often what is told once an hour happened within it.
ALTER TABLE audit ADD COLUMN times INTEGER NOT NULL DEFAULT 1 CHECK (times >= 1);

-- Without a zone that of the browser; an older program leaves both as they are.
ALTER TABLE users ADD COLUMN time_zone TEXT CHECK (length(time_zone) BETWEEN 1 AND 64);
ALTER TABLE users ADD COLUMN clock TEXT CHECK (length(clock) BETWEEN 1 AND 40);
