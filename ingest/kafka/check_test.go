package kafka

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/postrider/postrider/ingest"
)

// wantSaid checks that an error contains all of these texts, or that there is no error.
func wantSaid(t testing.TB, err error, want ...string) {
	t.Helper()
	if (err == nil) != (len(want) == 0) {
		t.Errorf("the error is %v, want one that says %q", err, want)
		return
	}
	for _, part := range want {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error is %q, and does not say %q", err, part)
		}
	}
}

func TestCheckNamesWhatDoesNotExist(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	wantSaid(t, b.source(t, b.dial).Check(t.Context()))
	if b.fake != nil && b.fake.GroupInfo(b.config.Group) != nil {
		t.Error("a check joined the group")
	}
	b.config.Topics = append(b.config.Topics, "nowhere")
	b.config.DeadLetterTopic = "nowhere-either"
	wantSaid(t, b.source(t, b.dial).Check(t.Context()),
		"topics: nowhere does not exist", "dead_letter_topic: nowhere-either does not exist")
}

// own returns a plain source, which dials as configured.
func own(t testing.TB, c Config, log *slog.Logger) *Source {
	t.Helper()
	s, err := New(c, log)
	if err != nil {
		t.Fatal(err)
	}
	s.poll = 500 * time.Millisecond
	t.Cleanup(func() { closeSource(t, s) })
	return s
}

// secured starts a fake with accounts and TLS, and returns the configuration of a valid consumer.
func secured(t testing.TB, accounts ...kfake.Opt) Config {
	t.Helper()
	ca, certificate := certify(t)
	options := append([]kfake.Opt{
		kfake.EnableSASL(), kfake.SeedTopics(partitions, "orders", "dead"),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}),
	}, accounts...)
	b := &broker{}
	b.startFake(t, options...)
	return Config{
		Brokers: b.config.Brokers, Topics: []string{"orders"}, Group: "postrider", DeadLetterTopic: "dead",
		TLS: &ingest.TLS{CAFile: ca},
	}
}

// certify creates a certificate for this machine, and the file of the authority that signed it.
func certify(t testing.TB) (caFile string, certificate tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return caFile, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	for mechanism, theirs := range map[string]string{
		"plain": "PLAIN", "scram-sha-256": "SCRAM-SHA-256", "scram-sha-512": "SCRAM-SHA-512",
	} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			c := secured(t, kfake.Superuser(theirs, "rider", "open sesame"))
			c.SASL = &SASL{Mechanism: mechanism, Username: "rider", Password: "open sesame"}
			s := own(t, c, slog.New(slog.DiscardHandler))
			wantSaid(t, s.Check(t.Context()))
			produce(t, c, s)
			receive(t, s)

			var log journal
			c.SASL = &SASL{Mechanism: mechanism, Username: "rider", Password: "shut sesame"}
			s = own(t, c, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
			// This fake disconnects clients with a wrong password.
			wantSaid(t, s.Check(t.Context()), "brokers: they hang up", "sasl")
			_, err := s.Receive(t.Context())
			wantSaid(t, err, "brokers: they hang up", "sasl")
			if strings.Contains(log.String(), "sesame") {
				t.Errorf("the password is in the log: %s", &log)
			}

			c.TLS.CAFile, _ = certify(t)
			wantSaid(t, own(t, c, slog.New(slog.DiscardHandler)).Check(t.Context()), "brokers: tls: ca_file", "certificate")
		})
	}
}

// produce publishes a message to the first topic with a consumer's account.
func produce(t testing.TB, c Config, s *Source) {
	t.Helper()
	client, err := kgo.NewClient(s.options...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: c.Topics[0], Value: []byte("1")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// These are Kafka's own responses, which the fake does not give.
func TestAccountsThatAreRefused(t *testing.T) {
	t.Parallel()
	for want, refuse := range map[string]func(kmsg.Request) (kmsg.Response, error, bool){
		"sasl: the brokers refuse the username or the password": func(r kmsg.Request) (kmsg.Response, error, bool) {
			answer, ok := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
			if ok {
				answer.ErrorCode = kerr.SaslAuthenticationFailed.Code
			}
			return answer, nil, ok
		},
		"sasl.mechanism: the brokers do not take scram-sha-256": func(r kmsg.Request) (kmsg.Response, error, bool) {
			answer, ok := r.ResponseKind().(*kmsg.SASLHandshakeResponse)
			if ok {
				answer.ErrorCode = kerr.UnsupportedSaslMechanism.Code
			}
			return answer, nil, ok
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			b := &broker{}
			b.startFake(t, kfake.EnableSASL())
			b.fake.Control(func(r kmsg.Request) (kmsg.Response, error, bool) {
				b.fake.KeepControl()
				return refuse(r)
			})
			s := own(t, Config{
				Brokers: b.config.Brokers, Topics: []string{"orders"}, Group: "postrider", DeadLetterTopic: "dead",
				SASL: &SASL{Mechanism: "scram-sha-256", Username: "rider", Password: "sesame"},
			}, slog.New(slog.DiscardHandler))
			wantSaid(t, s.Check(t.Context()), want)
			_, err := s.Receive(t.Context())
			wantSaid(t, err, want)
		})
	}
}

// The error names the permissions that an account lacks.
func TestCheckNamesWhatIsNotAllowed(t *testing.T) {
	t.Parallel()
	allow := func(resource kmsg.ACLResourceType, name string, operation kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{
			Resource: resource, Name: name, Operation: operation, Allow: true,
			Pattern: kmsg.ACLResourcePatternTypeLiteral,
		}
	}
	const topic, group = kmsg.ACLResourceTypeTopic, kmsg.ACLResourceTypeGroup
	const readIt, writeIt, describe = kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe
	for name, test := range map[string]struct {
		acls []kfake.ACL
		want []string
	}{
		"all that is needed": {[]kfake.ACL{
			allow(topic, "orders", readIt), allow(topic, "dead", writeIt), allow(group, "postrider", readIt),
		}, nil},
		"nothing": {nil, []string{
			"topics: orders may not be read", "dead_letter_topic: dead may not be written to", "group: postrider may not be used",
		}},
		"to look only": {[]kfake.ACL{
			allow(topic, "orders", describe), allow(topic, "dead", describe), allow(group, "postrider", describe),
		}, []string{
			"topics: orders may not be read", "dead_letter_topic: dead may not be written to", "group: postrider may not be used",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := secured(t, kfake.EnableACLs(), kfake.User("PLAIN", "rider", "sesame", test.acls...))
			c.SASL = &SASL{Mechanism: "plain", Username: "rider", Password: "sesame"}
			wantSaid(t, own(t, c, slog.New(slog.DiscardHandler)).Check(t.Context()), test.want...)
		})
	}
}

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
