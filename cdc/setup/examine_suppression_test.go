package setup_test

import (
	"fmt"
	"strings"
	"testing"

	"changefeed/cdc/setup"
)

func TestSuppressionThatAnyRoleCouldAskForIsWarnedOf(t *testing.T) {
	db := newSetupDB(t, orders, ordersRoute())
	db.init()
	suppression := func() *setup.Finding {
		t.Helper()
		return find(db.preflight(), "allow_suppress")
	}
	if f := suppression(); f != nil {
		t.Errorf("without allow_suppress: %v", f)
	}
	db.cfg.AllowSuppress = true
	f := db.want("warn: server: allow_suppress is set, and every role may emit messages")
	emits := func() error {
		_, err := db.conn.Exec(t.Context(), "SET ROLE pg_monitor; SELECT pg_logical_emit_message(true, 'changefeed', '{}'); RESET ROLE")
		return err
	}
	if err := emits(); err != nil {
		t.Fatal(err)
	}
	db.follow(f, f.Remedies[0])
	if err := emits(); !strings.Contains(fmt.Sprint(err), "permission denied for function pg_logical_emit_message") {
		t.Errorf("a role emits a message after the remedy: %v", err)
	}
	db.exec("RESET ROLE")
	if f := suppression(); f != nil {
		t.Errorf("after the remedy: %v", f)
	}
	db.accepts()
}
