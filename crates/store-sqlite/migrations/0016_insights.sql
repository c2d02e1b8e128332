-- Insights: what is counted of incidents. A change is written with the event that makes it, and folded into its day later.
CREATE TABLE insight_changes (
    id          BLOB NOT NULL CHECK (length(id) = 16),  -- of the event, or of the entry in the audit log
    part        INTEGER NOT NULL,
    at          INTEGER NOT NULL,                       -- when the incident was opened, or the escalation happened
    service_id  BLOB NOT NULL CHECK (length(service_id) = 16),
    measure     TEXT NOT NULL,
    took_ms     INTEGER NOT NULL CHECK (took_ms >= 0),
    count       INTEGER NOT NULL,                       -- 1, or -1 for what does not hold any more
    PRIMARY KEY (id, part)
) WITHOUT ROWID, STRICT;

CREATE INDEX insight_changes_at ON insight_changes (at);

-- No foreign key: a service with incidents cannot be deleted.
CREATE TABLE insight_days (
    day_at      INTEGER NOT NULL,
    service_id  BLOB NOT NULL CHECK (length(service_id) = 16),
    counts      BLOB NOT NULL,                          -- cells: quarter of an hour, kind, bin, 32-bit count
    PRIMARY KEY (day_at, service_id)
) WITHOUT ROWID, STRICT;

-- What happened before this was counted.
INSERT INTO insight_changes (id, part, at, service_id, measure, took_ms, count)
    SELECT id, 0, created_at, service_id, severity, 0, 1 FROM incidents;
INSERT INTO insight_changes (id, part, at, service_id, measure, took_ms, count)
    SELECT id, 1, created_at, service_id, 'acknowledged', max(acknowledged_at - created_at, 0), 1
    FROM incidents WHERE acknowledged_at IS NOT NULL;
INSERT INTO insight_changes (id, part, at, service_id, measure, took_ms, count)
    SELECT id, 2, created_at, service_id, 'resolved', max(resolved_at - created_at, 0), 1
    FROM incidents WHERE resolved_at IS NOT NULL;
INSERT INTO insight_changes (id, part, at, service_id, measure, took_ms, count)
    SELECT e.id, 0, e.at, i.service_id, 'escalated', 0, 1
    FROM events e CROSS JOIN incidents i ON i.id = e.incident_id
    WHERE e.name = 'incident.escalated' AND e.is_test = 0;
