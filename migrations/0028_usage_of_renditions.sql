-- The triggers on renditions (0028_usage). In a migration of their own: one that holds the lock of `images` and waits for that of
-- `renditions` would meet the code that has them the other way round, and PostgreSQL would end one of both.
-- depends: 0024_revoked_tokens

CREATE TRIGGER renditions_count_added AFTER INSERT ON renditions REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_added_renditions();

-- A claim, a renewal and a postponement change nothing that is counted, and call nothing.
CREATE TRIGGER renditions_count_changed AFTER UPDATE ON renditions FOR EACH ROW
    WHEN ((OLD.status IN ('uploaded', 'processing')) <> (NEW.status IN ('uploaded', 'processing'))
          OR OLD.size IS DISTINCT FROM NEW.size OR OLD.alternatives <> NEW.alternatives)
    EXECUTE FUNCTION count_changed_rendition();

CREATE TRIGGER renditions_count_removed AFTER DELETE ON renditions REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_removed_renditions();
