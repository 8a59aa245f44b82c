package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// portInUseError means that another process already listens on the port.
type portInUseError struct {
	address string
	remedy  string // what to do instead of stopping that process
}

func (e portInUseError) Error() string {
	_, port, _ := net.SplitHostPort(e.address) // it was validated
	return fmt.Sprintf("Port %s is in use; stop what listens there or %s", port, e.remedy)
}

// listenOn listens on the address that a setting contains.
func listenOn(ctx context.Context, address, setting, remedy string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, portInUseError{address, remedy}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return listener, nil
}

func isHostPort(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// samePort reports whether two addresses have the same port, whatever their hosts; port 0 matches none.
func samePort(a, b string) bool {
	_, one, err := net.SplitHostPort(a)
	if err != nil {
		return false
	}
	_, other, err := net.SplitHostPort(b)
	return err == nil && one == other && one != "0"
}
