//go:build !linux

package bench

import (
	"errors"
	"net"
)

// canGather tells whether the system has low-water marks that are kept to.
const canGather = false

func setLowWater(net.Conn, int) error { return errors.ErrUnsupported }
