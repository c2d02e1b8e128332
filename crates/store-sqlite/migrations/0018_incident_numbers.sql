-- The short number of each incident. Rows are only appended and never deleted, so that no number comes twice; a table of its
-- own, because a column would have every row of old written anew.
CREATE TABLE incident_numbers (
    number       INTEGER PRIMARY KEY CHECK (number >= 1),
    incident_id  BLOB NOT NULL UNIQUE CHECK (length(incident_id) = 16)
) STRICT;

-- In the order in which they were made.
INSERT INTO incident_numbers (incident_id) SELECT id FROM incidents ORDER BY id;
