-- When budgets (failed sign-ins of an account, of an address, …) are full again. One that is full needs no row.
CREATE TABLE budgets (
    subject     BLOB PRIMARY KEY CHECK (length(subject) = 32),
    full_at_us  INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

CREATE INDEX budgets_full_at ON budgets (full_at_us);
