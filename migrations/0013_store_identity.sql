-- Which object store the pictures of this database are in: the id that the store holds too. At most one row.
-- `established` is false from when migrate has chosen an id until the store has it too. Old code neither reads nor needs it.
-- depends: 0009_metadata_text

CREATE TABLE store_identity (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    id          uuid NOT NULL,
    established boolean NOT NULL DEFAULT false,
    changed_at  timestamptz NOT NULL DEFAULT now()
);
