-- A person with a zone of their own, known at a provider, with a second factor and a passkey; a link to a receiver's page, a
-- key that was used, and what was refused more than once.
UPDATE users SET time_zone = 'Europe/Zurich', clock = 'hours24' WHERE id = id(2);
INSERT INTO identities VALUES ('https://id.example.org', 'ada', id(2), 1, 2);
INSERT INTO second_factors VALUES (id(2), '\x00', 59869667, 1);
INSERT INTO recovery_codes VALUES (decode(repeat('00', 32), 'hex'), id(2));
INSERT INTO passkeys VALUES (id(100), id(2), 'phone', '\x03', '\xa5010203', 4294967295, 1, 2);
INSERT INTO receiver_links VALUES (id(101), id(81), 'their team', decode(repeat('00', 32), 'hex'), 1,
    90000000, NULL, 2);
UPDATE api_keys SET last_used_at = 2 WHERE id = id(90);
INSERT INTO audit (id, at, actor, action, subject, detail, times)
VALUES (id(102), 2, 'system', 'sign_in.refused', 'ada@example.org', 'a wrong password', 7);
