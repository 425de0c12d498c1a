package userfunction

import (
	"encoding/binary"
	"net"
	"syscall"
)

// tcpEstablished is the kernel's state of a connection of which neither end was closed (include/net/tcp_states.h).
const tcpEstablished = 1

// socketEnded asks the kernel whether the peer's end of the connection (FIN or RST) has arrived, read or not. It is not
// certain when the kernel cannot be asked.
func socketEnded(conn net.Conn) (ended, certain bool) {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return false, false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return true, true // closed by ourselves
	}
	var start int
	var failure error
	err = raw.Control(func(fd uintptr) {
		start, failure = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO)
	})
	if err != nil {
		return true, true
	}
	if failure != nil {
		return false, false
	}
	// The first byte of struct tcp_info is the state; more was not asked for.
	return binary.NativeEndian.AppendUint32(nil, uint32(start))[0] != tcpEstablished, true
}
