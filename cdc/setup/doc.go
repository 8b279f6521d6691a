// Package setup examines a PostgreSQL database and sets it up for a publisher of
// package cdc.
//
// [Preflight] compares the server with the configuration and reports what stands
// against publishing, each finding with its remedies. [Plan] says which steps lead
// from what is there to what is wanted, [Apply] runs them. Preflight and Plan
// change nothing, and judge one snapshot of the catalogues by the same rules: what
// Plan does not solve, it refuses as Preflight does, and where Apply has run,
// Plan finds nothing to do.
//
// The application is never harmed: at each moment between two steps, and where
// they are broken off, its updates and deletions are accepted as before. A
// publication lists the columns of a replica identity before that is changed; an
// index of ours cannot refuse a row that the table's own keys accept; statements
// that need a lock for a moment give up rather than let the application wait.
// What belongs to somebody else, such as a replica identity that another
// publication relies on, is left alone and refused.
package setup
