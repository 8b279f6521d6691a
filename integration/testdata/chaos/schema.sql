-- Documents with parts, and events that are only ever inserted.
CREATE TABLE orders (
	id bigint PRIMARY KEY,
	tenant text NOT NULL,
	state int NOT NULL DEFAULT 0,
	deleted_on timestamptz
);
CREATE TABLE order_lines (
	id bigserial PRIMARY KEY,
	order_id bigint NOT NULL REFERENCES orders ON UPDATE CASCADE ON DELETE CASCADE,
	note text
);
CREATE INDEX ON order_lines (order_id);
CREATE TABLE events (
	id bigserial PRIMARY KEY,
	note text
);

-- The truth: what each committed transaction did to which document, written by
-- triggers in the same transaction. Rows of one document by its own table are in
-- the order of their commits, because a transaction takes its number while it
-- holds the document's row.
CREATE TABLE audit (
	seq bigserial,
	xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	topic text NOT NULL,
	document bigint NOT NULL,
	own boolean NOT NULL,      -- by the document's own row, not by a part of it
	deletion boolean NOT NULL, -- as the record has to say
	gone boolean NOT NULL      -- the row is not there any more
);

CREATE FUNCTION audit_orders_insert() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO audit (topic, document, own, deletion, gone)
	SELECT 'orders', id, true, deleted_on IS NOT NULL, false FROM after;
	RETURN NULL;
END $$;
CREATE TRIGGER audit_insert AFTER INSERT ON orders REFERENCING NEW TABLE AS after
	FOR EACH STATEMENT EXECUTE FUNCTION audit_orders_insert();

CREATE FUNCTION audit_orders_update() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO audit (topic, document, own, deletion, gone)
	SELECT 'orders', id, true, true, true FROM before WHERE id NOT IN (SELECT id FROM after);
	INSERT INTO audit (topic, document, own, deletion, gone)
	SELECT 'orders', id, true, deleted_on IS NOT NULL, false FROM after;
	RETURN NULL;
END $$;
CREATE TRIGGER audit_update AFTER UPDATE ON orders REFERENCING OLD TABLE AS before NEW TABLE AS after
	FOR EACH STATEMENT EXECUTE FUNCTION audit_orders_update();

CREATE FUNCTION audit_orders_delete() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO audit (topic, document, own, deletion, gone)
	SELECT 'orders', id, true, true, true FROM before;
	RETURN NULL;
END $$;
CREATE TRIGGER audit_delete AFTER DELETE ON orders REFERENCING OLD TABLE AS before
	FOR EACH STATEMENT EXECUTE FUNCTION audit_orders_delete();

CREATE FUNCTION audit_lines() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF TG_OP IN ('UPDATE', 'DELETE') THEN
		INSERT INTO audit (topic, document, own, deletion, gone) VALUES ('orders', OLD.order_id, false, false, false);
	END IF;
	IF TG_OP IN ('INSERT', 'UPDATE') THEN
		INSERT INTO audit (topic, document, own, deletion, gone) VALUES ('orders', NEW.order_id, false, false, false);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON order_lines
	FOR EACH ROW EXECUTE FUNCTION audit_lines();

CREATE FUNCTION audit_events() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO audit (topic, document, own, deletion, gone) SELECT 'events', id, true, false, false FROM after;
	RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT ON events REFERENCING NEW TABLE AS after
	FOR EACH STATEMENT EXECUTE FUNCTION audit_events();

-- What the topics hold at the end.
CREATE TABLE records (
	topic text NOT NULL,
	partition int NOT NULL,
	log_offset bigint NOT NULL,
	xid xid8 NOT NULL,
	document bigint NOT NULL,
	deletion boolean NOT NULL,
	epoch bigint NOT NULL,
	lsn bigint NOT NULL,
	ordinal bigint NOT NULL
)
