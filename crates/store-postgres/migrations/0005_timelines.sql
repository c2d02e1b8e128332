-- A timeline is PostgreSQL's word for one line of its history: another begins when a replica takes over or a copy is
-- restored. Each is noted here before anything else is done on it, with how far the database had come by then.
CREATE TABLE timelines (
    position         BIGINT PRIMARY KEY,
    name             TEXT NOT NULL UNIQUE,
    last_event       BIGINT NOT NULL,
    accepted         BIGINT NOT NULL,
    lost_events      BIGINT NOT NULL DEFAULT 0 CHECK (lost_events >= 0),
    lost_deliveries  BIGINT NOT NULL DEFAULT 0 CHECK (lost_deliveries >= 0),
    is_loss_known    BOOLEAN NOT NULL DEFAULT FALSE
);

-- The place of the last event that was pruned: the feed has come so far, though nothing is left of it.
ALTER TABLE feed ADD COLUMN pruned_up_to BIGINT NOT NULL DEFAULT 0;
