-- Which way an original is turned (EXIF, 1 to 8), beside its width and height as stored. Old code runs on this: it neither reads nor
-- writes it, and what it adds has NULL, as old rows have, until the next rendition is made.
-- depends: 0007_one_letter_of_a_message

ALTER TABLE images ADD COLUMN orientation smallint;
