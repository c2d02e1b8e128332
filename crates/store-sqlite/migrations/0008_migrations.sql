-- What was applied: the SHA-256 of each migration's text. Before, only the number of the last one was known.
CREATE TABLE migrations (
    number  INTEGER PRIMARY KEY,
    hash    BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
