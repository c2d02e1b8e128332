-- A person with a zone of their own, known at a provider, with a second factor and a passkey; a link to a receiver's page, a
-- key that was used, and what was refused more than once.
UPDATE users SET time_zone = 'Europe/Zurich', clock = 'hours24' WHERE id = unhex(printf('%032x', 2));
INSERT INTO identities VALUES ('https://id.example.org', 'ada', unhex(printf('%032x', 2)), 1, 2);
INSERT INTO second_factors VALUES (unhex(printf('%032x', 2)), x'00', 59869667, 1);
INSERT INTO recovery_codes VALUES (zeroblob(32), unhex(printf('%032x', 2)));
INSERT INTO passkeys VALUES (unhex(printf('%032x', 100)), unhex(printf('%032x', 2)), 'phone', x'03', x'a5010203', 4294967295, 1, 2);
INSERT INTO receiver_links VALUES (unhex(printf('%032x', 101)), unhex(printf('%032x', 81)), 'their team', zeroblob(32), 1,
    90000000, NULL, 2);
UPDATE api_keys SET last_used_at = 2 WHERE id = unhex(printf('%032x', 90));
INSERT INTO audit (id, at, actor, action, subject, detail, times)
VALUES (unhex(printf('%032x', 102)), 2, 'system', 'sign_in.refused', 'ada@example.org', 'a wrong password', 7);
