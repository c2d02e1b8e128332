-- Where alerts come from. The last columns say how many new alerts came lately, and the storm that they are counted into.
CREATE TABLE sources (
    id                 BYTEA PRIMARY KEY CHECK (length(id) = 16),
    service_id         BYTEA NOT NULL REFERENCES services (id),
    kind               TEXT NOT NULL,
    name               TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    key                BYTEA NOT NULL,            -- sealed
    key_hash           BYTEA NOT NULL UNIQUE CHECK (length(key_hash) = 32),
    secret             BYTEA,                     -- sealed
    options            TEXT NOT NULL,            -- JSON
    storm_max_alerts   BIGINT NOT NULL CHECK (storm_max_alerts >= 1),
    storm_window_ms    BIGINT NOT NULL CHECK (storm_window_ms > 0),
    flap_max_changes   BIGINT NOT NULL CHECK (flap_max_changes >= 1),
    flap_window_ms     BIGINT NOT NULL CHECK (flap_window_ms > 0),
    silent_after_ms    BIGINT CHECK (silent_after_ms > 0),
    is_enabled         BOOLEAN NOT NULL,
    created_at         BIGINT NOT NULL,
    last_request_at    BIGINT,
    silence_told_at    BIGINT,
    window_at          BIGINT,
    window_count       BIGINT NOT NULL DEFAULT 0,
    storm_until        BIGINT,
    storm_incident_id  BYTEA REFERENCES incidents (id),
    storm_count        BIGINT NOT NULL DEFAULT 0,
    storm_titles       TEXT NOT NULL DEFAULT '[]' -- JSON
);

CREATE INDEX sources_service ON sources (service_id);

CREATE TABLE source_alerts (
    source_id    BYTEA NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    key          TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    title        TEXT NOT NULL,
    severity     TEXT NOT NULL,
    incident_id  BYTEA NOT NULL REFERENCES incidents (id),
    is_in_storm  BOOLEAN NOT NULL,
    is_firing    BOOLEAN NOT NULL,
    count        BIGINT NOT NULL CHECK (count >= 1),
    first_at     BIGINT NOT NULL,
    last_at      BIGINT NOT NULL,
    changes      BIGINT NOT NULL,
    changes_at   BIGINT NOT NULL,
    is_flapping  BOOLEAN NOT NULL,
    resolve_at   BIGINT,
    PRIMARY KEY (source_id, key)
);

CREATE INDEX source_alerts_incident ON source_alerts (incident_id, is_firing);
CREATE INDEX source_alerts_last ON source_alerts (source_id, last_at);
CREATE INDEX source_alerts_old ON source_alerts (last_at);
CREATE INDEX source_alerts_due ON source_alerts (resolve_at) WHERE resolve_at IS NOT NULL;

CREATE TABLE source_requests (
    source_id       BYTEA NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    id              BYTEA NOT NULL CHECK (length(id) = 16),
    at              BIGINT NOT NULL,
    method          TEXT NOT NULL,
    path            TEXT NOT NULL,
    remote_address  TEXT NOT NULL,
    body            BYTEA NOT NULL CHECK (length(body) <= 16384),
    body_truncated  BOOLEAN NOT NULL,
    status          BIGINT NOT NULL CHECK (status BETWEEN 100 AND 599),
    result          TEXT NOT NULL,               -- JSON
    PRIMARY KEY (source_id, id)
);
