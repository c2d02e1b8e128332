-- Where the data came from, if they were moved here from another store: the token is kept there too, so that a move that was
-- interrupted goes on where it was, and no other.
CREATE TABLE transfer (
    id           BIGINT PRIMARY KEY CHECK (id = 1),
    token        BYTEA NOT NULL CHECK (length(token) = 16),
    source       TEXT NOT NULL,
    key_check    BYTEA NOT NULL,   -- sealed under the master key of the data
    began_at     BIGINT NOT NULL,
    finished_at  BIGINT
);
