package localpgtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"changefeed/internal/localpg"
)

// Authority signs certificates.
type Authority struct {
	// Root is the file with its own certificate.
	Root string

	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewAuthority makes an authority that nobody knows yet.
func NewAuthority(tb testing.TB) *Authority {
	tb.Helper()
	a := &Authority{key: newKey(tb), Root: filepath.Join(tb.TempDir(), "root.crt")}
	a.certificate = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority " + rand.Text()},
		NotBefore: longAgo, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.sign(tb, a.certificate, &a.key.PublicKey, a.Root)
	return a
}

// longAgo is when certificates begin to be valid.
var longAgo = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)

// Issue makes a certificate of a common name, which is a role's for a client, and
// of host names for a server. It returns the files with it and its key.
func (a *Authority) Issue(tb testing.TB, name string, expires time.Time, hosts ...string) (certificate, key string) {
	tb.Helper()
	dir := tb.TempDir()
	certificate, key = filepath.Join(dir, "certificate.crt"), filepath.Join(dir, "certificate.key")
	private := newKey(tb)
	a.sign(tb, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: hosts,
		NotBefore: longAgo, NotAfter: expires,
	}, &private.PublicKey, certificate)
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	writePEM(tb, key, "PRIVATE KEY", encoded)
	return certificate, key
}

func (a *Authority) sign(tb testing.TB, template *x509.Certificate, public *ecdsa.PublicKey, path string) {
	tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, public, a.key)
	if err != nil {
		tb.Fatal(err)
	}
	writePEM(tb, path, "CERTIFICATE", der)
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func writePEM(tb testing.TB, path, kind string, content []byte) {
	tb.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// ServeTLS makes a server of the test's own take TLS connections with a
// certificate, and clients' certificates that an authority has signed. Lines of
// pg_hba.conf take the place of what it had, after them the superuser may connect
// through the socket. The server is restarted.
func ServeTLS(tb testing.TB, server *localpg.Server, clients *Authority, certificate, key string, hba ...string) {
	tb.Helper()
	install(tb, server, "server.crt", readFile(tb, certificate))
	install(tb, server, "server.key", readFile(tb, key))
	install(tb, server, "clients.crt", readFile(tb, clients.Root))
	install(tb, server, "pg_hba.conf", []byte(strings.Join(append(hba, "local all postgres trust", ""), "\n")))
	conn, err := pgx.Connect(tb.Context(), server.DSN("postgres"))
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(tb.Context())
	for _, sql := range []string{"ALTER SYSTEM SET ssl = on", "ALTER SYSTEM SET ssl_ca_file = 'clients.crt'"} {
		if _, err := conn.Exec(tb.Context(), sql); err != nil {
			tb.Fatalf("%s: %v", sql, err)
		}
	}
	if err := server.Restart(tb.Context(), localpg.Fast); err != nil {
		tb.Fatal(err)
	}
}

func readFile(tb testing.TB, path string) []byte {
	tb.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return content
}

// install writes a file of the data directory, which has to belong to the account
// that the server runs as: so it begins as a copy of one that does.
func install(tb testing.TB, server *localpg.Server, name string, content []byte) {
	tb.Helper()
	path := filepath.Join(server.DataDir(), name)
	if out, err := exec.CommandContext(tb.Context(), "cp", "-p", filepath.Join(server.DataDir(), "PG_VERSION"), path).CombinedOutput(); err != nil {
		tb.Fatalf("make %s: %v\n%s", name, err, out)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		tb.Fatal(err)
	}
}
