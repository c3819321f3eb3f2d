-- What a decode tells of an original, and the second file of `format:auto`. Old code runs on this: it neither reads nor needs them.
-- depends: 0002_queue_messages

ALTER TABLE images
    ADD COLUMN frames          integer,
    ADD COLUMN has_alpha       boolean,
    ADD COLUMN dominant_colour text,
    ADD COLUMN thumbhash       text;

-- A list of {key, sha256, size, width, height, frames, content_type}: further files of the same picture.
ALTER TABLE renditions ADD COLUMN alternatives jsonb NOT NULL DEFAULT '[]';
