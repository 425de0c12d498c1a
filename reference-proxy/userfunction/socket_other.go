//go:build !linux

package userfunction

import "net"

// socketEnded cannot tell here.
func socketEnded(net.Conn) (ended, certain bool) { return false, false }
