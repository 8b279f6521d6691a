package localpg

import "errors"

// ErrUnavailable is wrapped by the errors of [Start] and [Server.Command] that
// mean that this machine lacks a program and it could not be downloaded. A test
// may skip on it; the message says what to install.
var ErrUnavailable = errors.New("not available on this machine")

// ErrStopped is returned by methods of a server that [Server.Stop] has ended,
// and by [Server.Err] of such a server.
var ErrStopped = errors.New("the private PostgreSQL has been stopped")
