-- People: who they are at an OpenID provider.

CREATE TABLE identities (
    issuer        TEXT NOT NULL CHECK (length(issuer) BETWEEN 1 AND 255),
    subject       TEXT NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    user_id       BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at    INTEGER NOT NULL,
    last_used_at  INTEGER,
    PRIMARY KEY (issuer, subject)
) WITHOUT ROWID, STRICT;

CREATE INDEX identities_user ON identities (user_id);
