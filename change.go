package changefeed

// Change is one published change of one document: what a topic carries.
type Change struct {
	// Topic the change is published on, or was read from.
	Topic string
	// Meta is the change's JSON object.
	Meta Meta
	// Position is where the source made the change. It is zero where the record
	// has no position header, as records of other producers do.
	Position Position
	// Version orders the states of the document.
	Version Version
	// XID is the 64-bit id of the PostgreSQL transaction that made the change,
	// epoch included, or 0 where there was none or it is not known.
	XID uint64
}
