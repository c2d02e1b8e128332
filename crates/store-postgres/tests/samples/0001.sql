-- What SQLite's samples hold at the same schema: two people, an incident with all of its events, a webhook with what became of them;
-- a chat that queues what it takes; tickets' links in every state.
INSERT INTO policies (id, name, created_at)
VALUES (id(5), 'on call', 1);
INSERT INTO users (id, name, email, role, created_at)
VALUES (id(1), 'Ada', 'ada@example.org', 'viewer', 1),
       (id(2), 'Other', 'ADA@example.org', 'admin', 2);
INSERT INTO policy_steps (policy_id, position, wait_minutes, assignee_id)
VALUES (id(5), 0, 5, id(1));
INSERT INTO services (id, name, policy_id, created_at)
VALUES (id(6), 'API', id(5), 1);
INSERT INTO incidents (id, title, status, severity, service_id, assignee_id, dedup_key, created_at, updated_at)
VALUES (id(7), 'broken', 'triggered', 'critical', id(6), id(1), 'disk', 1, 1),
       (id(8), 'slow', 'acknowledged', 'info', id(6), NULL, NULL, 1, 1),
       (id(50), 'a ticket''s', 'triggered', 'info', id(6), NULL, NULL, 1, 1),
       (id(51), 'a ticket''s', 'triggered', 'info', id(6), NULL, NULL, 1, 1),
       (id(52), 'a ticket''s', 'triggered', 'info', id(6), NULL, NULL, 1, 1),
       (id(53), 'a ticket''s', 'triggered', 'info', id(6), NULL, NULL, 1, 1),
       (id(54), 'a ticket''s', 'triggered', 'info', id(6), NULL, NULL, 1, 1);
INSERT INTO events (sequence, id, incident_id, name, at, actor, body)
VALUES (1, id(11), id(7), 'incident.triggered', 1, 'system', '\x7b7d'),
       (2, id(12), id(7), 'incident.escalated', 2, 'system', '\x7b7d'),
       (3, id(13), id(8), 'incident.acknowledged', 1, 'system', '\x7b7d'),
       (9, id(59), id(50), 'incident.escalated', 1, 'system', '\x7b7d');
INSERT INTO webhooks (id, name, kind, url, events, services, severities, retry_schedule, timeout_ms, concurrency, ordering,
    when_disabled, secret, header_names, created_at, updated_at)
VALUES (id(3), 'old', 'generic', 'https://example.com/', 31, '', '', '60000', 10000, 16, 'incident', 'hold', '\x00', '[]', 1,
            1),
       (id(33), 'chat', 'teams', 'https://example.com/', 5, '', 'critical', '', 10000, 16, 'none', 'drop', '\x00', '[]', 1,
            1);
INSERT INTO ledger (webhook_id, accepted)
VALUES (id(3), 2),
       (id(33), 3);
INSERT INTO deliveries (id, webhook_id, incident_id, event_sequence, state, due_at, attempts_made, created_at, finished_at,
    last_failure, progress, steps)
VALUES (id(4), id(3), id(7), 1, 'dead', 1, 2, 1, 2, 'server_error', NULL, 0),
       (id(9), id(3), id(7), 2, 'delivered', 2, 1, 2, 3, NULL, NULL, 0),
       (id(34), id(33), id(7), 1, 'delivered', 1, 2, 1, 2, NULL, NULL, 0),
       (id(44), id(33), id(8), 3, 'delivered', 1, 2, 1, 2, NULL, NULL, 1),
       (id(60), id(33), id(50), 9, 'scheduled', 1, 0, 1, NULL, NULL, '{"version":1,"noted":["evt_9"],"user":null}', 0);
INSERT INTO attempts (delivery_id, id, number, started_at, outcome, failure, failure_detail, retry_after_ms, status,
    total_us, request_head, response_head, response_body, response_body_truncated, remedy, request_body, note)
VALUES (id(4), id(1), 1, 1, 'failed', 'server_error', 'answered 500', NULL, NULL, 9, '', '', '\x', FALSE, NULL, NULL, NULL),
       (id(4), id(2), 2, 1, 'gone', 'gone', 'answered 410', NULL, NULL, 9, '', '', '\x6f68', TRUE, NULL, NULL, NULL),
       (id(9), id(3), 1, 2, 'delivered', NULL, NULL, NULL, NULL, 9, '', '', '\x', FALSE, NULL, NULL, NULL),
       (id(34), id(1), 1, 1, 'failed', 'rate_limited', 'answered 429', 2000, NULL, 9, '', '', '\x', FALSE, 'wait', '\x7b7d',
            NULL),
       (id(34), id(2), 2, 1, 'accepted', NULL, NULL, NULL, NULL, 9, 'POST / HTTP/1.1', 'HTTP/1.1 202 Accepted', '\x6f6b',
            FALSE, NULL, '\x7b7d', NULL),
       (id(44), id(1), 1, 1, 'step', NULL, NULL, NULL, 200, 9, '', '', '\x', FALSE, NULL, NULL, 'look for it'),
       (id(44), id(2), 2, 1, 'delivered', NULL, NULL, NULL, 201, 9, '', '', '\x', FALSE, NULL, NULL, 'make it');
INSERT INTO memories (webhook_id, incident_id, memory, event_sequence, updated_at)
VALUES (id(33), id(50), '{"ticket":"50","assignee":"usr_1","event":"evt_1"}', 3, 2);
INSERT INTO ticket_links (webhook_id, incident_id, state, ticket_id, generation, version, event_sequence, comments_until,
    next_poll_at, poll_failures, duplicate_checks, created_at, updated_at)
VALUES (id(33), id(8),
            '{"version":1,"link":"linked","ticket":{"id":"1","key":"OPS-1","url":"https://example.com/OPS-1","phase":"in_progress","status":"Doing"},"seen":"new","creates":0,"is_asked":false,"workflow":{"version":1,"deliveries":[]}}',
            '1', 1, 1, 0, 0, NULL, 0, 0, 1, 1),
       (id(33), id(50),
            '{"version":1,"link":"linked","ticket":{"id":"50","key":"OPS-50","url":"https://example.com/OPS-50","phase":"in_progress","status":"Do\"ing"},"seen":"new","creates":2,"is_asked":true,"workflow":{"version":1,"told":{"ticket":"50","assignee":"usr_1","event":"evt_1"},"deliveries":[{"event":9,"state":{"version":1,"noted":["evt_9"],"user":null}}]}}',
            '50', 1, 7, 3, 5, 6, 0, 0, 1, 2),
       (id(33), id(51),
            '{"version":1,"link":"intended","intended_at":77,"hinted":"51","creates":1,"is_asked":false,"workflow":{"version":1,"deliveries":[]}}',
            NULL, 1, 1, 0, 5, NULL, 0, 0, 1, 2),
       (id(33), id(52), '{"version":1,"link":"wanted","creates":0,"is_asked":true,"workflow":{"version":1,"deliveries":[]}}',
            NULL, 1, 1, 0, 5, NULL, 0, 0, 1, 2),
       (id(33), id(53), '{"version":1,"creates":1,"is_asked":false,"workflow":{"version":1,"deliveries":[]}}', NULL, 1, 1, 0,
            5, NULL, 0, 0, 1, 2),
       (id(33), id(54),
            '{"version":1,"link":"unlinked","creates":0,"is_asked":false,"workflow":{"version":1,"deliveries":[]}}', NULL, 2,
            3, 0, 5, NULL, 0, 0, 1, 2);
