-- Words of which a later version may know more are no longer listed here: the program holds them. The states of incidents,
-- deliveries and ticket links stay, since other constraints and indexes speak of them. `accepted` and `step` become
-- outcomes of their own; until now they stood beside 'delivered', in the remedy.
--
-- Nothing is copied: a constraint that goes, or takes in more, does not change what is on disk, so the text of the schema is
-- edited (https://www.sqlite.org/lang_altertable.html#otheralter), which is quick on tables of any size and leaves indexes
-- and references as they are.

PRAGMA writable_schema = ON;

UPDATE sqlite_schema SET sql = replace(sql,
    'role = ''admin'' OR role = ''responder'' OR role = ''viewer''',
    'length(role) BETWEEN 1 AND 40')
WHERE type = 'table' AND name = 'users';

UPDATE sqlite_schema SET sql = replace(sql,
    'severity = ''critical'' OR severity = ''error''
                                                           OR severity = ''warning'' OR severity = ''info''',
    'length(severity) BETWEEN 1 AND 40')
WHERE type = 'table' AND name = 'incidents';

UPDATE sqlite_schema SET sql = replace(sql,
    'name = ''incident.triggered'' OR name = ''incident.acknowledged''
                                            OR name = ''incident.resolved'' OR name = ''incident.escalated''
                                            OR name = ''incident.reopened''',
    'length(name) BETWEEN 1 AND 40')
WHERE type = 'table' AND name = 'events';

UPDATE sqlite_schema SET sql = replace(replace(replace(sql,
    'events BETWEEN 1 AND 31', 'events >= 1'),
    'ordering IN (''incident'', ''none'')', 'length(ordering) BETWEEN 1 AND 40'),
    'when_disabled IN (''hold'', ''drop'')', 'length(when_disabled) BETWEEN 1 AND 40')
WHERE type = 'table' AND name = 'webhooks';

UPDATE sqlite_schema SET sql = replace(replace(sql,
    'phase = ''new'' OR phase = ''in_progress'' OR phase = ''done''', 'length(phase) BETWEEN 1 AND 40'),
    'seen = ''new'' OR seen = ''in_progress'' OR seen = ''done''', 'length(seen) BETWEEN 1 AND 40')
WHERE type = 'table' AND name = 'ticket_links';

UPDATE sqlite_schema SET sql = replace(replace(sql,
    'outcome = ''delivered'' OR outcome = ''failed'' OR outcome = ''gone''', 'length(outcome) BETWEEN 1 AND 40'),
    'CHECK ((outcome = ''delivered'') = (failure IS NULL))',
    'CHECK (outcome <> ''delivered'' OR failure IS NULL),
    CHECK (outcome <> ''failed'' OR failure IS NOT NULL)')
WHERE type = 'table' AND name = 'attempts';

PRAGMA writable_schema = RESET;

-- An edit of the text alone does not tell other connections that the schema is another: a table that comes and goes does.
CREATE TABLE edited (id INTEGER PRIMARY KEY) STRICT;
DROP TABLE edited;

UPDATE attempts SET outcome = remedy, remedy = NULL WHERE outcome = 'delivered' AND remedy IN ('accepted', 'step');
