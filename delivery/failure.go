package delivery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Prefixes of the failure texts. Tools that read attempts look for them.
const (
	inRequest = "error making request: "
	inName    = "error resolving name: "
	tooLate   = "request timed out: "
)

// failure is an error whose text is shown to the endpoint's owner: it says which stage failed, and names nothing of
// ours. Library errors contain addresses and URLs, so they are never passed on.
type failure struct{ text string }

func (f *failure) Error() string { return f.text }

// late says for each stage what did not happen in time, and broken what went wrong.
var (
	late = map[stage]string{
		preparing:  "nothing was sent",
		resolving:  "the name was not resolved",
		connecting: "no connection",
		proxying:   "no connection by the proxy",
		tunneling:  "no connection by the proxy",
		securing:   "no TLS handshake",
		sending:    "the request was not taken",
		awaiting:   "no answer",
		answering:  "no whole answer",
	}
	broken = map[stage]string{
		preparing:  "the endpoint's URL or one of its headers cannot be sent",
		resolving:  "the name was not resolved",
		connecting: "no connection",
		proxying:   "no connection by the proxy",
		tunneling:  "no connection by the proxy",
		securing:   "TLS: the handshake failed",
		sending:    "the connection was closed before the request was sent",
		awaiting:   "the connection was closed before an answer",
		answering:  "the answer's header is malformed, or longer than 64 KiB",
	}
)

// reason returns the text that tells the endpoint's owner why there was no response, based on the stage that failed.
func (t *trip) reason(err error, timeout time.Duration) string {
	if e, ok := errors.AsType[*blockedError](err); ok {
		return e.Error()
	}
	if errors.Is(err, errBlocked) {
		return errBlocked.Error()
	}
	if f, ok := errors.AsType[*failure](err); ok {
		return f.text
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return tooLate + late[t.stage()] + " within " + timeout.String()
	}
	if text := tlsText(err); text != "" {
		return inRequest + text
	}
	if t.stage() == answering && isNetwork(err) {
		return inRequest + "the connection was closed in the middle of the answer's header"
	}
	return inRequest + broken[t.stage()]
}

func resolveFailure(err error) error {
	name, ok := errors.AsType[*net.DNSError](err)
	switch {
	case !ok:
		return &failure{inName + "it is no name"}
	case name.IsNotFound:
		return &failure{inName + "no such host: " + name.Name}
	case name.IsTimeout:
		return &failure{inName + "the name server did not answer: " + name.Name}
	}
	return &failure{inName + "the name server failed: " + name.Name}
}

func connectFailure(err error) error {
	switch {
	case errors.Is(err, errBlocked):
		return errBlocked
	case ranOut(err):
		return context.DeadlineExceeded
	case errors.Is(err, syscall.ECONNREFUSED):
		return &failure{inRequest + "connection refused"}
	case errors.Is(err, syscall.ETIMEDOUT):
		return &failure{inRequest + "connecting timed out"}
	case errors.Is(err, syscall.EHOSTUNREACH):
		return &failure{inRequest + "host unreachable"}
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		return &failure{inRequest + "network unreachable"}
	}
	return &failure{inRequest + broken[connecting]}
}

// ranOut reports whether err says that the attempt's time is over. A socket with its own deadline may notice before
// the context does.
func ranOut(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

// tlsText says what went wrong in a TLS handshake. It returns "" for any other error.
func tlsText(err error) string {
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return "TLS: the certificate is for another name than " + e.Host
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if e.Reason == x509.Expired {
			return "TLS: the certificate has expired, or is not valid yet"
		}
		return "TLS: the certificate is not valid"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "TLS: the certificate is of an unknown authority"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "TLS: the certificate is not valid"
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "remote error" {
		return "TLS: the server refused the connection: " + strings.TrimPrefix(e.Err.Error(), "tls: ") // its alert
	}
	if isPlain(err) {
		return "TLS: the server does not speak it on this port"
	}
	return ""
}

// isPlain reports whether the server answered a TLS handshake with something else.
func isPlain(err error) bool {
	_, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok
}

// isNetwork reports whether err is a broken connection, as opposed to a malformed answer.
func isNetwork(err error) bool {
	_, ok := errors.AsType[net.Error](err)
	return ok || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
