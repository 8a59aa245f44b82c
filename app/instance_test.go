package app

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// A client that sent its body too slowly used to get a 503, as if it were our fault.
func TestWhoSendsItsBodyTooSlowlyIsToldSo(t *testing.T) {
	t.Parallel()
	if readTimeout >= handleTimeout || handleTimeout >= writeTimeout {
		t.Errorf("the body may take %s, the work until %s, the answer until %s", readTimeout, handleTimeout, writeTimeout)
	}
	w := newWorld(t)
	w.populate(t)
	s := httptest.NewUnstartedServer(w.handler)
	s.Config.ReadTimeout = 200 * time.Millisecond
	s.Start()
	t.Cleanup(s.Close)
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /api/v1/app HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n{", w.tokens[false])
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusBadRequest {
		t.Errorf("answered %d: %s, %v", answer.StatusCode, text, err)
	}
}
