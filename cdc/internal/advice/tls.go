package advice

import (
	"crypto/x509"
	"errors"
	"net"
	"strings"

	"changefeed/cdc/internal/sqlstate"
)

// TLS says what to do where one side does not accept the other's certificate, or
// will not encrypt; "" for any other error, and where a server has said why it
// refuses. Waiting does not help there.
func TLS(err error) string {
	if err == nil || sqlstate.Of(err) != "" {
		return ""
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "set sslrootcert in dsn to a file with the certificate of the authority that has signed the server's"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "set host in dsn to a name that the server's certificate holds, or renew that certificate with this name; " +
			"sslmode=verify-ca in dsn accepts any name"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if invalid.Reason == x509.Expired {
			return "renew the server's certificate (its ssl_cert_file), or that of its authority (sslrootcert in dsn); or set the clock right"
		}
		return "renew the server's certificate (its ssl_cert_file), or set sslrootcert in dsn to that of its authority"
	}
	if alert, ok := errors.AsType[*net.OpError](err); ok && alert.Op == "remote error" && strings.Contains(alert.Error(), "certificate") {
		return "set sslcert and sslkey in dsn to a certificate that is valid and signed by an authority in the server's ssl_ca_file"
	}
	// The library has no type for it. Where it is not the last attempt, one without
	// TLS has followed, and counts.
	text := err.Error()
	if strings.Contains(text[strings.LastIndexByte(text, '\n')+1:], "server refused TLS connection") {
		return "turn ssl on at the server; or set sslmode=disable in dsn, where nobody listens in between"
	}
	return ""
}
