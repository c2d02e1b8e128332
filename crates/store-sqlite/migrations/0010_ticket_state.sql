-- What is known of a ticket is one JSON text: the link, and what its workflow keeps, which lay in `memories` (what the ticket was
-- told) and in the deliveries' `progress`. Those stay, for kinds that post messages. The columns after it are what links are
-- found and read again by.
CREATE TABLE links_with_state (
    webhook_id        BLOB NOT NULL REFERENCES webhooks (id),
    incident_id       BLOB NOT NULL REFERENCES incidents (id),
    state             TEXT NOT NULL CHECK (json_valid(state)),
    ticket_id         TEXT,                    -- as in the state
    generation        INTEGER NOT NULL CHECK (generation >= 1),
    version           INTEGER NOT NULL,        -- moves whenever we write to the ticket or change the link
    event_sequence    INTEGER NOT NULL,
    last_synced_at    INTEGER,
    last_error        TEXT,
    comments_until    INTEGER NOT NULL,
    next_poll_at      INTEGER,                 -- when the ticket is read next
    poll_failures     INTEGER NOT NULL,
    duplicate_checks  INTEGER NOT NULL,        -- how often duplicates were looked for
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    PRIMARY KEY (webhook_id, incident_id)
) WITHOUT ROWID, STRICT;

INSERT INTO links_with_state
SELECT l.webhook_id, l.incident_id,
    json_patch('{}', json_object(
        'version', 1,
        'link', iif(l.state = 'absent', NULL, l.state),
        'ticket', json(iif(l.state = 'linked', json_object('id', l.ticket_id, 'key', l.ticket_key, 'url', l.ticket_url,
                                                      'phase', l.phase, 'status', l.status), NULL)),
        'intended_at', l.intended_at,
        'hinted', l.hinted,
        'seen', l.seen,
        'creates', l.creates,
        'is_asked', json(iif(l.is_asked, 'true', 'false')),
        'workflow', json_object(
            'version', 1,
            'told', json((SELECT m.memory FROM memories m
                     WHERE m.webhook_id = l.webhook_id AND m.incident_id = l.incident_id AND json_valid(m.memory))),
            'deliveries', json((SELECT json_group_array(json_object('event', d.event_sequence, 'state', json(d.progress))
                                                   ORDER BY d.event_sequence DESC)
                           FROM deliveries d INDEXED BY deliveries_lane
                           WHERE d.webhook_id = l.webhook_id AND d.incident_id = l.incident_id AND d.is_test = 0
                               AND json_valid(d.progress)))))),
    l.ticket_id, l.generation, l.version, l.event_sequence, l.last_synced_at, l.last_error, l.comments_until, l.look_at,
    l.look_failures, l.sweeps, l.created_at, l.updated_at
FROM ticket_links l;

DROP TABLE ticket_links;
ALTER TABLE links_with_state RENAME TO ticket_links;
CREATE UNIQUE INDEX ticket_links_ticket ON ticket_links (webhook_id, ticket_id) WHERE ticket_id IS NOT NULL;
CREATE INDEX ticket_links_incident ON ticket_links (incident_id);
CREATE INDEX ticket_links_next_poll ON ticket_links (next_poll_at) WHERE next_poll_at IS NOT NULL;

-- When the platform last called us for a webhook, with a proof that was believed.
ALTER TABLE webhooks ADD COLUMN last_call_at INTEGER;
