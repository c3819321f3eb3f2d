ALTER TABLE renditions DROP COLUMN alternatives;
ALTER TABLE images DROP COLUMN frames, DROP COLUMN has_alpha, DROP COLUMN dominant_colour, DROP COLUMN thumbhash;
