-- A chat that queues what it takes, after a wait.
INSERT INTO webhooks (id, name, kind, url, events, services, severities, retry_schedule, timeout_ms,
    concurrency, ordering, when_disabled, secret, header_names, created_at, updated_at, options)
VALUES (unhex(printf('%032x', 33)), 'chat', 'teams', 'https://example.com/', 5, '', 'critical', '', 10000,
            16, 'none', 'drop', x'00', '[]', 1, 1, '{}');
INSERT INTO ledger VALUES (unhex(printf('%032x', 33)), 1, 0);
INSERT INTO deliveries (id, webhook_id, incident_id, event_sequence, state, due_at, created_at, finished_at, attempts_made)
VALUES (unhex(printf('%032x', 34)), unhex(printf('%032x', 33)), unhex(printf('%032x', 7)), 1, 'delivered', 1, 1, 2, 2);
INSERT INTO attempts (delivery_id, id, number, started_at, outcome, failure, failure_detail, retry_after_ms, total_us,
    request_head, response_head, response_body, response_body_truncated, remedy, request_body)
VALUES (unhex(printf('%032x', 34)), unhex(printf('%032x', 1)), 1, 1, 'failed', 'rate_limited', 'answered 429', 2000, 9,
            '', '', x'', 0, 'wait', x'7b7d'),
       (unhex(printf('%032x', 34)), unhex(printf('%032x', 2)), 2, 1, 'delivered', NULL, NULL, NULL, 9,
            'POST / HTTP/1.1', 'HTTP/1.1 202 Accepted', x'6f6b', 0, 'accepted', x'7b7d');
