-- Its sender said last that the alert is over, and its incident waits; when it began to fire, as its sender says.
ALTER TABLE source_alerts ADD COLUMN is_quiet INTEGER NOT NULL DEFAULT 0 CHECK (is_quiet IN (0, 1));
ALTER TABLE source_alerts ADD COLUMN started_at INTEGER;
