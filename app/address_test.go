package app

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"
)

func TestPortInUseIsToldWithARemedy(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	var out, errs bytes.Buffer
	code := Main(t.Context(), []string{"listen", taken.Addr().String()}, &out, &errs)
	if want := "postrider: Port " + port + " is in use; stop what listens there or pass another address\n"; code != exitFailed || errs.String() != want {
		t.Errorf("exit %d, printed %q, want %q", code, errs.String(), want)
	}
	i := &Instance{config: Config{Listen: taken.Addr().String()}}
	want := "Port " + port + " is in use; stop what listens there or pass --listen"
	if err := i.startAPI(t.Context(), nil); err == nil || err.Error() != want {
		t.Errorf("%v, want %q", err, want)
	}
	if _, err := listenOn(t.Context(), "192.0.2.1:0", "POSTRIDER_LISTEN", ""); err == nil || errors.As(err, new(portInUseError)) ||
		!strings.HasPrefix(err.Error(), "POSTRIDER_LISTEN: ") {
		t.Errorf("another failure: %v", err)
	}
}
