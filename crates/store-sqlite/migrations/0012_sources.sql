-- Where alerts come from. The last columns say how many new alerts came lately, and the storm that they are counted into.
CREATE TABLE sources (
    id                 BLOB PRIMARY KEY CHECK (length(id) = 16),
    service_id         BLOB NOT NULL REFERENCES services (id),
    kind               TEXT NOT NULL,
    name               TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    key                BLOB NOT NULL,            -- sealed
    key_hash           BLOB NOT NULL UNIQUE CHECK (length(key_hash) = 32),
    secret             BLOB,                     -- sealed
    options            TEXT NOT NULL,            -- JSON
    storm_max_alerts   INTEGER NOT NULL CHECK (storm_max_alerts >= 1),
    storm_window_ms    INTEGER NOT NULL CHECK (storm_window_ms > 0),
    flap_max_changes   INTEGER NOT NULL CHECK (flap_max_changes >= 1),
    flap_window_ms     INTEGER NOT NULL CHECK (flap_window_ms > 0),
    silent_after_ms    INTEGER CHECK (silent_after_ms > 0),
    is_enabled         INTEGER NOT NULL CHECK (is_enabled IN (0, 1)),
    created_at         INTEGER NOT NULL,
    last_request_at    INTEGER,
    silence_told_at    INTEGER,
    window_at          INTEGER,
    window_count       INTEGER NOT NULL DEFAULT 0,
    storm_until        INTEGER,
    storm_incident_id  BLOB REFERENCES incidents (id),
    storm_count        INTEGER NOT NULL DEFAULT 0,
    storm_titles       TEXT NOT NULL DEFAULT '[]' -- JSON
) WITHOUT ROWID, STRICT;

CREATE INDEX sources_service ON sources (service_id);

CREATE TABLE source_alerts (
    source_id    BLOB NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    key          TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    title        TEXT NOT NULL,
    severity     TEXT NOT NULL,
    incident_id  BLOB NOT NULL REFERENCES incidents (id),
    is_in_storm  INTEGER NOT NULL CHECK (is_in_storm IN (0, 1)),
    is_firing    INTEGER NOT NULL CHECK (is_firing IN (0, 1)),
    count        INTEGER NOT NULL CHECK (count >= 1),
    first_at     INTEGER NOT NULL,
    last_at      INTEGER NOT NULL,
    changes      INTEGER NOT NULL,
    changes_at   INTEGER NOT NULL,
    is_flapping  INTEGER NOT NULL CHECK (is_flapping IN (0, 1)),
    resolve_at   INTEGER,
    PRIMARY KEY (source_id, key)
) WITHOUT ROWID, STRICT;

CREATE INDEX source_alerts_incident ON source_alerts (incident_id, is_firing);
CREATE INDEX source_alerts_last ON source_alerts (source_id, last_at);
CREATE INDEX source_alerts_old ON source_alerts (last_at);
CREATE INDEX source_alerts_due ON source_alerts (resolve_at) WHERE resolve_at IS NOT NULL;

CREATE TABLE source_requests (
    source_id       BLOB NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    id              BLOB NOT NULL CHECK (length(id) = 16),
    at              INTEGER NOT NULL,
    method          TEXT NOT NULL,
    path            TEXT NOT NULL,
    remote_address  TEXT NOT NULL,
    body            BLOB NOT NULL CHECK (length(body) <= 16384),
    body_truncated  INTEGER NOT NULL CHECK (body_truncated IN (0, 1)),
    status          INTEGER NOT NULL CHECK (status BETWEEN 100 AND 599),
    result          TEXT NOT NULL,               -- JSON
    PRIMARY KEY (source_id, id)
) WITHOUT ROWID, STRICT;
