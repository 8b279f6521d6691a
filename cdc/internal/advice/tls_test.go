package advice_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"changefeed/cdc/internal/advice"
)

func TestTLSSpeaksOnlyOfWhatWaitingDoesNotHelp(t *testing.T) {
	refused := errors.New("tls error: server refused TLS connection")
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"nothing":                         {nil, ""},
		"network":                         {errors.New("connection reset by peer"), ""},
		"server refuses":                  {fmt.Errorf("connect: %w", refused), "turn ssl on"},
		"then the network does":           {errors.Join(refused, errors.New("connection refused")), ""},
		"then the server says why":        {errors.Join(errors.New("connection refused"), &pgconn.PgError{Code: "57P03"}, refused), ""},
		"authority unknown":               {fmt.Errorf("tls: %w", x509.UnknownAuthorityError{}), "sslrootcert"},
		"of a second host":                {errors.Join(errors.New("connection refused"), x509.UnknownAuthorityError{}), "sslrootcert"},
		"certificate expired":             {x509.CertificateInvalidError{Reason: x509.Expired}, "clock"},
		"certificate of a wrong kind":     {x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign}, "renew"},
		"first host is starting up again": {errors.Join(&pgconn.PgError{Code: "57P03"}, x509.UnknownAuthorityError{}), ""},
	} {
		if got := advice.TLS(tt.err); !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
