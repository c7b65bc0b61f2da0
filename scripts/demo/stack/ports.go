package stack

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// rtpPorts is how many ports the bridge gets for its phones: two per call.
const rtpPorts = 400

// freePorts returns ports of loopback that are free for both UDP and TCP. They
// are free now: whoever needs one takes it soon.
func freePorts(n int) ([]int, error) {
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		if tries > 100*n {
			return nil, errors.New("no free ports")
		}
		tcp, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		port := tcp.Addr().(*net.TCPAddr).Port
		udp, err := net.ListenPacket("udp4", fmt.Sprintf(":%d", port))
		if err == nil {
			ports = append(ports, port)
			defer udp.Close() // held to the end, so that no port is found twice
		}
		defer tcp.Close()
	}
	return ports, nil
}

// freeRange returns the first of n consecutive UDP ports that are free, below
// those the system hands out itself.
func freeRange(n int) (int, error) {
	for range 50 {
		first := 10000 + 2*rand.IntN((32000-10000-n)/2)
		if rangeFree(first, n) {
			return first, nil
		}
	}
	return 0, fmt.Errorf("no %d free UDP ports in a row", n)
}

func rangeFree(first, n int) bool {
	for port := first; port < first+n; port++ {
		c, err := net.ListenPacket("udp4", fmt.Sprintf(":%d", port))
		if err != nil {
			return false
		}
		c.Close()
	}
	return true
}
