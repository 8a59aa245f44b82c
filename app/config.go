package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/server/token"
	"github.com/postrider/postrider/store"
)

// Config contains every setting, each a flag and an environment variable. Settings are named only here: the command
// line, --help and the error messages below are built from it. The tag "for" names the commands that use a setting;
// see usedBy.
type Config struct {
	DatabaseURL string       `group:"Database:" for:"parts,migrate,secrets,token revoke,demo" env:"DATABASE_URL" placeholder:"URL" help:"URL of a Postgres 15 or newer: postgres://user:password@host/database. Several hosts are tried in order; add target_session_attrs=read-write to reach the primary. Without it, serve starts a local Postgres."`
	Schema      string       `group:"Database:" for:"parts,migrate,roles,secrets,token revoke,demo" env:"POSTRIDER_SCHEMA" default:"postrider" help:"Schema of all tables and functions. Each schema is a Postrider of its own. search_path in DATABASE_URL is ignored."`
	Pooler      store.Pooler `group:"Database:" name:"database-pooler" for:"parts,migrate,secrets,token revoke,demo" env:"POSTRIDER_DATABASE_POOLER" default:"none" help:"Connection pooler that DATABASE_URL leads to: transaction for PgBouncer with pool_mode=transaction and similar poolers, none for Postgres itself and for poolers that keep sessions. See docs/poolers.md."`
	DirectURL   string       `group:"Database:" name:"database-direct-url" for:"parts,migrate,secrets,token revoke,demo" env:"POSTRIDER_DATABASE_DIRECT_URL" placeholder:"URL" help:"URL of the same database without the pooler, to apply migrations and to be notified of deliveries. Without it, a transaction pooler cannot migrate, and workers poll for deliveries once a second."`
	DataDir     string       `group:"Database:" for:"serve,migrate,secrets,token" env:"POSTRIDER_DATA_DIR" placeholder:"DIR" help:"Directory of the local Postgres and of the signing secret generated for it. Default: postrider in the user's data directory; /var/lib/postrider for root."`
	Migrate     bool         `group:"Database:" for:"parts,demo" env:"POSTRIDER_MIGRATE" default:"true" negatable:"" help:"Apply pending migrations at start."`
	SecretKeys  string       `group:"Database:" for:"parts,secrets,demo" env:"POSTRIDER_SECRET_KEYS" placeholder:"KEYS" help:"Keys that encrypt endpoint secrets, headers and URL credentials in the database: comma-separated, each 32 random bytes in base64 (openssl rand -base64 32). The first key encrypts; all keys decrypt. Without keys, the values are stored unencrypted."`

	Listen               string             `group:"API:" for:"api" env:"POSTRIDER_LISTEN" default:"127.0.0.1:8071" help:"Address of the API, as host:port."`
	JWTSecret            string             `group:"API:" for:"api,token,demo" name:"jwt-secret" env:"POSTRIDER_JWT_SECRET" placeholder:"SECRET" help:"Key that signs API tokens. With HS256, HS384 and HS512, a secret of at least 32 bytes (openssl rand -hex 32). With RS256, RS384, RS512 and EdDSA, a private key in PEM, or a public key, which verifies tokens but cannot issue them. \\n stands for a line break. Required with DATABASE_URL; generated and kept for the local Postgres."`
	JWTVerifySecrets     string             `group:"API:" for:"api,token,demo" name:"jwt-verify-secrets" env:"POSTRIDER_JWT_VERIFY_SECRETS" placeholder:"SECRETS" help:"Additional keys that verify API tokens, comma-separated, for the same algorithm as POSTRIDER_JWT_SECRET. To rotate keys, add the next key before it signs, and keep old keys until their tokens have expired."`
	JWTAlgorithm         string             `group:"API:" for:"api,token,demo" name:"jwt-algorithm" env:"POSTRIDER_JWT_ALGORITHM" default:"HS256" help:"Signature algorithm of API tokens: HS256, HS384, HS512, RS256, RS384, RS512 or EdDSA. Tokens with another algorithm are rejected."`
	EndpointsMost        int                `group:"API:" for:"api" name:"endpoints-per-application" env:"POSTRIDER_ENDPOINTS_PER_APPLICATION" default:"1000" help:"Maximum number of endpoints per application. Applications that have more keep them. 0: no limit."`
	EndpointHTTPSOnly    bool               `group:"API:" for:"api" name:"endpoint-https-only" env:"POSTRIDER_ENDPOINT_HTTPS_ONLY" help:"Reject endpoint URLs that are not https."`
	DefaultSignatureType core.SignatureType `group:"API:" for:"api" env:"POSTRIDER_DEFAULT_SIGNATURE_TYPE" default:"hmac256" help:"Signature type for endpoints created without a secret: hmac256 (v1) or ed25519 (v1a)."`

	RetrySchedule       Durations     `group:"Deliveries:" for:"worker" env:"POSTRIDER_RETRY_SCHEDULE" default:"5s,5m,30m,2h,5h,10h,10h" help:"Delays before the retries of a failed delivery, comma-separated. Empty: no retries."`
	RequestTimeout      time.Duration `group:"Deliveries:" for:"worker" env:"POSTRIDER_REQUEST_TIMEOUT" default:"30s" help:"Maximum duration of one attempt, from connecting to reading the response."`
	Concurrency         int           `group:"Deliveries:" for:"worker" env:"POSTRIDER_CONCURRENCY" default:"512" help:"Maximum number of concurrent attempts in this process. Reduced if the open file limit (ulimit -n) is too low."`
	EndpointConcurrency int           `group:"Deliveries:" for:"worker" env:"POSTRIDER_ENDPOINT_CONCURRENCY" default:"64" help:"Maximum number of concurrent attempts per endpoint. Reduced to an eighth while half of POSTRIDER_CONCURRENCY is in use, and to one while three quarters are."`
	PayloadMemoryMiB    int           `group:"Deliveries:" for:"api,worker" name:"payload-memory-mib" env:"POSTRIDER_PAYLOAD_MEMORY_MIB" default:"64" help:"Memory in MiB for payloads above 16 KiB that are being delivered. Request bodies above 16 KiB may use a quarter of it; handling one needs up to five times its size. Deliveries that do not fit wait; requests that do not fit get 503 after 5 s."`
	CircuitFailures     int           `group:"Deliveries:" for:"worker" env:"POSTRIDER_CIRCUIT_FAILURES" default:"20" help:"Consecutive failures that open an endpoint's circuit. While the circuit is open, one delivery at a time is tried until one succeeds; the others wait and keep their retries. 0: never."`
	CircuitWait         time.Duration `group:"Deliveries:" for:"worker" env:"POSTRIDER_CIRCUIT_WAIT" default:"1m" help:"Maximum delay between tries while a circuit is open."`
	DisableAfter        time.Duration `group:"Deliveries:" for:"worker" env:"POSTRIDER_DISABLE_AFTER" default:"120h" help:"Disable an endpoint after it has failed for this long. 0: never."`
	Lease               time.Duration `group:"Deliveries:" for:"worker" env:"POSTRIDER_LEASE" default:"60s" help:"How long a process may hold a delivery that it claimed. After a crash, other processes take over once the lease has expired. At least 1.5 times POSTRIDER_REQUEST_TIMEOUT, and at least 1 s longer."`
	SendTraceParent     bool          `group:"Deliveries:" for:"worker" name:"send-traceparent" env:"POSTRIDER_SEND_TRACEPARENT" help:"Send receivers the header traceparent, the W3C trace context of the attempt. It overrides an endpoint's own header of that name, and is not signed."`

	AllowSubnets  []netip.Prefix `group:"Egress:" for:"worker" env:"POSTRIDER_ALLOW_SUBNETS" placeholder:"CIDRS" help:"Private and other special-purpose subnets that endpoints may use, comma-separated. Default: none; loopback if Postgres is the local one and the API listens on loopback only."`
	ProxyURL      string         `group:"Egress:" for:"worker" name:"proxy-url" env:"POSTRIDER_PROXY_URL" placeholder:"URL" help:"Proxy for requests to endpoints (http, https, socks5 or socks5h), as http://user:password@host:3128. HTTPS_PROXY and similar variables are ignored. Postrider resolves names, checks the addresses and sends the proxy an address; with socks5h, a name."`
	NoProxy       string         `group:"Egress:" for:"worker" env:"POSTRIDER_NO_PROXY" placeholder:"HOSTS" help:"Hosts to reach without the proxy, comma-separated: names, domains such as .example.com, addresses, CIDRs."`
	ProxyResolves bool           `group:"Egress:" for:"worker" env:"POSTRIDER_PROXY_RESOLVES" help:"Send the proxy names instead of addresses. The proxy must then block private addresses itself."`
	CAFile        string         `group:"Egress:" for:"worker" name:"ca-file" env:"POSTRIDER_CA_FILE" placeholder:"FILE" help:"PEM file of certificate authorities to trust for endpoints, in addition to the system's."`

	SourcesFile string `group:"Sources:" for:"consume" env:"POSTRIDER_SOURCES_FILE" placeholder:"FILE" help:"YAML file of the message sources, brokers and the outbox; see docs/consume.md. Default: the outbox only."`
	Sources     string `group:"Sources:" for:"consume" env:"POSTRIDER_SOURCES" placeholder:"YAML" help:"The message sources as YAML text instead of a file."`

	OpsListen   string         `group:"Operation:" for:"parts,healthcheck" env:"POSTRIDER_OPS_LISTEN" default:"127.0.0.1:9071" help:"Address of the health checks GET /livez and GET /readyz, and of GET /metrics for Prometheus, which need no token. If the default address is in use, the process starts without them. Empty: none of them."`
	Pprof       bool           `group:"Operation:" for:"parts" env:"POSTRIDER_PPROF" help:"Serve profiles of the process for go tool pprof, at /debug/pprof/ of POSTRIDER_OPS_LISTEN. They show code, not data, and cost CPU time while they are taken."`
	MetricsApp  bool           `group:"Operation:" for:"api,worker,consume" name:"metrics-application" env:"POSTRIDER_METRICS_APPLICATION" help:"Label the metrics of accepted messages and of deliveries with the application's id. For installations with up to a few hundred applications; see docs/operations.md."`
	StopTimeout time.Duration  `group:"Operation:" for:"api,worker,consume" env:"POSTRIDER_STOP_TIMEOUT" default:"20s" help:"Maximum time to finish requests and attempts in flight when the process stops."`
	StopDelay   *time.Duration `group:"Operation:" for:"api" env:"POSTRIDER_STOP_DELAY" placeholder:"DURATION" help:"How long the API keeps answering after SIGTERM. Meanwhile it reports not ready and closes each connection after its answer, so that load balancers move on. A second signal ends the delay. Default: 5s; 0s at a terminal and with the local Postgres. Supervisors must wait longer than this and POSTRIDER_STOP_TIMEOUT together before they kill the process."`
	LogLevel    slog.Level     `group:"Operation:" for:"parts,migrate,secrets,token revoke,demo" env:"POSTRIDER_LOG_LEVEL" default:"info" help:"Minimum level of log events: debug, info, warn or error."`
	LogFormat   string         `group:"Operation:" for:"parts,migrate,secrets,token revoke,demo" env:"POSTRIDER_LOG_FORMAT" default:"auto" help:"Format of log events: text, json, or auto, which is text on a terminal and json elsewhere."`
}

// Durations is a comma-separated list of durations.
type Durations []time.Duration

// UnmarshalText parses a list such as "5s,5m"; an empty text is an empty list.
func (d *Durations) UnmarshalText(text []byte) error {
	*d = Durations{}
	if len(text) == 0 {
		return nil
	}
	for part := range strings.SplitSeq(string(text), ",") {
		one, err := time.ParseDuration(strings.TrimSpace(part))
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 5s or 10m", part)
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

// leaseSlack is how much longer than an attempt a lease must be. Half of it is time for a claimed delivery to get its
// turn: as many deliveries wait as are in progress, and those that get no turn in that time are given back.
func (c *Config) leaseSlack() time.Duration { return max(leaseSlackMin, c.RequestTimeout/2) }

// checkDatabase checks the settings of the database and of the way there.
func (c *Config) checkDatabase(check func(ok bool, variable, format string, args ...any)) {
	err := store.CheckPooler(c.Pooler)
	check(err == nil, store.PoolerVariable, "%v", err)
	if c.DatabaseURL != "" {
		err := store.CheckURLThrough(c.Pooler, c.DatabaseURL)
		check(err == nil, "DATABASE_URL", "%v", err)
	} else {
		check(c.Pooler != store.PoolerTransaction, store.PoolerVariable, "%s needs DATABASE_URL", c.Pooler)
		check(c.DirectURL == "", store.DirectVariable, "needs DATABASE_URL")
	}
	if c.DirectURL != "" {
		err := store.CheckURL(c.DirectURL)
		check(err == nil, store.DirectVariable, "%v", err)
	}
	err = store.CheckSchema(c.Schema)
	check(err == nil, "POSTRIDER_SCHEMA", "%q: %v", c.Schema, err)
}

// Validate returns an error for every setting that parses but has an invalid value, each under its variable's name.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, variable, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(variable+": "+format, args...))
		}
	}
	c.checkDatabase(check)
	if _, err := token.ParseKey(c.JWTAlgorithm, c.JWTSecret); errors.Is(err, token.ErrAlgorithm) {
		check(false, "POSTRIDER_JWT_ALGORITHM", "%v", err)
	} else if c.JWTSecret != "" {
		check(err == nil, "POSTRIDER_JWT_SECRET", "%v", err)
	}
	_, err := token.ParseKeys(c.JWTAlgorithm, c.JWTVerifySecrets)
	check(err == nil || errors.Is(err, token.ErrAlgorithm), "POSTRIDER_JWT_VERIFY_SECRETS", "%v", err)
	_, err = c.egress()
	check(err == nil, "POSTRIDER_PROXY_URL", "%v", err)
	_, err = c.roots()
	check(err == nil, "POSTRIDER_CA_FILE", "%v", err)
	check(isHostPort(c.Listen), "POSTRIDER_LISTEN", "%q is not host:port", c.Listen)
	check(c.OpsListen == "" || isHostPort(c.OpsListen), "POSTRIDER_OPS_LISTEN", "%q is not host:port", c.OpsListen)
	check(!samePort(c.OpsListen, c.Listen), "POSTRIDER_OPS_LISTEN", "%q has the same port as POSTRIDER_LISTEN, %q; choose another port", c.OpsListen, c.Listen)
	check(!c.Pprof || c.OpsListen != "", "POSTRIDER_PPROF", "needs POSTRIDER_OPS_LISTEN")
	check(len(c.RetrySchedule) <= retriesMax, "POSTRIDER_RETRY_SCHEDULE", "%d retries; at most %d are allowed", len(c.RetrySchedule), retriesMax)
	for _, wait := range c.RetrySchedule {
		check(wait >= 0 && wait <= retryWaitMax, "POSTRIDER_RETRY_SCHEDULE", "%s is not between 0s and %s", wait, retryWaitMax)
	}
	check(c.RequestTimeout > 0 && c.RequestTimeout <= requestTimeoutMax,
		"POSTRIDER_REQUEST_TIMEOUT", "%s is not above 0s and at most %s", c.RequestTimeout, requestTimeoutMax)
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
		"POSTRIDER_DISABLE_AFTER", "%s is not between 0s and %s", c.DisableAfter, disableAfterMax)
	check(c.Lease >= c.RequestTimeout+c.leaseSlack() && c.Lease <= leaseMax,
		"POSTRIDER_LEASE", "%s is not between %s (POSTRIDER_REQUEST_TIMEOUT, %s, plus %s to start and record an attempt) and %s",
		c.Lease, c.RequestTimeout+c.leaseSlack(), c.RequestTimeout, c.leaseSlack(), leaseMax)
	check(c.StopTimeout >= 0 && c.StopTimeout <= stopTimeoutMax,
		"POSTRIDER_STOP_TIMEOUT", "%s is not between 0s and %s", c.StopTimeout, stopTimeoutMax)
	check(c.StopDelay == nil || *c.StopDelay >= 0 && *c.StopDelay <= stopDelayMax,
		"POSTRIDER_STOP_DELAY", "%s is not between 0s and %s", c.StopDelay, stopDelayMax)
	check(c.DefaultSignatureType == core.SignatureHMAC256 || c.DefaultSignatureType == core.SignatureEd25519,
		"POSTRIDER_DEFAULT_SIGNATURE_TYPE", "%q is neither hmac256 nor ed25519", c.DefaultSignatureType)
	_, err = store.ParseSecretKeys(c.SecretKeys)
	check(err == nil, "POSTRIDER_SECRET_KEYS", "%v", err)
	_, err = c.sources()
	check(err == nil, c.sourcesSetting(), "%v", err)
	check(slices.Contains([]string{"auto", "text", "json"}, c.LogFormat), "POSTRIDER_LOG_FORMAT", "%q is not auto, text or json", c.LogFormat)
	return errors.Join(errs...)
}

func (c *Config) schedule() core.RetrySchedule { return core.RetrySchedule(c.RetrySchedule) }

// healthRules are the rules for pausing and disabling failing endpoints. An endpoint is disabled only after at least
// as many failures in a row as a single delivery may have.
func (c *Config) healthRules() core.HealthRules {
	return core.HealthRules{
		CircuitFailures: c.CircuitFailures, CircuitWait: c.CircuitWait,
		DisableAfter: c.DisableAfter, DisableFailures: len(c.RetrySchedule) + 1,
	}
}

// loopbackOnly reports whether the API can be reached from this machine alone.
func (c *Config) loopbackOnly() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
