package rig

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// manners are how a receiver behaves.
type manners struct {
	name string
	// takes is true if the answer has a 2xx status. The delivery is then done, provided that the sender receives the
	// answer.
	takes  bool
	answer func(http.ResponseWriter, *http.Request)
}

var (
	good     = manners{"answers 204", true, answerWith(http.StatusNoContent)}
	hanging  = manners{"never answers", false, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}
	failing  = manners{"answers 500", false, answerWith(http.StatusInternalServerError)}
	departed = manners{"answers 410", false, answerWith(http.StatusGone)}

	badManners = []manners{
		hanging, failing,
		{"takes half a second", true, takeHalfASecond},
		{"drips its header", false, dripHeader},
		{"drips its body", true, dripBody},
		{"sends an endless body", true, sendEndlessBody},
		{"announces more than it sends", true, sendTooLittle},
		{"resets the connection", false, resetConnection},
		{"answers with a redirect to itself", false, redirectToItself},
		{"answers 429 with a Retry-After", false, askForPatience},
		{"answers what is no HTTP", false, answerNonsense},
	}
)

func answerWith(code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func takeHalfASecond(w http.ResponseWriter, r *http.Request) {
	_ = Pause(r.Context(), 500*time.Millisecond)
	w.WriteHeader(http.StatusNoContent)
}

// drip is slow enough to exceed the time limit of any request.
const drip = 100 * time.Millisecond

func dripHeader(w http.ResponseWriter, _ *http.Request) {
	conn, err := takeOver(w)
	if err != nil {
		return
	}
	defer conn.Close()
	for _, b := range []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Drip: " + strings.Repeat("drip", 50) + "\r\n\r\n") {
		if _, err := conn.Write([]byte{b}); err != nil || Pause(context.Background(), drip) != nil {
			return
		}
	}
}

func dripBody(w http.ResponseWriter, r *http.Request) {
	for {
		if _, err := fmt.Fprint(w, "drip"); err != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		if Pause(r.Context(), drip) != nil {
			return
		}
	}
}

func sendEndlessBody(w http.ResponseWriter, _ *http.Request) {
	for line := strings.Repeat("spam", 1000); ; {
		if _, err := fmt.Fprint(w, line); err != nil {
			return
		}
	}
}

func sendTooLittle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	fmt.Fprint(w, "That was all.")
}

func resetConnection(w http.ResponseWriter, _ *http.Request) {
	conn, err := takeOver(w)
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // closing the connection now resets it
	}
	conn.Close()
}

func redirectToItself(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", followedPath)
	w.WriteHeader(http.StatusTemporaryRedirect)
}

func askForPatience(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusTooManyRequests)
}

func answerNonsense(w http.ResponseWriter, _ *http.Request) {
	conn, err := takeOver(w)
	if err != nil {
		return
	}
	fmt.Fprint(conn, "SSH-2.0-OpenSSH_9.2\r\n")
	conn.Close()
}

func takeOver(w http.ResponseWriter) (net.Conn, error) {
	conn, _, err := http.NewResponseController(w).Hijack()
	return conn, err
}
