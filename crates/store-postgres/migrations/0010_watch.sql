-- Its sender said last that the alert is over, and its incident waits; when it began to fire, as its sender says.
ALTER TABLE source_alerts ADD COLUMN is_quiet BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE source_alerts ADD COLUMN started_at BIGINT;
