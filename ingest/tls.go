package ingest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// TLS configures TLS to a broker, as written in the configuration. The broker's certificate is always verified.
type TLS struct {
	CAFile   string `json:"ca_file"`   // PEM file of certificate authorities, instead of the system's
	CertFile string `json:"cert_file"` // PEM file of our client certificate, for brokers that require one
	KeyFile  string `json:"key_file"`  // PEM file of its key
}

// Config reads the files. It returns nil for a nil t, which means no TLS.
func (t *TLS) Config() (*tls.Config, error) {
	if t == nil {
		return nil, nil //nolint:nilnil // no TLS is what was asked for
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		text, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls: ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("tls: ca_file: %s holds no certificate", t.CAFile)
		}
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, errors.New("tls: cert_file and key_file go together")
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("tls: cert_file, key_file: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// ExplainTLS adds to a connection error how it relates to TLS, if it does. secure reports whether the connection used
// TLS, how names the setting that decides so, and addresses are the brokers as host:port. If the error alone does not
// show the cause, ExplainTLS probes the addresses.
func ExplainTLS(ctx context.Context, err error, secure bool, how string, addresses ...string) error {
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	_, stranger := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case err == nil:
		return nil
	case plain:
		return fmt.Errorf(notTLS, how, err)
	case stranger:
		return fmt.Errorf("tls: ca_file, or without it the system, does not know who signed the broker's certificate: %w", err)
	case name:
		return fmt.Errorf("tls: the broker's certificate is for other names than the one in the configuration: %w", err)
	case invalid:
		return fmt.Errorf("tls: the broker's certificate is not valid: %w", err)
	case refused(err):
		return fmt.Errorf("tls: the broker refuses the handshake; it may want a certificate (cert_file, key_file): %w", err)
	case ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded):
		return err // no address responds
	}
	switch answer := ask(ctx, addresses); {
	case answer == secured && !secure:
		return fmt.Errorf("the port speaks TLS; it needs %s: %w", how, err)
	case answer == plainly && secure:
		return fmt.Errorf(notTLS, how, err)
	case answer == hungUp && secure:
		return fmt.Errorf("the port hangs up at the handshake, as one does that does not speak TLS and needs no %s: %w", how, err)
	}
	return err
}

const notTLS = "the port does not speak TLS; it needs no %s: %w"

// answer is a port's response to a TLS handshake.
type answer int

const (
	silently answer = iota // no response, or unreachable
	secured                // a TLS handshake
	plainly                // anything else
	hungUp
)

// askTimeout is how long ports may take to respond to a handshake: some round trips.
const askTimeout = 2 * time.Second

// ask returns the first response of any address.
func ask(ctx context.Context, addresses []string) answer {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	for _, address := range addresses {
		if answer := askOne(ctx, address); answer != silently {
			return answer
		}
	}
	return silently
}

func askOne(ctx context.Context, address string) answer {
	socket, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return silently
	}
	defer func() { _ = socket.Close() }()
	// Nothing but the handshake is sent, so the certificate need not be verified.
	err = tls.Client(socket, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}).HandshakeContext(ctx)
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case err == nil, refused(err):
		return secured
	case plain:
		return plainly
	case ctx.Err() != nil:
		return silently
	}
	return hungUp
}

// refused reports whether the peer ended a handshake with an alert.
func refused(err error) bool {
	remote, ok := errors.AsType[*net.OpError](err)
	return ok && remote.Op == "remote error"
}
