-- How much each owner has: images, bytes (originals, renditions and their alternatives) and queued renditions.
--
-- Triggers count, and so every change is counted in its own transaction, by whatever code: also that of processes that run code of
-- before. A change is a row of usage_changes: a counter's own row would be locked until the commit, and an owner's uploads would wait
-- for each other. A chore folds the changes into owner_usage. Usage is both together (usage_of).
--
-- Changes are folded in the order of their transactions: those of before `folded_below` are all folded, and no scan begins before it,
-- so that dead rows cost nothing. A transaction id of another cluster (pg_restore) may be higher than any here; then all rows count.
--
-- What was there before is counted by a chore; until then `counted_at` is NULL, and usage is what has changed since. While
-- a recount runs, until `recount_until` at most, nothing is folded.
-- depends: 0026_rates

CREATE TABLE owner_usage (
    owner  text PRIMARY KEY,
    images bigint NOT NULL,
    bytes  bigint NOT NULL,
    queued bigint NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

CREATE TABLE usage_changes (
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    owner          text NOT NULL,
    image_id       uuid NOT NULL,
    images         bigint NOT NULL DEFAULT 0,
    bytes          bigint NOT NULL DEFAULT 0,
    queued         bigint NOT NULL DEFAULT 0
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000);

CREATE INDEX usage_changes_by_transaction ON usage_changes (transaction_id);

CREATE TABLE usage_state (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    folded_below  xid8 NOT NULL DEFAULT '0',
    folds         bigint NOT NULL DEFAULT 0,
    counted_at    timestamptz,
    recount_id    uuid,
    recount_until timestamptz NOT NULL DEFAULT '-infinity'
);

-- Of a list of alternatives. It is empty, as a rule: then nobody need call this.
CREATE FUNCTION alternatives_bytes(alternatives jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(sum((further ->> 'size')::bigint), 0)::bigint FROM jsonb_array_elements(alternatives) AS further
$$;

CREATE FUNCTION count_added_image() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_changes (owner, image_id, images, bytes) VALUES (NEW.owner, NEW.id, 1, NEW.size);
    RETURN NULL;
END $$;

CREATE FUNCTION count_changed_image() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_changes (owner, image_id, bytes) VALUES (NEW.owner, NEW.id, NEW.size - OLD.size);
    RETURN NULL;
END $$;

CREATE FUNCTION count_removed_image() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- With its renditions: once the image is gone, nobody knows whose they were.
    INSERT INTO usage_changes (owner, image_id, images, bytes, queued)
    SELECT OLD.owner, OLD.id, -1, -OLD.size - coalesce(sum(coalesce(size, 0) + alternatives_bytes(alternatives)), 0)::bigint,
           -count(*) FILTER (WHERE status IN ('uploaded', 'processing'))
      FROM renditions WHERE image_id = OLD.id;
    RETURN OLD;
END $$;

CREATE FUNCTION count_added_renditions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_changes (owner, image_id, bytes, queued)
    SELECT i.owner, i.id, sum(coalesce(r.size, 0) + CASE WHEN r.alternatives = '[]' THEN 0 ELSE alternatives_bytes(r.alternatives) END),
           count(*) FILTER (WHERE r.status IN ('uploaded', 'processing'))
      FROM added r JOIN images i ON i.id = r.image_id GROUP BY i.id;
    RETURN NULL;
END $$;

CREATE FUNCTION count_changed_rendition() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    more_bytes bigint := coalesce(NEW.size, 0) - coalesce(OLD.size, 0);
BEGIN
    IF NEW.alternatives <> OLD.alternatives THEN
        more_bytes := more_bytes + alternatives_bytes(NEW.alternatives) - alternatives_bytes(OLD.alternatives);
    END IF;
    INSERT INTO usage_changes (owner, image_id, bytes, queued)
    SELECT owner, id, more_bytes,
           (NEW.status IN ('uploaded', 'processing'))::int - (OLD.status IN ('uploaded', 'processing'))::int
      FROM images WHERE id = NEW.image_id;
    RETURN NULL;
END $$;

CREATE FUNCTION count_removed_renditions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Those of an image that is removed are counted with it: it is not found here.
    INSERT INTO usage_changes (owner, image_id, bytes, queued)
    SELECT i.owner, i.id, -sum(coalesce(r.size, 0) + alternatives_bytes(r.alternatives)),
           -count(*) FILTER (WHERE r.status IN ('uploaded', 'processing'))
      FROM removed r JOIN images i ON i.id = r.image_id GROUP BY i.id;
    RETURN NULL;
END $$;

CREATE FUNCTION unfolded_since() RETURNS xid8 LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN folded_below <= pg_snapshot_xmax(pg_current_snapshot()) THEN folded_below ELSE '0'::xid8 END FROM usage_state
$$;

CREATE FUNCTION usage_of(of_owner text, OUT images bigint, OUT bytes bigint, OUT queued bigint) LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(u.images), 0)::bigint, coalesce(sum(u.bytes), 0)::bigint, coalesce(sum(u.queued), 0)::bigint
      FROM (SELECT o.images, o.bytes, o.queued FROM owner_usage o WHERE o.owner = of_owner
            UNION ALL
            SELECT c.images, c.bytes, c.queued FROM usage_changes c
             WHERE c.owner = of_owner AND c.transaction_id >= (SELECT unfolded_since())) AS u
$$;

CREATE FUNCTION require_quota(for_owner text, more_images bigint, more_bytes bigint, more_queued bigint,
                              most_images bigint, most_bytes bigint, most_queued bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
-- True if the owner may have as much more; else SQLSTATE IQ001, whose detail is JSON. The owner's lock is held until the transaction
-- ends, so that the last byte is given once: the sum is read after the lock is taken, in a snapshot of its own. `most_…`: what is
-- configured, for an owner of whom nothing is set.
DECLARE
    allowed record;
    used record;
    refused text;
BEGIN
    SELECT coalesce(o.quota_images, most_images) AS images, coalesce(o.quota_bytes, most_bytes) AS bytes,
           coalesce(o.quota_queued, most_queued) AS queued
      INTO allowed FROM (SELECT) AS one LEFT JOIN owners o ON o.owner = for_owner;
    IF least(allowed.images, allowed.bytes, allowed.queued) = 9223372036854775807 THEN
        RETURN true;
    END IF;
    PERFORM pg_advisory_xact_lock(28, hashtext(for_owner));
    SELECT * INTO used FROM usage_of(for_owner);
    refused := CASE WHEN more_images > 0 AND used.images + more_images > allowed.images THEN 'images'
                    WHEN used.bytes + more_bytes > allowed.bytes THEN 'bytes'
                    WHEN used.queued + more_queued > allowed.queued THEN 'queued' END;
    IF refused IS NOT NULL THEN
        RAISE EXCEPTION 'the owner''s quota is exceeded' USING ERRCODE = 'IQ001', DETAIL = json_build_object(
            'quota', refused, 'used', to_jsonb(used) -> refused, 'allowed', to_jsonb(allowed) -> refused)::text;
    END IF;
    RETURN true;
END $$;

CREATE TRIGGER images_count_added AFTER INSERT ON images FOR EACH ROW EXECUTE FUNCTION count_added_image();

CREATE TRIGGER images_count_resized AFTER UPDATE OF size ON images FOR EACH ROW
    WHEN (OLD.size <> NEW.size) EXECUTE FUNCTION count_changed_image();

CREATE TRIGGER images_count_removed BEFORE DELETE ON images FOR EACH ROW EXECUTE FUNCTION count_removed_image();

-- Whoever may write images counts them: roles that older code runs by.
DO $$
DECLARE
    granted record;
BEGIN
    FOR granted IN SELECT DISTINCT CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END AS grantee
                     FROM pg_class c, aclexplode(c.relacl) acl
                    WHERE c.oid = 'images'::regclass AND acl.grantee <> c.relowner AND acl.privilege_type IN ('INSERT', 'DELETE')
    LOOP
        EXECUTE format('GRANT INSERT ON usage_changes TO %s', granted.grantee);
    END LOOP;
END $$;

-- Processes of the first release do not look into the schema that `images` is in while they run (internal/postgres/first_release.py).
-- For all others the functions have no search_path of their own: setting one took longer than counting.
DO $$
DECLARE
    counting regprocedure;
BEGIN
    IF current_schema() = 'image_processor_tables' THEN
        FOR counting IN SELECT oid FROM pg_proc
                         WHERE pronamespace = current_schema()::regnamespace AND prorettype = 'trigger'::regtype
        LOOP
            EXECUTE format('ALTER FUNCTION %s SET search_path FROM CURRENT', counting);
        END LOOP;
    END IF;
END $$;

INSERT INTO usage_state (one) VALUES (true);
