-- One record for each document and transaction. A document of which a transaction
-- has touched only parts is published as its own row is found a little later:
-- whether that says "deleted" is not compared. It is optional where the row was
-- deleted afterwards: that has a record of its own, and by then the row may be
-- gone, in which case nothing is published.
CREATE TABLE expected AS
SELECT topic, document, xid, bool_or(own) AS own, max(seq) FILTER (WHERE own) AS seq,
	(array_agg(deletion ORDER BY seq DESC) FILTER (WHERE own))[1] AS deletion,
	NOT bool_or(own) AND max(seq) < (
		SELECT max(later.seq) FROM audit later
		WHERE later.gone AND (later.topic, later.document) = (audit.topic, audit.document)
	) AS optional
FROM audit GROUP BY topic, document, xid;

-- What was published first; the others are repeats. A position is written as one
-- number.
CREATE TABLE firsts AS
SELECT DISTINCT ON (topic, document, xid) *, epoch * 1e30 + lsn * 1e10 + ordinal AS position
FROM records ORDER BY topic, document, xid, partition, log_offset;

ANALYZE expected, firsts;
