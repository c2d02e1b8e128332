-- Numbers for the incidents of before, in the order in which they were made, while everybody goes on.
INSERT INTO incident_numbers (number, incident_id)
    SELECT row_number() OVER (ORDER BY i.id), i.id
    FROM incidents i LEFT JOIN incident_numbers known ON known.incident_id = i.id
    WHERE known.number IS NULL;
