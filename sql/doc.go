// Package sql holds the scripts that make what changefeed needs in databases, as
// numbered migrations: a script that has been run is never changed, a new one
// follows it. README.md in the same folder is for those who run the databases.
//
// There are two sets. [State] is for the database of state.dsn. [Source] is for
// each database that changes are published from. Both make their objects in the
// schema changefeed, which can be the same.
//
// The first script of a set makes the table that records which of its scripts
// have been run. A script does not write into that table: whoever runs it does,
// in the same transaction, with [Set.Record].
package sql
