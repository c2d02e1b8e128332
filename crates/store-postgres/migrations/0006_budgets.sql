-- When budgets (failed sign-ins of an account, of an address, requests of a key, …) are full again. One that is full needs
-- no row.
CREATE TABLE budgets (
    subject     BYTEA PRIMARY KEY CHECK (length(subject) = 32),
    full_at_us  BIGINT NOT NULL
);

CREATE INDEX budgets_full_at ON budgets (full_at_us);

-- Moves when a node has committed something that a page may show: other nodes wake theirs.
ALTER TABLE nodes ADD COLUMN progress BIGINT NOT NULL DEFAULT 0;
