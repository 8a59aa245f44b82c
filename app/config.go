package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/server"
	"github.com/postrider/postrider/store"
)

// Config is every setting, each a flag and a variable. It is the one place they are named: the
// command line, --help and the refusals below are made of it.
type Config struct {
	DatabaseURL      string `env:"DATABASE_URL" placeholder:"URL" help:"Postgres 15 or newer, as postgres://user:password@host/database; several hosts are tried in turn (target_session_attrs=read-write). Without it, serve, demo and migrate start a local one of their own."`
	Listen           string `env:"POSTRIDER_LISTEN" default:"127.0.0.1:8071" help:"Where the API listens: host:port."`
	DataDir          string `env:"POSTRIDER_DATA_DIR" placeholder:"DIR" help:"Where the local Postgres and the secret generated for it live. By default a directory of your user's data, or /var/lib/postrider for root."`
	JWTSecret        string `name:"jwt-secret" env:"POSTRIDER_JWT_SECRET" placeholder:"SECRET" help:"What API tokens are signed with: a secret of 32 bytes or more (openssl rand -hex 32), or with RS256 and its like and EdDSA a private key as PEM, or a public one, which verifies tokens and makes none. A \\n stands for a line break. Required with a database of your own; generated once and kept for the local one."`
	JWTVerifySecrets string `name:"jwt-verify-secrets" env:"POSTRIDER_JWT_VERIFY_SECRETS" placeholder:"SECRETS" help:"More keys that API tokens are verified with, comma-separated, each like POSTRIDER_JWT_SECRET and of the same algorithm: the next one, before it signs, and old ones until their tokens have expired."`
	JWTAlgorithm     string `name:"jwt-algorithm" env:"POSTRIDER_JWT_ALGORITHM" default:"HS256" help:"How API tokens are signed, and the only way that is accepted: HS256, HS384, HS512, RS256, RS384, RS512 or EdDSA."`
	OpsListen        string `env:"POSTRIDER_OPS_LISTEN" default:"127.0.0.1:9071" help:"Where every component answers health checks, without a token: GET /livez and /readyz. The default gives way to another process that listens there. Empty: nowhere."`
	Migrate          bool   `env:"POSTRIDER_MIGRATE" default:"true" negatable:"" help:"Migrate the database at start."`

	RetrySchedule  Durations      `env:"POSTRIDER_RETRY_SCHEDULE" default:"5s,5m,30m,2h,5h,10h,10h" help:"How long to wait after each failed attempt, comma-separated. Empty: no retry."`
	RequestTimeout time.Duration  `env:"POSTRIDER_REQUEST_TIMEOUT" default:"30s" help:"How long one attempt may take as a whole."`
	AllowSubnets   []netip.Prefix `env:"POSTRIDER_ALLOW_SUBNETS" placeholder:"CIDRS" help:"Private and other special addresses that endpoints may have all the same, comma-separated. By default none; with the local Postgres and a loopback listener, loopback."`

	ProxyURL          string `name:"proxy-url" env:"POSTRIDER_PROXY_URL" placeholder:"URL" help:"A proxy to reach endpoints by: http, https, socks5 or socks5h, as http://user:password@host:3128. HTTPS_PROXY and similar variables are ignored. Names are resolved here, checked, and the proxy is given the address; with socks5h it is given the name."`
	NoProxy           string `env:"POSTRIDER_NO_PROXY" placeholder:"HOSTS" help:"What is reached without the proxy, comma-separated: names, domains as .example.com, addresses, CIDRs."`
	ProxyResolves     bool   `env:"POSTRIDER_PROXY_RESOLVES" help:"Give the proxy names rather than addresses. It must then keep endpoints from private addresses itself."`
	CAFile            string `name:"ca-file" env:"POSTRIDER_CA_FILE" placeholder:"FILE" help:"Certificate authorities, as PEM, that endpoints' certificates may be of beside those that the system trusts."`
	EndpointsMost     int    `name:"endpoints-per-application" env:"POSTRIDER_ENDPOINTS_PER_APPLICATION" default:"1000" help:"How many endpoints an application may have. One that has more keeps them. 0: any number."`
	EndpointHTTPSOnly bool   `name:"endpoint-https-only" env:"POSTRIDER_ENDPOINT_HTTPS_ONLY" help:"Refuse endpoints that are not https."`

	Concurrency         int            `env:"POSTRIDER_CONCURRENCY" default:"512" help:"Attempts under way at a time in this process; fewer if its limit of open files (ulimit -n) does not allow as many."`
	EndpointConcurrency int            `env:"POSTRIDER_ENDPOINT_CONCURRENCY" default:"64" help:"Of those, to any one endpoint; an eighth of that once half of all are under way, and one once three quarters are."`
	PayloadMemoryMiB    int            `name:"payload-memory-mib" env:"POSTRIDER_PAYLOAD_MEMORY_MIB" default:"64" help:"Memory for payloads over 16 KiB that are being delivered, in MiB. Request bodies of that size get a quarter of it, and handling one takes up to five times its size. What does not fit waits its turn; requests get 503 after 5 s."`
	CircuitFailures     int            `env:"POSTRIDER_CIRCUIT_FAILURES" default:"20" help:"After so many failures in a row an endpoint is tried with one delivery at a time, now and then, until one succeeds. The others wait, and that does not count as failing. 0: never."`
	CircuitWait         time.Duration  `env:"POSTRIDER_CIRCUIT_WAIT" default:"1m" help:"How long to wait between those tries, at most."`
	DisableAfter        time.Duration  `env:"POSTRIDER_DISABLE_AFTER" default:"120h" help:"An endpoint that has been failing for so long is disabled. 0: never."`
	Lease               time.Duration  `env:"POSTRIDER_LEASE" default:"60s" help:"How long a delivery is kept for the process that took it. After a crash, that long until another takes over. At least half as long again as POSTRIDER_REQUEST_TIMEOUT, and a second longer."`
	StopTimeout         time.Duration  `env:"POSTRIDER_STOP_TIMEOUT" default:"20s" help:"How long a stop waits for requests and attempts under way."`
	StopDelay           *time.Duration `env:"POSTRIDER_STOP_DELAY" placeholder:"DURATION" help:"How long the API goes on answering after SIGTERM, not ready and with Connection: close, so that load balancers move on before it closes. A second signal ends the delay. By default 5s; 0 at a terminal and with the local Postgres. Give the process longer to stop than this and POSTRIDER_STOP_TIMEOUT together."`

	DefaultSignatureType core.SignatureType `env:"POSTRIDER_DEFAULT_SIGNATURE_TYPE" default:"hmac256" help:"Signature type for endpoints created without a secret: hmac256 (v1), or ed25519 (v1a)."`
	SecretKeys           string             `env:"POSTRIDER_SECRET_KEYS" placeholder:"KEYS" help:"Keys that encrypt endpoints' secrets, headers, and users and passwords in URLs in the database, comma-separated, each the base64 of 32 random bytes: openssl rand -base64 32. The first encrypts, all decrypt. Without it they are stored as they are."`

	SourcesFile string `env:"POSTRIDER_SOURCES_FILE" placeholder:"FILE" help:"Where messages come from besides the API: brokers, and the outbox, as YAML; see docs/consume.md. By default the outbox alone."`
	Sources     string `env:"POSTRIDER_SOURCES" placeholder:"YAML" help:"The same as a text instead of a file."`

	LogLevel  slog.Level `env:"POSTRIDER_LOG_LEVEL" default:"info" help:"debug, info, warn or error."`
	LogFormat string     `env:"POSTRIDER_LOG_FORMAT" default:"text" help:"text or json."`
}

// Durations is a comma-separated list of durations.
type Durations []time.Duration

// UnmarshalText reads "5s,5m"; nothing is an empty list.
func (d *Durations) UnmarshalText(text []byte) error {
	*d = Durations{}
	if len(text) == 0 {
		return nil
	}
	for part := range strings.SplitSeq(string(text), ",") {
		one, err := time.ParseDuration(strings.TrimSpace(part))
		if err != nil {
			return fmt.Errorf("%q is no duration such as 5s or 10m", part)
		}
		*d = append(*d, one)
	}
	return nil
}

const (
	retriesMax        = 50
	retryWaitMax      = 7 * 24 * time.Hour
	requestTimeoutMax = 5 * time.Minute
	concurrencyMax    = 10_000
	leaseMax          = time.Hour
	leaseSlackMin     = time.Second
	stopTimeoutMax    = time.Hour
	stopDelayMax      = 10 * time.Minute

	payloadMemoryMin = 8 // MiB: a body of the largest size fits into a quarter
	payloadMemoryMax = 1 << 16

	endpointsMax       = 1_000_000
	circuitFailuresMax = 1_000_000
	circuitWaitMax     = time.Hour
	disableAfterMax    = 365 * 24 * time.Hour
)

// leaseSlack is by how much a lease must be longer than an attempt. Half of it is for a claimed delivery to get its turn:
// as many wait as are under way, and what gets no turn in that time is given back.
func (c *Config) leaseSlack() time.Duration { return max(leaseSlackMin, c.RequestTimeout/2) }

// Validate refuses what parses but makes no sense, all of it at once, by the variables' names.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, variable, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(variable+": "+format, args...))
		}
	}
	if c.DatabaseURL != "" {
		err := store.CheckURL(c.DatabaseURL)
		check(err == nil, "DATABASE_URL", "%v", err)
	}
	if _, err := server.ParseKey(c.JWTAlgorithm, c.JWTSecret); errors.Is(err, server.ErrAlgorithm) {
		check(false, "POSTRIDER_JWT_ALGORITHM", "%v", err)
	} else if c.JWTSecret != "" {
		check(err == nil, "POSTRIDER_JWT_SECRET", "%v", err)
	}
	_, err := server.ParseKeys(c.JWTAlgorithm, c.JWTVerifySecrets)
	check(err == nil || errors.Is(err, server.ErrAlgorithm), "POSTRIDER_JWT_VERIFY_SECRETS", "%v", err)
	_, err = c.egress()
	check(err == nil, "POSTRIDER_PROXY_URL", "%v", err)
	_, err = c.roots()
	check(err == nil, "POSTRIDER_CA_FILE", "%v", err)
	check(isHostPort(c.Listen), "POSTRIDER_LISTEN", "%q is no host:port", c.Listen)
	check(c.OpsListen == "" || isHostPort(c.OpsListen), "POSTRIDER_OPS_LISTEN", "%q is no host:port", c.OpsListen)
	check(!samePort(c.OpsListen, c.Listen), "POSTRIDER_OPS_LISTEN", "%q has the port of POSTRIDER_LISTEN, %q", c.OpsListen, c.Listen)
	check(len(c.RetrySchedule) <= retriesMax, "POSTRIDER_RETRY_SCHEDULE", "at most %d retries", retriesMax)
	for _, wait := range c.RetrySchedule {
		check(wait >= 0 && wait <= retryWaitMax, "POSTRIDER_RETRY_SCHEDULE", "%s is not between 0 and %s", wait, retryWaitMax)
	}
	check(c.RequestTimeout > 0 && c.RequestTimeout <= requestTimeoutMax,
		"POSTRIDER_REQUEST_TIMEOUT", "%s is not between 0 and %s", c.RequestTimeout, requestTimeoutMax)
	check(c.Concurrency > 0 && c.Concurrency <= concurrencyMax,
		"POSTRIDER_CONCURRENCY", "%d is not between 1 and %d", c.Concurrency, concurrencyMax)
	check(c.EndpointConcurrency > 0 && c.EndpointConcurrency <= concurrencyMax,
		"POSTRIDER_ENDPOINT_CONCURRENCY", "%d is not between 1 and %d", c.EndpointConcurrency, concurrencyMax)
	check(c.PayloadMemoryMiB >= payloadMemoryMin && c.PayloadMemoryMiB <= payloadMemoryMax,
		"POSTRIDER_PAYLOAD_MEMORY_MIB", "%d is not between %d and %d", c.PayloadMemoryMiB, payloadMemoryMin, payloadMemoryMax)
	check(c.EndpointsMost >= 0 && c.EndpointsMost <= endpointsMax,
		"POSTRIDER_ENDPOINTS_PER_APPLICATION", "%d is not between 0 and %d", c.EndpointsMost, endpointsMax)
	check(c.CircuitFailures >= 0 && c.CircuitFailures <= circuitFailuresMax,
		"POSTRIDER_CIRCUIT_FAILURES", "%d is not between 0 and %d", c.CircuitFailures, circuitFailuresMax)
	check(c.CircuitWait >= core.CircuitWaitLeast && c.CircuitWait <= circuitWaitMax,
		"POSTRIDER_CIRCUIT_WAIT", "%s is not between %s and %s", c.CircuitWait, core.CircuitWaitLeast, circuitWaitMax)
	check(c.DisableAfter >= 0 && c.DisableAfter <= disableAfterMax,
		"POSTRIDER_DISABLE_AFTER", "%s is not between 0 and %s", c.DisableAfter, disableAfterMax)
	check(c.Lease >= c.RequestTimeout+c.leaseSlack() && c.Lease <= leaseMax,
		"POSTRIDER_LEASE", "%s is not between %s (POSTRIDER_REQUEST_TIMEOUT of %s, and %s to begin and record an attempt) and %s",
		c.Lease, c.RequestTimeout+c.leaseSlack(), c.RequestTimeout, c.leaseSlack(), leaseMax)
	check(c.StopTimeout >= 0 && c.StopTimeout <= stopTimeoutMax,
		"POSTRIDER_STOP_TIMEOUT", "%s is not between 0 and %s", c.StopTimeout, stopTimeoutMax)
	check(c.StopDelay == nil || *c.StopDelay >= 0 && *c.StopDelay <= stopDelayMax,
		"POSTRIDER_STOP_DELAY", "it is not between 0 and %s", stopDelayMax)
	check(c.DefaultSignatureType == core.SignatureHMAC256 || c.DefaultSignatureType == core.SignatureEd25519,
		"POSTRIDER_DEFAULT_SIGNATURE_TYPE", "%q is neither hmac256 nor ed25519", c.DefaultSignatureType)
	_, err = store.ParseSecretKeys(c.SecretKeys)
	check(err == nil, "POSTRIDER_SECRET_KEYS", "%v", err)
	_, err = c.sources()
	check(err == nil, c.sourcesSetting(), "%v", err)
	check(c.LogFormat == "text" || c.LogFormat == "json", "POSTRIDER_LOG_FORMAT", "%q is neither text nor json", c.LogFormat)
	return errors.Join(errs...)
}

func isHostPort(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// samePort reports whether two addresses have the same port, whatever their hosts; 0 is any.
func samePort(a, b string) bool {
	_, one, err := net.SplitHostPort(a)
	if err != nil {
		return false
	}
	_, other, err := net.SplitHostPort(b)
	return err == nil && one == other && one != "0"
}

func (c *Config) schedule() core.RetrySchedule { return core.RetrySchedule(c.RetrySchedule) }

// healthRules are when endpoints that fail are left alone. One is disabled after no fewer failures in a row
// than a single delivery may have.
func (c *Config) healthRules() core.HealthRules {
	return core.HealthRules{
		CircuitFailures: c.CircuitFailures, CircuitWait: c.CircuitWait,
		DisableAfter: c.DisableAfter, DisableFailures: len(c.RetrySchedule) + 1,
	}
}

// loopbackOnly tells whether the API can be reached from this machine alone.
func (c *Config) loopbackOnly() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
