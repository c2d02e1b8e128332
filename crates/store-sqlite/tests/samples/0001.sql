-- Two people whose addresses differ in case alone, an incident with all of its events, a webhook with what became of them.
INSERT INTO users VALUES (unhex(printf('%032x', 1)), 'Ada', 'ada@example.org', 'viewer', 1),
                         (unhex(printf('%032x', 2)), 'Other', 'ADA@example.org', 'admin', 2);
INSERT INTO policies VALUES (unhex(printf('%032x', 5)), 'on call', 1);
INSERT INTO policy_steps VALUES (unhex(printf('%032x', 5)), 0, 5, unhex(printf('%032x', 1)));
INSERT INTO services VALUES (unhex(printf('%032x', 6)), 'API', NULL, unhex(printf('%032x', 5)), 1);
INSERT INTO incidents (id, title, status, severity, service_id, assignee_id, dedup_key, created_at, updated_at)
VALUES (unhex(printf('%032x', 7)), 'broken', 'triggered', 'critical', unhex(printf('%032x', 6)),
            unhex(printf('%032x', 1)), 'disk', 1, 1),
       (unhex(printf('%032x', 8)), 'slow', 'acknowledged', 'info', unhex(printf('%032x', 6)), NULL, NULL, 1, 1);
INSERT INTO events (sequence, id, incident_id, name, at, actor, body)
VALUES (1, unhex(printf('%032x', 11)), unhex(printf('%032x', 7)), 'incident.triggered', 1, 'system', x'7b7d'),
       (2, unhex(printf('%032x', 12)), unhex(printf('%032x', 7)), 'incident.escalated', 2, 'system', x'7b7d');
INSERT INTO webhooks (id, name, kind, url, events, services, severities, retry_schedule, timeout_ms,
    concurrency, ordering, when_disabled, secret, header_names, created_at, updated_at)
VALUES (unhex(printf('%032x', 3)), 'old', 'generic', 'https://example.com/', 31, '', '', '60000', 10000,
            16, 'incident', 'hold', x'00', '[]', 1, 1);
INSERT INTO ledger VALUES (unhex(printf('%032x', 3)), 2, 0);
INSERT INTO deliveries (id, webhook_id, incident_id, event_sequence, state, due_at, created_at, finished_at, attempts_made,
    last_failure)
VALUES (unhex(printf('%032x', 4)), unhex(printf('%032x', 3)), unhex(printf('%032x', 7)), 1, 'dead', 1, 1, 2, 2, 'server_error'),
       (unhex(printf('%032x', 9)), unhex(printf('%032x', 3)), unhex(printf('%032x', 7)), 2, 'delivered', 2, 2, 3, 1, NULL);
INSERT INTO attempts (delivery_id, id, number, started_at, outcome, failure, failure_detail, total_us, request_head,
    response_head, response_body, response_body_truncated)
VALUES (unhex(printf('%032x', 4)), unhex(printf('%032x', 1)), 1, 1, 'failed', 'server_error', 'answered 500', 9, '', '', x'', 0),
       (unhex(printf('%032x', 4)), unhex(printf('%032x', 2)), 2, 1, 'gone', 'gone', 'answered 410', 9, '', '', x'6f68', 1),
       (unhex(printf('%032x', 9)), unhex(printf('%032x', 3)), 1, 2, 'delivered', NULL, NULL, 9, '', '', x'', 0);
