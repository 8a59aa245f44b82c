package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/telemetry"
)

const (
	// opsListenDefault is the address of health checks, unless another one is configured or this one is in use.
	opsListenDefault = "127.0.0.1:9071"

	// readyFor is how long an answer of the database is valid, so that any number of probes costs it one write a
	// second.
	readyFor = time.Second

	// readyTimeout is how long the database has to answer: as long as most probes would wait.
	readyTimeout = 2 * time.Second

	// opsConnections is how many probes may be connected at a time. Their descriptors are part of descriptorsOwn.
	opsConnections = 8

	opsTimeout   = 5 * time.Second
	opsHeaderMax = 8 << 10
)

// ops answers operators, apart from the API's clients: whether the process is alive and ready, its metrics, and
// profiles if they are enabled.
type ops struct {
	log      *slog.Logger
	address  net.Addr // nil: no listener
	server   *http.Server
	database *probe
	instance atomic.Pointer[Instance] // nil: the parts have not started
	profiles http.Handler             // nil: not served
}

// startOps listens on the configured address. It does so before anything else is started, so that a process that
// waits for its database is alive and not ready.
func startOps(ctx context.Context, c Config, log *slog.Logger) (*ops, error) {
	o := &ops{log: log}
	o.database = newProbe(func(ctx context.Context) error { return o.instance.Load().store.Ready(ctx) })
	if c.OpsListen == "" {
		return o, nil
	}
	listener, err := listenOn(ctx, c.OpsListen, "POSTRIDER_OPS_LISTEN", "pass --ops-listen")
	switch {
	case err == nil:
	case c.OpsListen == opsListenDefault:
		log.Warn("health checks disabled; the default address is in use", "address", c.OpsListen, "error", err)
		return o, nil
	default:
		return nil, err
	}
	o.address = listener.Addr()
	if c.Pprof {
		o.serveProfiles()
	}
	o.server = &http.Server{
		Handler: o.handler(), ReadTimeout: opsTimeout, WriteTimeout: opsTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: opsHeaderMax,
		ErrorLog: telemetry.TextLog(log, slog.LevelDebug, "health check connection failed"),
	}
	o.server.SetKeepAlivesEnabled(false) // otherwise a few probers with open connections would lock out the others
	go o.serve(newClientListener(listener, opsConnections))
	return o, nil
}

func (o *ops) serve(listener net.Listener) {
	if err := o.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		o.log.Error("health check server failed; probes get no answer", "error", err)
	}
}

func (o *ops) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { writeHealth(w, health{Status: "ok"}) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { writeHealth(w, o.ready()) })
	mux.HandleFunc("GET /metrics", o.metrics)
	if o.profiles != nil {
		mux.Handle("GET "+profilesPath, o.profiles)
	}
	return mux
}

// metrics serves the metrics once the parts have started.
func (o *ops) metrics(w http.ResponseWriter, r *http.Request) {
	if i := o.instance.Load(); i != nil {
		i.metrics.Handler().ServeHTTP(w, r)
		return
	}
	writeHealth(w, health{Status: "unavailable", Failed: "starting"})
}

// started marks the process as ready, as far as that depends on its parts.
func (o *ops) started(i *Instance) { o.instance.Store(i) }

// stop closes the listener, last of all. Nobody waits for its answers.
func (o *ops) stop() {
	if o.server != nil {
		_ = o.server.Close() // there is nothing to lose
	}
}

// text returns the listener's address, or "" if there is none.
func (o *ops) text() string {
	if o.address == nil {
		return ""
	}
	return o.address.String()
}

// health is the answer to a probe. It contains no address and quotes no error, because a prober need not be trusted.
type health struct {
	Status string `json:"status"`           // ok or unavailable
	Failed string `json:"failed,omitempty"` // the failed check
	Cause  string `json:"cause,omitempty"`  // of the database: an SQLSTATE, or that it does not answer; otherwise a number of things
}

func writeHealth(w http.ResponseWriter, h health) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if h.Failed != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(h) // fails only if the client has disconnected
}

func (o *ops) ready() health {
	i := o.instance.Load()
	switch {
	case i == nil:
		return health{Status: "unavailable", Failed: "starting"}
	case i.draining.Load():
		return health{Status: "unavailable", Failed: "draining"}
	}
	if unfit := i.fit.failed.Load(); unfit != nil { // says more than the SQLSTATE of a write that fails for the same reason
		return *unfit
	}
	if err := o.database.ask(); err != nil {
		cause, _ := store.OutageCause(err)
		return health{Status: "unavailable", Failed: "database", Cause: cause}
	}
	return health{Status: "ok"}
}

// probe is a check that concurrent callers share.
type probe struct {
	check func(context.Context) error
	turn  chan struct{} // holds one element while no check runs

	at  time.Time // when the last check was made
	err error
}

func newProbe(check func(context.Context) error) *probe {
	p := &probe{check: check, turn: make(chan struct{}, 1)}
	p.turn <- struct{}{}
	return p
}

// ask returns what the check found within the last readyFor, or finds now. Concurrent callers block and share the answer.
func (p *probe) ask() error {
	<-p.turn
	defer func() { p.turn <- struct{}{} }()
	if !p.at.IsZero() && time.Since(p.at) < readyFor {
		return p.err
	}
	// Not the caller's context: other callers have not hung up.
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	p.err = p.check(ctx)
	p.at = time.Now()
	return p.err
}
