// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"net"
	"sync"
)

// forward hands every connection through to target. While nothing listens there, a connection is
// closed at once.
func forward(l net.Listener, target string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return // closed
		}
		go func() {
			backend, err := net.Dial("tcp", target) //nolint:noctx // it ends with the process
			if err != nil {
				_ = c.Close()
				return
			}
			splice(c.(*net.TCPConn), backend.(*net.TCPConn))
		}()
	}
}

// splice copies both ways, passes on each side's end, and closes both.
func splice(a, b *net.TCPConn) {
	var both sync.WaitGroup
	half := func(to, from *net.TCPConn) {
		_, _ = io.Copy(to, from) // an error is the end of the connection
		_ = to.CloseWrite()
	}
	both.Go(func() { half(a, b) })
	both.Go(func() { half(b, a) })
	both.Wait()
	_ = a.Close()
	_ = b.Close()
}
