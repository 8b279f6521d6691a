package cdc_test

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"changefeed/cdc"
	"changefeed/cdc/setup"
	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

const loginPassword = "s3cret-w0rd"

// loginRules are lines of pg_hba.conf, each for a role of its name.
var loginRules = []string{
	"local   all by_password scram-sha-256",
	"hostssl all by_password all scram-sha-256",
	"hostssl all by_certificate all cert",
	"hostssl all by_both all scram-sha-256 clientcert=verify-full",
}

// logins is a server that roles log in to in several ways. Its certificate is
// that of localhost.
type logins struct {
	*live
	server    *localpg.Server
	authority *localpgtest.Authority
}

func newLogins(t *testing.T) *logins {
	t.Helper()
	s := &logins{server: localpgtest.New(t, localpg.Config{}), authority: localpgtest.NewAuthority(t)}
	s.present(t, tomorrow())
	db := setupOn(t, s.server.DSN(localpgtest.DatabaseOn(t, s.server)), things+";\nCREATE TABLE fence (id int PRIMARY KEY)", routed("things", "id"), fenceRoute())
	db.cfg.StatusInterval = 10 * time.Millisecond
	db.exec("CREATE ROLE by_password LOGIN REPLICATION PASSWORD '"+loginPassword+"'",
		"CREATE ROLE by_both LOGIN REPLICATION PASSWORD '"+loginPassword+"'",
		"CREATE ROLE by_certificate LOGIN REPLICATION")
	db.init()
	s.live = &live{setupDB: db}
	return s
}

func tomorrow() time.Time { return time.Now().Add(24 * time.Hour) }

// present gives the server a certificate, and restarts it.
func (s *logins) present(t *testing.T, expires time.Time) {
	t.Helper()
	certificate, key := s.authority.Issue(t, "server", expires, "localhost")
	localpgtest.ServeTLS(t, s.server, s.authority, certificate, key, loginRules...)
}

// as returns a publisher with a connection string of these pairs, beside database,
// port, and host where they have none.
func (s *logins) as(t *testing.T, pairs ...string) *live {
	t.Helper()
	l := *s.live
	db := *s.setupDB
	db.T = t
	l.setupDB, l.sinks, l.log = &db, newSinks(), &logText{}
	var dsn strings.Builder
	dsn.WriteString("dbname=" + s.conn.Config().Database)
	for _, fixed := range []string{"host=localhost", fmt.Sprintf("port=%d", s.server.Port())} {
		name, _, _ := strings.Cut(fixed, "=")
		if !strings.Contains(strings.Join(pairs, " "), name+"=") {
			dsn.WriteString(" " + fixed)
		}
	}
	l.cfg.DSN = dsn.String() + " " + strings.Join(pairs, " ")
	return &l
}

// publishes requires that the publisher works from its start to the drain, that
// what sets up can connect as well, and that neither tells the password.
func (l *live) publishes(fences int) {
	l.Helper()
	l.fences = fences
	l.start()
	l.drain()
	if strings.Contains(l.log.String(), loginPassword) {
		l.Errorf("the password is in the log:\n%s", l.log)
	}
	conn, err := setup.Connect(l.Context(), l.cfg.DSN)
	if err != nil {
		l.Fatal(err)
	}
	if err := conn.Close(l.Context()); err != nil {
		l.Error(err)
	}
}

// refused requires that the publisher ends, and what sets up does not connect,
// with an error that says these words and the password not.
func (l *live) refused(words ...string) {
	l.Helper()
	p, err := cdc.New(l.cfg, l.deps())
	if err == nil {
		err = p.Run(l.Context())
	}
	_, setupErr := setup.Connect(l.Context(), l.cfg.DSN)
	for _, err := range []error{err, setupErr} {
		if err == nil || errors.Is(err, cdc.ErrUnreachable) {
			l.Fatalf("not refused: %v", err)
		}
		for _, word := range words {
			if !strings.Contains(err.Error(), word) {
				l.Errorf("%v\ndoes not say %q", err, word)
			}
		}
		if strings.Contains(err.Error()+l.log.String(), loginPassword) {
			l.Errorf("the password is in the error or in the log: %v\n%s", err, l.log)
		}
	}
}

// write makes a file of a test.
func write(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPublisherLogsInAsLibpqDoes(t *testing.T) {
	s := newLogins(t)
	certificate, key := s.authority.Issue(t, "by_certificate", tomorrow())
	bothCertificate, bothKey := s.authority.Issue(t, "by_both", tomorrow())
	verified := "sslmode=verify-full sslrootcert=" + s.authority.Root
	password := "password=" + loginPassword
	database, port := s.conn.Config().Database, strconv.Itoa(s.server.Port())
	passwords := write(t, "localhost:"+port+":"+database+":by_password:"+loginPassword+"\n")
	services := write(t, "[shop]\nhost=localhost\nport="+port+"\ndbname="+database+"\nuser=by_password\n"+
		strings.ReplaceAll(verified, " ", "\n")+"\n")
	for i, tt := range []struct {
		name  string
		env   map[string]string
		pairs []string
	}{
		{"encrypted, server not verified", nil, []string{"user=by_password sslmode=require", password}},
		{"server verified", nil, []string{"user=by_password", verified, password}},
		{"authority alone verified", nil, []string{"host=127.0.0.1 user=by_password sslmode=verify-ca sslrootcert=" + s.authority.Root, password}},
		{"client certificate", nil, []string{"user=by_certificate", verified, "sslcert=" + certificate, "sslkey=" + key}},
		{"client certificate and password", nil, []string{"user=by_both", verified, "sslcert=" + bothCertificate, "sslkey=" + bothKey, password}},
		{"file of passwords", nil, []string{"user=by_password", verified, "passfile=" + passwords}},
		{"file of passwords of the environment", map[string]string{"PGPASSFILE": passwords}, []string{"user=by_password", verified}},
		{"password of the environment", map[string]string{"PGPASSWORD": loginPassword}, []string{"user=by_password", verified}},
		{"service and file of passwords", map[string]string{"PGSERVICEFILE": services, "PGPASSFILE": passwords}, nil},
		{"socket", nil, []string{"user=by_password host=" + s.server.Dir(), password}},
		{"first host dead", nil, []string{"user=by_password host=127.0.0.1,localhost port=1," + port + " target_session_attrs=read-write", verified, password}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			l := s.as(t, tt.pairs...)
			if len(tt.pairs) == 0 {
				l.cfg.DSN = "service=shop"
			}
			l.publishes(100 * i)
		})
	}
	t.Run("URL", func(t *testing.T) {
		l := s.as(t)
		dsn := url.URL{
			Scheme: "postgresql", User: url.UserPassword("by_password", loginPassword), Host: "localhost:" + port, Path: database,
			RawQuery: url.Values{"sslmode": {"verify-full"}, "sslrootcert": {s.authority.Root}}.Encode(),
		}
		l.cfg.DSN = dsn.String()
		l.publishes(10_000)
	})
}

func TestRefusedLoginsEndThePublisherWithWhatToDo(t *testing.T) {
	s := newLogins(t)
	stranger := localpgtest.NewAuthority(t)
	certificate, key := s.authority.Issue(t, "by_certificate", tomorrow())
	forged, forgedKey := stranger.Issue(t, "by_certificate", tomorrow())
	verified := "sslmode=verify-full sslrootcert=" + s.authority.Root
	password := "password=" + loginPassword
	const authority = "certificate of the authority that has signed the server's"
	for _, tt := range []struct {
		name  string
		pairs []string
		words []string
	}{
		{"wrong password", []string{"user=by_password", verified, "password=" + loginPassword + "x"}, []string{"28P01", "PGPASSFILE"}},
		{"no password", []string{"user=by_password passfile=/dev/null", verified}, []string{"password of dsn"}},
		{"authority unknown", []string{"user=by_password sslmode=verify-full", password}, []string{"sslrootcert in dsn", authority}},
		{"other authority", []string{"user=by_password sslmode=verify-ca sslrootcert=" + stranger.Root, password}, []string{"sslrootcert in dsn", authority}},
		{"other host name", []string{"host=127.0.0.1 user=by_password", verified, password}, []string{"127.0.0.1", "set host in dsn to a name that the server's certificate holds"}},
		{"not encrypted", []string{"user=by_password sslmode=disable", password}, []string{"28000", "pg_hba.conf", "set sslmode"}},
		{"no client certificate", []string{"user=by_certificate", verified}, []string{"28000", "sslcert and sslkey in dsn"}},
		{"another's client certificate", []string{"user=by_both", verified, "sslcert=" + certificate, "sslkey=" + key, password}, []string{"28P01", "where pg_hba.conf wants a client certificate as well, also that its name is the role's"}},
		{"client certificate of an unknown authority", []string{"user=by_certificate", verified, "sslcert=" + forged, "sslkey=" + forgedKey}, []string{"28000", "its authority in the server's ssl_ca_file"}},
		{"file of authorities missing", []string{"user=by_password sslmode=verify-full sslrootcert=/none/such", password}, []string{"/none/such"}},
		{"file of authorities empty", []string{"user=by_password sslmode=verify-full sslrootcert=" + write(t, "x"), password}, []string{"CA", "sslrootcert"}},
		{"key missing", []string{"user=by_certificate", verified, "sslcert=" + certificate}, []string{"sslkey"}},
		{"service missing", []string{"service=none servicefile=" + write(t, "[shop]\n")}, []string{"none", "PGSERVICEFILE"}},
	} {
		t.Run(tt.name, func(t *testing.T) { s.as(t, tt.pairs...).refused(tt.words...) })
	}
	// The server's refusal can be overtaken by its end of the connection, so that
	// one attempt alone may not tell.
	t.Run("client certificate expired", func(t *testing.T) {
		old, oldKey := s.authority.Issue(t, "by_certificate", time.Now().Add(-time.Hour))
		l := s.as(t, "user=by_certificate", verified, "sslcert="+old, "sslkey="+oldKey)
		p, err := cdc.New(l.cfg, l.deps())
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "a certificate that is valid and signed by an authority in the server's ssl_ca_file") {
			t.Errorf("Run = %v", err)
		}
	})
	t.Run("server without TLS", func(t *testing.T) {
		l := s.as(t, "user=by_password sslmode=require", password, "host=127.0.0.1 port="+strconv.Itoa(localpgtest.Shared(t).Port()))
		l.refused("turn ssl on at the server")
	})
	t.Run("certificate expired", func(t *testing.T) {
		s.present(t, time.Now().Add(-time.Hour))
		s.as(t, "user=by_password", verified, password).refused("expired", "renew the server's certificate")
	})
}

// Of two servers the first is a standby: a publisher that asks for a primary goes
// to the other, and waits where there is none.
func TestPublisherFindsThePrimary(t *testing.T) {
	s := newLogins(t)
	standby := s.standby(t)
	hosts := fmt.Sprintf("host=localhost,localhost port=%d,%d user=by_password sslmode=verify-full sslrootcert=%s password=%s",
		standby.Port(), s.server.Port(), s.authority.Root, loginPassword)
	for i, wanted := range []string{"primary", "read-write"} {
		t.Run(wanted, func(t *testing.T) {
			s.as(t, hosts, "target_session_attrs="+wanted).publishes(100 * i)
		})
	}
	t.Run("none", func(t *testing.T) {
		l := s.as(t, hosts, "target_session_attrs=primary")
		l.cfg.DSN = strings.Replace(l.cfg.DSN, fmt.Sprintf(",%d ", s.server.Port()), fmt.Sprintf(",%d ", standby.Port()), 1)
		l.cfg.StartupTimeout = 100 * time.Millisecond
		p, err := cdc.New(l.cfg, l.deps())
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Run(t.Context()); !errors.Is(err, cdc.ErrUnreachable) || strings.Contains(err.Error()+l.log.String(), loginPassword) {
			t.Errorf("Run = %v", err)
		}
	})
}

// standby makes a physical standby of the server, from a copy of its files.
func (s *logins) standby(t *testing.T) *localpg.Server {
	t.Helper()
	standby := localpgtest.New(t, localpg.Config{})
	for _, server := range []*localpg.Server{s.server, standby} {
		if err := server.Halt(t.Context(), localpg.Fast); err != nil {
			t.Fatal(err)
		}
	}
	data := standby.DataDir()
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	for _, files := range [][2]string{
		{s.server.DataDir(), data},
		{filepath.Join(data, "PG_VERSION"), filepath.Join(data, "standby.signal")},
	} {
		if out, err := exec.CommandContext(t.Context(), "cp", "-a", files[0], files[1]).CombinedOutput(); err != nil {
			t.Fatalf("copy %s: %v\n%s", files[0], err, out)
		}
	}
	settings, err := os.OpenFile(filepath.Join(data, "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(settings, "primary_conninfo = 'host=%s port=%d user=postgres'\n", s.server.Dir(), s.server.Port())
	if err := errors.Join(err, settings.Close()); err != nil {
		t.Fatal(err)
	}
	for _, server := range []*localpg.Server{s.server, standby} {
		if err := server.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.conn = connect(t, s.cfg.DSN)
	return standby
}
