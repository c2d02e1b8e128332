-- Passkeys: the public keys that people sign in by.

CREATE TABLE passkeys (
    id             BYTEA PRIMARY KEY,
    user_id        BYTEA NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name           TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    credential_id  BYTEA NOT NULL UNIQUE CHECK (length(credential_id) BETWEEN 1 AND 1023),
    public_key     BYTEA NOT NULL CHECK (length(public_key) BETWEEN 1 AND 2048),
    sign_count     BIGINT NOT NULL CHECK (sign_count BETWEEN 0 AND 4294967295),  -- a copy's goes back
    created_at     BIGINT NOT NULL,
    last_used_at   BIGINT
);

CREATE INDEX passkeys_user ON passkeys (user_id);
