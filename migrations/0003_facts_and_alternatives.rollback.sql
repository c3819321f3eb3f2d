-- The second files are nobody's from here on: listed, they are swept.
INSERT INTO unreferenced_objects (key, deadline)
SELECT further ->> 'key', now() FROM renditions, jsonb_array_elements(alternatives) AS further ON CONFLICT (key) DO NOTHING;
ALTER TABLE renditions DROP COLUMN alternatives;
ALTER TABLE images DROP COLUMN frames, DROP COLUMN has_alpha, DROP COLUMN dominant_colour, DROP COLUMN thumbhash;
