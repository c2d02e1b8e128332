-- The engine: incidents, events, webhooks, deliveries, attempts.
-- Times are milliseconds since the Unix epoch (UTC). Ids are the 16 bytes of a version 7 UUID.
-- Conditions on more than two values are written with OR: for an IN, SQLite would build a table at each write.

CREATE TABLE policies (
    id          BLOB PRIMARY KEY CHECK (length(id) = 16),
    name        TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),
    created_at  INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE users (
    id          BLOB PRIMARY KEY CHECK (length(id) = 16),
    name        TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    email       TEXT UNIQUE,
    role        TEXT NOT NULL CHECK (role = 'admin' OR role = 'responder' OR role = 'viewer'),
    created_at  INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE policy_steps (
    policy_id     BLOB NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
    position      INTEGER NOT NULL CHECK (position >= 0),
    wait_minutes  INTEGER NOT NULL CHECK (wait_minutes >= 0),
    assignee_id   BLOB REFERENCES users (id),
    PRIMARY KEY (policy_id, position)
) WITHOUT ROWID, STRICT;

CREATE INDEX policy_steps_assignee ON policy_steps (assignee_id) WHERE assignee_id IS NOT NULL;

CREATE TABLE services (
    id           BLOB PRIMARY KEY CHECK (length(id) = 16),
    name         TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),
    description  TEXT,
    policy_id    BLOB REFERENCES policies (id),
    created_at   INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

CREATE INDEX services_policy ON services (policy_id) WHERE policy_id IS NOT NULL;

CREATE TABLE incidents (
    id                      BLOB PRIMARY KEY CHECK (length(id) = 16),
    title                   TEXT NOT NULL CHECK (length(title) >= 1),
    description             TEXT,
    status                  TEXT NOT NULL CHECK (status = 'triggered' OR status = 'acknowledged' OR status = 'resolved'),
    severity                TEXT NOT NULL CHECK (severity = 'critical' OR severity = 'error'
                                                           OR severity = 'warning' OR severity = 'info'),
    service_id              BLOB NOT NULL REFERENCES services (id),
    assignee_id             BLOB REFERENCES users (id),
    dedup_key               TEXT,
    escalation_steps_fired  INTEGER NOT NULL DEFAULT 0 CHECK (escalation_steps_fired >= 0),
    escalate_at             INTEGER CHECK (escalate_at IS NULL OR status = 'triggered'),
    created_at              INTEGER NOT NULL,
    updated_at              INTEGER NOT NULL,
    acknowledged_at         INTEGER,
    resolved_at             INTEGER,
    CHECK ((status = 'resolved') = (resolved_at IS NOT NULL))
) WITHOUT ROWID, STRICT;

CREATE UNIQUE INDEX incidents_open_dedup_key ON incidents (dedup_key)
    WHERE dedup_key IS NOT NULL AND status <> 'resolved';
CREATE INDEX incidents_escalate_at ON incidents (escalate_at) WHERE escalate_at IS NOT NULL;
CREATE INDEX incidents_service ON incidents (service_id, id);
CREATE INDEX incidents_assignee ON incidents (assignee_id) WHERE assignee_id IS NOT NULL;
CREATE INDEX incidents_open ON incidents (id) WHERE status <> 'resolved';

-- The sequence is the place in the feed: handed out in the order of commits, never used twice.
CREATE TABLE events (
    sequence     INTEGER PRIMARY KEY AUTOINCREMENT,
    id           BLOB NOT NULL CHECK (length(id) = 16),
    incident_id  BLOB NOT NULL,
    name         TEXT NOT NULL CHECK (name = 'incident.triggered' OR name = 'incident.acknowledged'
                                            OR name = 'incident.resolved' OR name = 'incident.escalated'
                                            OR name = 'incident.reopened'),
    at           INTEGER NOT NULL,
    actor        TEXT NOT NULL,
    is_test      INTEGER NOT NULL DEFAULT 0 CHECK (is_test IN (0, 1)),
    body         BLOB NOT NULL
) STRICT;

CREATE INDEX events_incident ON events (incident_id, sequence);

CREATE TABLE notes (
    incident_id  BLOB NOT NULL REFERENCES incidents (id),
    id           BLOB NOT NULL CHECK (length(id) = 16),
    at           INTEGER NOT NULL,
    actor        TEXT NOT NULL,
    sentence     TEXT NOT NULL,
    PRIMARY KEY (incident_id, id)
) WITHOUT ROWID, STRICT;

CREATE TABLE webhooks (
    id                     BLOB PRIMARY KEY CHECK (length(id) = 16),
    name                   TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    kind                   TEXT NOT NULL,
    url                    TEXT NOT NULL,
    events                 INTEGER NOT NULL CHECK (events BETWEEN 1 AND 31),
    services               TEXT NOT NULL,     -- ids, separated by spaces
    severities             TEXT NOT NULL,     -- names, separated by spaces
    filter                 TEXT,
    retry_schedule         TEXT NOT NULL,     -- milliseconds, separated by spaces
    timeout_ms             INTEGER NOT NULL CHECK (timeout_ms BETWEEN 1000 AND 30000),
    concurrency            INTEGER NOT NULL CHECK (concurrency BETWEEN 1 AND 256),
    rate                   TEXT,
    ordering               TEXT NOT NULL CHECK (ordering IN ('incident', 'none')),
    when_disabled          TEXT NOT NULL CHECK (when_disabled IN ('hold', 'drop')),
    disabled_since         INTEGER,
    disabled_reason        TEXT,
    degraded_since         INTEGER,
    degraded_code          TEXT,
    secret                 BLOB NOT NULL,     -- sealed
    previous_secret        BLOB,              -- sealed
    previous_secret_until  INTEGER,
    headers                BLOB,              -- sealed JSON: [[name, value], …]
    header_names           TEXT NOT NULL,     -- JSON: [name, …]
    ca_pem                 TEXT,
    identity_pem           BLOB,              -- sealed
    created_at             INTEGER NOT NULL,
    updated_at             INTEGER NOT NULL,
    deleted_at             INTEGER,
    CHECK ((disabled_since IS NULL) = (disabled_reason IS NULL)),
    CHECK ((degraded_since IS NULL) = (degraded_code IS NULL)),
    CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL))
) WITHOUT ROWID, STRICT;

-- Every delivery ever made is counted in the transaction that makes it: the balance of "nothing is lost".
CREATE TABLE ledger (
    webhook_id  BLOB PRIMARY KEY REFERENCES webhooks (id),
    accepted    INTEGER NOT NULL DEFAULT 0,
    pruned      INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID, STRICT;

-- The outbox. 'held' is not a state here: a disabled webhook's open deliveries are held (decision 0005).
CREATE TABLE deliveries (
    id                 BLOB PRIMARY KEY CHECK (length(id) = 16),
    webhook_id         BLOB NOT NULL REFERENCES webhooks (id),
    incident_id        BLOB NOT NULL,
    event_sequence     INTEGER NOT NULL,  -- no foreign key: deleting an event would search all deliveries for it
    state              TEXT NOT NULL CHECK (state = 'scheduled' OR state = 'queued' OR state = 'claimed'
                                                  OR state = 'delivered' OR state = 'dead'),
    due_at             INTEGER NOT NULL,
    node               INTEGER,
    claim              INTEGER,
    attempts_made      INTEGER NOT NULL DEFAULT 0,
    schedule_attempts  INTEGER NOT NULL DEFAULT 0,
    created_at         INTEGER NOT NULL,
    finished_at        INTEGER,
    last_failure       TEXT,
    is_test            INTEGER NOT NULL DEFAULT 0 CHECK (is_test IN (0, 1)),
    CHECK ((state = 'claimed') = (claim IS NOT NULL)),
    CHECK ((claim IS NULL) = (node IS NULL)),
    CHECK ((state IN ('delivered', 'dead')) = (finished_at IS NOT NULL))
) WITHOUT ROWID, STRICT;

-- SQLite uses a partial index only for a query that repeats its condition word for word.
CREATE INDEX deliveries_open ON deliveries (webhook_id, state, due_at)
    WHERE finished_at IS NULL;
CREATE INDEX deliveries_lane ON deliveries (incident_id, webhook_id, event_sequence);
CREATE INDEX deliveries_queued ON deliveries (incident_id, webhook_id, event_sequence) WHERE state = 'queued';
CREATE INDEX deliveries_test ON deliveries (webhook_id, state) WHERE is_test = 1;
CREATE INDEX deliveries_webhook ON deliveries (webhook_id, id);
CREATE INDEX deliveries_dead ON deliveries (webhook_id, id) WHERE state = 'dead';

CREATE TABLE attempts (
    delivery_id              BLOB NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    id                       BLOB NOT NULL CHECK (length(id) = 16),
    number                   INTEGER NOT NULL CHECK (number >= 1),
    started_at               INTEGER NOT NULL,
    outcome                  TEXT NOT NULL CHECK (outcome = 'delivered' OR outcome = 'failed' OR outcome = 'gone'),
    failure                  TEXT,
    failure_detail           TEXT,
    retry_after_ms           INTEGER,
    status                   INTEGER,
    dns_us                   INTEGER,
    connect_us               INTEGER,
    tls_us                   INTEGER,
    first_byte_us            INTEGER,
    total_us                 INTEGER NOT NULL,
    remote_address           TEXT,
    request_head             TEXT NOT NULL,
    response_head            TEXT NOT NULL,
    response_body            BLOB NOT NULL CHECK (length(response_body) <= 16384),
    response_body_truncated  INTEGER NOT NULL CHECK (response_body_truncated IN (0, 1)),
    PRIMARY KEY (delivery_id, id),
    CHECK ((outcome = 'delivered') = (failure IS NULL))
) WITHOUT ROWID, STRICT;

CREATE TABLE nodes (
    id           INTEGER PRIMARY KEY,
    lease_until  INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
    id          BLOB PRIMARY KEY CHECK (length(id) = 16),
    name        TEXT NOT NULL,
    hash        BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    hint        TEXT NOT NULL,
    scopes      INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    revoked_at  INTEGER
) WITHOUT ROWID, STRICT;

CREATE TABLE audit (
    id       BLOB PRIMARY KEY CHECK (length(id) = 16),
    at       INTEGER NOT NULL,
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    subject  TEXT NOT NULL,
    detail   TEXT NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE receipts (
    owner         TEXT NOT NULL,
    key           TEXT NOT NULL,
    request_hash  BLOB NOT NULL CHECK (length(request_hash) = 32),
    node          INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    status        INTEGER,
    answer        BLOB,                        -- sealed
    PRIMARY KEY (owner, key),
    CHECK ((status IS NULL) = (answer IS NULL))
) WITHOUT ROWID, STRICT;

CREATE INDEX receipts_created_at ON receipts (created_at);
