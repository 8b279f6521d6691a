package pillows

// ledger has the verdicts of a chunk: one for each processor and change.
type ledger struct {
	changes  int
	verdicts []Verdict // of processor p on change i at p*changes+i
	told     []bool    // whether the verdict has been observed
}

func newLedger(processors, changes int) ledger {
	return ledger{changes: changes, verdicts: make([]Verdict, processors*changes), told: make([]bool, processors*changes)}
}

// of returns the verdicts of one processor, by change.
func (l *ledger) of(processor int) []Verdict {
	return l.verdicts[processor*l.changes:][:l.changes]
}

func (l *ledger) processors() int { return len(l.verdicts) / max(l.changes, 1) }

// open reports whether some processor has no verdict on a change.
func (l *ledger) open(change int) bool {
	for p := range l.processors() {
		if l.of(p)[change] == Open {
			return true
		}
	}
	return false
}

// settle gives a change a verdict in every processor that has none.
func (l *ledger) settle(change int, v Verdict) {
	for p := range l.processors() {
		if of := l.of(p); of[change] == Open {
			of[change] = v
		}
	}
}

// floor returns the first change from a given one on that is open, or the number
// of changes.
func (l *ledger) floor(from int) int {
	for from < l.changes && !l.open(from) {
		from++
	}
	return from
}

// opened returns how many changes are open.
func (l *ledger) opened() int {
	n := 0
	for i := range l.changes {
		if l.open(i) {
			n++
		}
	}
	return n
}

// count returns the verdicts of all processors on the changes in [from, to).
func (l *ledger) count(from, to int) Counts {
	var c Counts
	for p := range l.processors() {
		for _, v := range l.of(p)[from:to] {
			c.add(v)
		}
	}
	return c
}

// untold returns the changes on which a processor has a verdict that was not
// returned before.
func (l *ledger) untold(processor int) []int {
	told := l.told[processor*l.changes:][:l.changes]
	var changes []int
	for i, v := range l.of(processor) {
		if v != Open && !told[i] {
			told[i] = true
			changes = append(changes, i)
		}
	}
	return changes
}
