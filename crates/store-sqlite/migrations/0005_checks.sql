-- For checking: what an event was when it was accepted, and a row to try writing with.

ALTER TABLE events ADD COLUMN digest BLOB CHECK (digest IS NULL OR length(digest) = 16);

-- At most one row, replaced by each probe.
CREATE TABLE probes (
    id      INTEGER PRIMARY KEY,
    filler  BLOB NOT NULL
) STRICT;
