package setup

// The queries of readCatalog. They run on every supported version: a column that
// only some have is read through to_jsonb of its row, null where it is not there.
// They need no privilege beyond connecting.

const serverQuery = `
SELECT current_setting('server_version_num')::int, current_database(), pg_is_in_recovery(),
       current_setting('wal_level'),
       current_setting('max_replication_slots')::int, (SELECT count(*) FROM pg_replication_slots),
       current_setting('max_wal_senders')::int, (SELECT count(*) FROM pg_stat_replication),
       (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_sender_timeout'),
       coalesce((SELECT setting::bigint FROM pg_settings WHERE name = 'idle_replication_slot_timeout'), 0),
       (SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'),
       -- A server that follows has a physical slot, or is a connection that reads no logical one.
       greatest((SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'physical' AND active),
                (SELECT count(*) FROM pg_stat_replication f WHERE NOT EXISTS (
                     SELECT FROM pg_replication_slots l WHERE l.slot_type = 'logical' AND l.active_pid = f.pid)
                 AND coalesce(f.state, 'streaming') = 'streaming')),
       current_user,
       -- rds_replication stands for the attribute on servers that do not give it away.
       EXISTS (SELECT FROM pg_roles r WHERE r.rolname = current_user AND (r.rolsuper OR r.rolreplication))
       OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'rds_replication' AND pg_has_role(current_user, r.oid, 'MEMBER')),
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
       ARRAY(SELECT format('pg_catalog.%I(%s)', f.proname, pg_get_function_identity_arguments(f.oid))
             FROM pg_proc f
             WHERE f.pronamespace = 'pg_catalog'::regnamespace AND f.proname = 'pg_logical_emit_message'
             AND EXISTS (SELECT FROM aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) g
                         WHERE g.grantee = 0 AND g.privilege_type = 'EXECUTE')
             ORDER BY 1)`

const tablesQuery = `
SELECT w.schema, w.name, n.oid IS NOT NULL, coalesce(has_schema_privilege(n.oid, 'USAGE'), false),
       coalesce(c.oid, 0::oid), coalesce(ascii(c.relkind::text), 0), coalesce(ascii(c.relpersistence::text), 0),
       coalesce(c.relispartition, false), coalesce(ascii(c.relreplident::text), 0),
       EXISTS (SELECT FROM pg_subscription_rel s WHERE s.srrelid = c.oid),
       coalesce(c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid), false)
FROM unnest($1::text[], $2::text[]) AS w(schema, name)
LEFT JOIN pg_namespace n ON n.nspname = w.schema
LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name`

// partsQuery lists the tables with rows below some tables, each with the nearest
// of them: partitions, and tables that inherit.
const partsQuery = `
WITH RECURSIVE below(whole, oid, distance) AS (
	SELECT c.oid, i.inhrelid, 1 FROM unnest($1::oid[]) AS c(oid) JOIN pg_inherits i ON i.inhparent = c.oid
	UNION ALL
	SELECT b.whole, i.inhrelid, b.distance + 1 FROM below b JOIN pg_inherits i ON i.inhparent = b.oid
)
SELECT whole, nspname::text, relname::text
FROM (
	SELECT DISTINCT ON (b.oid) b.whole, n.nspname, c.relname
	FROM below b JOIN pg_class c ON c.oid = b.oid JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind <> 'p' AND c.relpersistence <> 't'
	ORDER BY b.oid, b.distance, b.whole
) nearest
ORDER BY 2, 3`

const columnsQuery = `
SELECT a.attrelid, a.attnum, a.attname::text, format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL),
       a.attnotnull, a.attgenerated <> '', has_column_privilege(a.attrelid, a.attnum, 'SELECT')
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = ANY($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum`

const indexesQuery = `
SELECT i.indrelid, c.relname::text, i.indisprimary,
       i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL,
       i.indisvalid, i.indisreplident,
       coalesce((SELECT max(b.pid) FROM pg_stat_progress_create_index b WHERE b.index_relid = i.indexrelid), 0),
       ARRAY(SELECT k.attnum FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, at)
             WHERE k.at <= i.indnkeyatts ORDER BY k.at)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY($1::oid[]) AND (i.indisunique OR c.relname LIKE 'changefeed\_%')
ORDER BY i.indrelid, c.relname`

const listingsQuery = `
SELECT t.oid, p.pubname::text, r.oid IS NOT NULL, to_jsonb(pt) -> 'attnames', coalesce(to_jsonb(pt) ->> 'rowfilter', '')
FROM unnest($1::oid[]) AS t(oid)
CROSS JOIN LATERAL (SELECT t.oid AS relid UNION SELECT relid FROM pg_partition_ancestors(t.oid)) a
JOIN pg_class c ON c.oid = a.relid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_publication_tables pt ON pt.schemaname = n.nspname AND pt.tablename = c.relname
JOIN pg_publication p ON p.pubname = pt.pubname
LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = t.oid
WHERE (p.pubupdate OR p.pubdelete) AND p.pubname <> ALL($2::text[])
ORDER BY t.oid, p.pubname`

// publicationsQuery has a place for the test whether it lists whole schemas,
// whose catalogue older versions do not have.
const publicationsQuery = `
SELECT p.pubname::text, p.puballtables, %s, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot
FROM pg_publication p WHERE p.pubname = ANY($1::text[]) ORDER BY p.pubname`

const entriesQuery = `
SELECT p.pubname::text, n.nspname::text, c.relname::text,
       (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
        WHERE a.attrelid = r.prrelid AND to_jsonb(r) -> 'prattrs' @> to_jsonb(a.attnum)),
       to_jsonb(r) ->> 'prqual' IS NOT NULL
FROM pg_publication p
JOIN pg_publication_rel r ON r.prpubid = p.oid
JOIN pg_class c ON c.oid = r.prrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.pubname = ANY($1::text[])
ORDER BY p.pubname, n.nspname, c.relname`

const slotQuery = `
SELECT coalesce(s.plugin::text, ''), coalesce(s.database::text, ''), s.temporary, coalesce(s.active_pid, 0),
       coalesce(s.wal_status, ''), coalesce(to_jsonb(s) ->> 'invalidation_reason', ''),
       coalesce(s.confirmed_flush_lsn::text, ''), coalesce((to_jsonb(s) ->> 'failover')::boolean, false)
FROM pg_replication_slots s WHERE s.slot_name = $1`

const othersQuery = `
SELECT n.nspname::text, c.relname::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
ORDER BY 1, 2 LIMIT 20000`
