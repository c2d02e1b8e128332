-- A node that is about to stop serves no webhook that others can serve. Its heartbeats are counted from 1 whenever its lease
-- had run out.
ALTER TABLE nodes ADD COLUMN is_leaving BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE nodes ADD COLUMN beats BIGINT NOT NULL DEFAULT 1;

-- Who does what is done once for all nodes.
CREATE TABLE leader (
    id           BIGINT PRIMARY KEY CHECK (id = 1),
    node         BIGINT NOT NULL,
    lease_until  BIGINT NOT NULL,
    term         BIGINT NOT NULL
);

INSERT INTO leader (id, node, lease_until, term) VALUES (1, 0, 0, 0);
