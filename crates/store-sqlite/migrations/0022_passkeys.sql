-- Passkeys: the public keys that people sign in by.

CREATE TABLE passkeys (
    id             BLOB PRIMARY KEY,
    user_id        BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name           TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    credential_id  BLOB NOT NULL UNIQUE CHECK (length(credential_id) BETWEEN 1 AND 1023),
    public_key     BLOB NOT NULL CHECK (length(public_key) BETWEEN 1 AND 2048),
    sign_count     INTEGER NOT NULL CHECK (sign_count BETWEEN 0 AND 4294967295),  -- a copy's goes back
    created_at     INTEGER NOT NULL,
    last_used_at   INTEGER
) WITHOUT ROWID, STRICT;

CREATE INDEX passkeys_user ON passkeys (user_id);
