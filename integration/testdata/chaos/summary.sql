-- A record is behind where one with a higher position came before it in its
-- partition. Only an optional one may be: when its transaction was read for the
-- first time its document was gone, and when it was read again, there was another
-- of the same id.
WITH behind AS MATERIALIZED (
	SELECT topic, document, xid FROM (
		SELECT *, max(position) OVER (PARTITION BY topic, partition ORDER BY log_offset
			ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS highest
		FROM firsts) f
	WHERE position <= highest)
SELECT
	(SELECT count(DISTINCT xid) FROM expected) AS transactions,
	(SELECT count(*) FROM expected) AS documents,
	(SELECT count(*) FROM records) AS records,
	(SELECT count(*) FROM expected LEFT JOIN firsts USING (topic, document, xid)
		WHERE firsts.xid IS NULL AND optional IS NOT true) AS lost,
	(SELECT count(*) FROM records) - (SELECT count(*) FROM firsts) AS duplicated,
	(SELECT count(*) FROM behind LEFT JOIN expected USING (topic, document, xid) WHERE optional IS NOT true)
	-- The records of one document follow its commits.
	+ (SELECT count(*) FROM (
		SELECT position <= lag(position) OVER (PARTITION BY topic, document ORDER BY seq) AS backwards
		FROM firsts JOIN expected USING (topic, document, xid) WHERE own) f WHERE backwards) AS out_of_order,
	(SELECT count(*) FROM behind JOIN expected USING (topic, document, xid) WHERE optional) AS late,
	-- Records of no committed change, or that say the opposite of it.
	(SELECT count(*) FROM firsts LEFT JOIN expected USING (topic, document, xid)
		WHERE expected.xid IS NULL OR own AND firsts.deletion <> expected.deletion) AS wrong,
	-- Changes whose position differs between repeats, positions of several changes,
	-- and transactions with several positions.
	(SELECT count(*) FROM (SELECT FROM records GROUP BY topic, document, xid
		HAVING count(DISTINCT (epoch, lsn, ordinal)) > 1) r)
	+ (SELECT count(*) FROM (SELECT FROM firsts GROUP BY position HAVING count(*) > 1) r)
	+ (SELECT count(*) FROM (SELECT FROM firsts GROUP BY xid HAVING count(DISTINCT (epoch, lsn)) > 1) r) AS unstable
