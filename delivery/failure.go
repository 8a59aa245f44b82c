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

// Classes of failures without a response. Metrics and spans have them as error.type, so they are few and constant.
const (
	classRequest     = "invalid_request" // the endpoint's URL or one of its headers cannot be sent
	className        = "name_resolution"
	classBlocked     = "blocked_address"
	classRefused     = "connection_refused"
	classUnreachable = "unreachable"
	classConnect     = "connection_failed"
	classProxy       = "proxy" // it did not connect to the endpoint
	classCertificate = "certificate_invalid"
	classTLS         = "tls"
	classClosed      = "connection_closed" // without a response
	classResponse    = "invalid_response"
	classTimeout     = "timeout" // at any stage
)

// failure is an error whose text is shown to the endpoint's owner: it says which stage failed, and names nothing of
// ours. Library errors contain addresses and URLs, so they are never passed on.
type failure struct{ class, text string }

func (f *failure) Error() string { return f.text }

// late says for each stage what did not happen in time, and broken what went wrong and of which class that is.
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
	broken = map[stage]failure{
		preparing:  {classRequest, inRequest + "the endpoint's URL or one of its headers cannot be sent"},
		resolving:  {className, inRequest + "the name was not resolved"},
		connecting: {classConnect, inRequest + "no connection"},
		proxying:   {classProxy, inRequest + "no connection by the proxy"},
		tunneling:  {classProxy, inRequest + "no connection by the proxy"},
		securing:   {classTLS, inRequest + "TLS: the handshake failed"},
		sending:    {classClosed, inRequest + "the connection was closed before the request was sent"},
		awaiting:   {classClosed, inRequest + "the connection was closed before an answer"},
		answering:  {classResponse, inRequest + "the answer's header is malformed, or longer than 64 KiB"},
	}
)

// failure tells the endpoint's owner why there was no response, based on the stage that failed.
func (t *trip) failure(err error, timeout time.Duration) failure {
	if e, ok := errors.AsType[*blockedError](err); ok {
		return failure{classBlocked, e.Error()}
	}
	if errors.Is(err, errBlocked) {
		return failure{classBlocked, errBlocked.Error()}
	}
	if f, ok := errors.AsType[*failure](err); ok {
		return *f
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return failure{classTimeout, tooLate + late[t.stage()] + " within " + timeout.String()}
	}
	if class, text := tlsFailure(err); class != "" {
		return failure{class, inRequest + text}
	}
	if t.stage() == answering && isNetwork(err) {
		return failure{classClosed, inRequest + "the connection was closed in the middle of the answer's header"}
	}
	return broken[t.stage()]
}

func resolveFailure(err error) error {
	name, ok := errors.AsType[*net.DNSError](err)
	switch {
	case !ok:
		return &failure{className, inName + "it is no name"}
	case name.IsNotFound:
		return &failure{className, inName + "no such host: " + name.Name}
	case name.IsTimeout:
		return &failure{className, inName + "the name server did not answer: " + name.Name}
	}
	return &failure{className, inName + "the name server failed: " + name.Name}
}

func connectFailure(err error) error {
	switch {
	case errors.Is(err, errBlocked):
		return errBlocked
	case ranOut(err):
		return context.DeadlineExceeded
	case errors.Is(err, syscall.ECONNREFUSED):
		return &failure{classRefused, inRequest + "connection refused"}
	case errors.Is(err, syscall.ETIMEDOUT):
		return &failure{classTimeout, inRequest + "connecting timed out"}
	case errors.Is(err, syscall.EHOSTUNREACH):
		return &failure{classUnreachable, inRequest + "host unreachable"}
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		return &failure{classUnreachable, inRequest + "network unreachable"}
	}
	return new(broken[connecting])
}

// ranOut reports whether err says that the attempt's time is over. A socket with its own deadline may notice before
// the context does.
func ranOut(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

// tlsFailure says what went wrong in a TLS handshake, and of which class that is. It returns "" for any other error.
func tlsFailure(err error) (class, text string) {
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return classCertificate, "TLS: the certificate is for another name than " + e.Host
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if e.Reason == x509.Expired {
			return classCertificate, "TLS: the certificate has expired, or is not valid yet"
		}
		return classCertificate, "TLS: the certificate is not valid"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return classCertificate, "TLS: the certificate is of an unknown authority"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return classCertificate, "TLS: the certificate is not valid"
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "remote error" {
		return classTLS, "TLS: the server refused the connection: " + strings.TrimPrefix(e.Err.Error(), "tls: ") // its alert
	}
	if isPlain(err) {
		return classTLS, "TLS: the server does not speak it on this port"
	}
	return "", ""
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
