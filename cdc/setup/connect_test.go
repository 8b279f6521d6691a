package setup_test

import (
	"net/url"
	"strings"
	"testing"

	"changefeed/cdc/setup"
	"changefeed/internal/localpg/localpgtest"
)

func TestConnectTellsNoPassword(t *testing.T) {
	const secret = "s3cr@t/x:1"
	for _, dsn := range []string{
		"postgres://user:" + secret + "@localhost:1/db",
		"postgres://user:s3cr%t@localhost:1/db",
		"postgres://user:s3cr@localhost:port/db",
		"postgres://user:s3cr@localhost:1/db?sslmode=wrong",
		"postgres://user:s3cr@localhost:1/db?sslrootcert=/none/such&sslmode=verify-full",
		"postgres://user:s3cr@127.0.0.1:1/db",
		"host=127.0.0.1 port=1 user=u password=s3cr dbname=db sslmode=disable",
		"host=127.0.0.1 port=1 password='s3cr dbname=db",
		"s3cr",
	} {
		_, err := setup.Connect(t.Context(), dsn)
		if err == nil {
			t.Errorf("connected to nothing")
			continue
		}
		if strings.Contains(err.Error(), "s3cr") {
			t.Errorf("the password is in: %v", err)
		}
	}
}

func TestConnectNamesItself(t *testing.T) {
	db := newSetupDB(t, "SELECT 1", routed("orders", "order_id"))
	if got := db.text("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()"); got != "changefeed" {
		t.Errorf("application_name %q", got)
	}
}

func TestConnectSaysWhatAWrongPasswordIs(t *testing.T) {
	dsn, err := url.Parse(localpgtest.Shared(t).TCPDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	dsn.User = url.UserPassword(dsn.User.Username(), "wrong")
	_, err = setup.Connect(t.Context(), dsn.String())
	if err == nil || !strings.Contains(err.Error(), "check the user and the password of dsn") {
		t.Errorf("error %v", err)
	}
}
