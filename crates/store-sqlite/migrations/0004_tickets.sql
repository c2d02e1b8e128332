-- Tickets: which ticket belongs to an incident, several requests for one delivery, what each was for.

ALTER TABLE deliveries ADD COLUMN steps INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN note TEXT;

-- One incident and its ticket at one webhook. `version` moves whenever we write to the ticket or change the row.
CREATE TABLE ticket_links (
    webhook_id      BLOB NOT NULL REFERENCES webhooks (id),
    incident_id     BLOB NOT NULL REFERENCES incidents (id),
    state           TEXT NOT NULL CHECK (state = 'absent' OR state = 'wanted' OR state = 'intended' OR state = 'linked'
                                          OR state = 'unlinked'),
    generation      INTEGER NOT NULL DEFAULT 1 CHECK (generation >= 1),
    version         INTEGER NOT NULL DEFAULT 1,
    event_sequence  INTEGER NOT NULL DEFAULT 0,
    creates         INTEGER NOT NULL DEFAULT 0,
    intended_at     INTEGER,
    hinted          TEXT,
    ticket_id       TEXT,
    ticket_key      TEXT,
    ticket_url      TEXT,
    phase           TEXT CHECK (phase = 'new' OR phase = 'in_progress' OR phase = 'done'),
    status          TEXT,
    seen            TEXT CHECK (seen = 'new' OR seen = 'in_progress' OR seen = 'done'),  -- when both were last in line
    last_synced_at  INTEGER,
    last_error      TEXT,
    comments_until  INTEGER NOT NULL,
    look_at         INTEGER,                   -- when the ticket is read next
    look_failures   INTEGER NOT NULL DEFAULT 0,
    is_asked        INTEGER NOT NULL DEFAULT 0 CHECK (is_asked IN (0, 1)),  -- somebody asked for the ticket by hand
    sweeps          INTEGER NOT NULL DEFAULT 0,  -- how often duplicates were looked for
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    PRIMARY KEY (webhook_id, incident_id),
    CHECK ((state = 'linked') = (ticket_id IS NOT NULL AND ticket_key IS NOT NULL AND ticket_url IS NOT NULL
                                 AND phase IS NOT NULL AND status IS NOT NULL
                                 AND seen IS NOT NULL)),
    CHECK ((state = 'intended') = (intended_at IS NOT NULL))
) WITHOUT ROWID, STRICT;

CREATE UNIQUE INDEX ticket_links_ticket ON ticket_links (webhook_id, ticket_id) WHERE ticket_id IS NOT NULL;
CREATE INDEX ticket_links_incident ON ticket_links (incident_id);
CREATE INDEX ticket_links_look_at ON ticket_links (look_at) WHERE look_at IS NOT NULL;
