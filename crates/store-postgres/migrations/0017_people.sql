-- People: who they are at an OpenID provider.

CREATE TABLE identities (
    issuer        TEXT NOT NULL CHECK (length(issuer) BETWEEN 1 AND 255),
    subject       TEXT NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    user_id       BYTEA NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at    BIGINT NOT NULL,
    last_used_at  BIGINT,
    PRIMARY KEY (issuer, subject)
);

CREATE INDEX identities_user ON identities (user_id);
