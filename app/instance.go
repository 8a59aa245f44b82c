package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/delivery"
	"github.com/postrider/postrider/jobs"
	"github.com/postrider/postrider/server"
	"github.com/postrider/postrider/server/token"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/telemetry"
)

// Parts selects the components that a process runs.
type Parts struct{ API, Worker, Jobs, Consume bool }

// component returns the name of the command that runs these parts.
func (p Parts) component() string {
	switch p {
	case Parts{API: true}:
		return "api"
	case Parts{Worker: true}:
		return "worker"
	case Parts{Jobs: true}:
		return "jobs"
	case Parts{Consume: true}:
		return "consume"
	}
	return "serve"
}

// Instance is a running Postrider.
type Instance struct {
	config    Config
	component string // the command that runs it
	log       *slog.Logger
	outages   *outages
	store     *store.Store
	traces    *telemetry.Traces
	metrics   *telemetry.Metrics
	tokens    *token.Authority // nil without the API
	address   net.Addr         // nil without the API
	local     bool             // it runs on its own Postgres

	descriptors descriptors

	fit      fit
	started  bool        // all parts have
	draining atomic.Bool // it was told to stop
	failed   chan error  // the first failure of a part
	stoppers []func()    // stop functions of parts, called concurrently
	closers  []func()    // stop functions of dependencies, in start order
}

// Start starts the parts and what they depend on, and returns once all are ready. ctx bounds the start only; Stop ends
// what was started.
func Start(ctx context.Context, config Config, parts Parts, log *slog.Logger) (*Instance, error) {
	outages := newOutages(log)
	i := &Instance{config: config, component: parts.component(), log: outages.watched(), outages: outages, failed: make(chan error, 1)}
	if err := i.start(ctx, parts); err != nil {
		i.Stop()
		return nil, err
	}
	i.started = true
	return i, nil
}

func (i *Instance) start(ctx context.Context, parts Parts) error {
	if parts.API {
		keys, err := i.config.keys()
		if err != nil {
			return err
		}
		i.tokens = token.New(keys, time.Now)
		if i.config.JWTSecret == publishedSecret {
			i.log.Warn("signing secret published in docker-compose.yml; anyone can issue tokens for any organisation",
				"setting", "POSTRIDER_JWT_SECRET")
		}
	}
	if err := i.startTelemetry(ctx); err != nil {
		return err
	}
	if err := i.openDatabase(ctx); err != nil {
		return err
	}
	if err := i.openStore(ctx); err != nil {
		if !i.local && store.IsUnavailable(err) {
			return databaseAwayError{err}
		}
		return err
	}
	return i.startParts(ctx, parts)
}

// databaseAwayError is a start failure that may pass once the database is back.
type databaseAwayError struct{ error }

func (e databaseAwayError) Unwrap() error { return e.error }

// startParts starts first the parts that others hand work to, and last those that accept work from outside.
func (i *Instance) startParts(ctx context.Context, parts Parts) error {
	i.background(i.store.KeepTime)
	if err := watchPools(i.metrics.Meter(), i.store); err != nil {
		return err
	}
	if err := watchClock(i.metrics.Meter(), i.store); err != nil {
		return err
	}
	i.outages.ready = i.store.Ready
	i.background(i.outages.watch)
	i.fit.log, i.fit.missing, i.fit.behind = i.log, i.store.RightsMissing, i.store.SchemaBehind
	i.background(i.fit.watch)
	if err := i.shareDescriptors(parts); err != nil {
		return err
	}
	if parts.Jobs {
		i.part(func(ctx context.Context) { jobs.Run(ctx, i.store, i.store.Now, i.log) })
		tasks := core.NewTasks(i.store.ForJobs(), i.store.Now)
		i.part(func(ctx context.Context) { jobs.Tasks(ctx, tasks, i.store.Now, i.log) })
		i.part(func(ctx context.Context) { jobs.OperationalEvents(ctx, tasks, i.store.Now, i.log) })
		if err := i.readState(); err != nil {
			return err
		}
	}
	var dispatcher core.Dispatcher
	if parts.Worker {
		worker, err := i.startWorker()
		if err != nil {
			return err
		}
		dispatcher = worker
	}
	if parts.Consume {
		if err := i.startConsumers(dispatcher); err != nil {
			return err
		}
	}
	if parts.API {
		return i.startAPI(ctx, dispatcher)
	}
	return nil
}

// shareDescriptors gives each part its share of the process's file descriptors.
func (i *Instance) shareDescriptors(parts Parts) (err error) {
	sources := 0
	if parts.Consume {
		configured, err := i.config.sources()
		if err != nil {
			return err
		}
		sources = len(configured)
	}
	i.descriptors, err = shareDescriptors(descriptorLimit(), i.store.Connections(), sources)
	if err != nil {
		return err
	}
	if parts.Worker && i.descriptors.attempts < i.config.Concurrency {
		i.log.Warn("concurrency reduced; the open file limit allows fewer attempts", "limit", i.descriptors.limit,
			"configured", i.config.Concurrency, "concurrency", i.descriptors.attempts)
	}
	return nil
}

// background runs something that parts need until they have stopped, and waits for it.
func (i *Instance) background(run func(context.Context)) { i.onStop(started(run)) }

// part runs a part until Stop, which waits for it.
func (i *Instance) part(run func(context.Context)) { i.stoppers = append(i.stoppers, started(run)) }

// started runs something until stop is called; stop waits for it.
func started(run func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	return func() { cancel(); <-done }
}

func (i *Instance) onStop(f func()) { i.closers = append(i.closers, f) }

// fail ends the instance; only the first failure is reported.
func (i *Instance) fail(err error) {
	select {
	case i.failed <- err:
	default:
	}
}

// openStore migrates, connects, and checks keys and partitions before anything is stored.
func (i *Instance) openStore(ctx context.Context) error {
	if i.config.Migrate {
		if err := (store.Migrator{Database: i.config.database(i.component), Log: i.log}).Up(ctx); err != nil {
			return fmt.Errorf("DATABASE_URL: %w", err)
		}
	}
	s, err := i.config.openStore(ctx, i.component, store.Config{Log: i.log, Traces: i.traces.Provider(), Meters: i.metrics.Provider()})
	if err != nil {
		return err
	}
	i.store = s
	i.onStop(s.Close)
	if err := s.CheckRights(ctx); err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	if err := checkSecretKeys(ctx, s, i.log); err != nil {
		return err
	}
	err = jobs.Partitions(ctx, s, s.Now(), i.log)
	if jobs.IsPostponed(err) {
		i.log.Warn("tables in use, such as by a dump; partitions are created later", "error", err)
		return nil
	}
	return err
}

func (i *Instance) startWorker() (core.Dispatcher, error) {
	c := i.config
	roots, err := c.roots()
	if err != nil {
		return nil, fmt.Errorf("POSTRIDER_CA_FILE: %w", err)
	}
	proxy, err := c.egress()
	if err != nil {
		return nil, fmt.Errorf("POSTRIDER_PROXY_URL: %w", err)
	}
	concurrency := min(c.Concurrency, i.descriptors.attempts)
	worker := delivery.New(delivery.Config{
		Concurrency: concurrency, EndpointConcurrency: c.EndpointConcurrency,
		IdleConnections: min(2*concurrency, i.descriptors.idle),
		RequestTimeout:  c.RequestTimeout, Lease: c.Lease, StopTimeout: c.StopTimeout,
		RetrySchedule: c.schedule(), AllowSubnets: i.allowSubnets(), UserAgent: userAgent(),
		Proxy: proxy, Roots: roots, Tracer: i.traces.Tracer(), Meter: i.metrics.Meter(), PayloadBytes: c.PayloadMemoryMiB << 20,
		MeterApplications: c.MetricsApp, SendTraceParent: c.SendTraceParent,
	}, store.NewDeliveryQueue(i.store, c.healthRules()), i.store.Now, i.log)
	i.background(func(ctx context.Context) { i.store.Listen(ctx, worker) })
	i.part(worker.Run)
	return worker, nil
}

// allowSubnets allows webhooks to this machine for users who try Postrider on it. Two conditions must hold: the
// database is the local one, and the API cannot be reached from other machines.
func (i *Instance) allowSubnets() []netip.Prefix {
	if i.config.AllowSubnets == nil && i.loopbackAllowed() {
		return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	return i.config.AllowSubnets
}

func (i *Instance) loopbackAllowed() bool {
	return i.config.AllowSubnets == nil && i.local && i.config.loopbackOnly()
}

// How long a client may take to send a request and read the response. The time to handle a request begins with its
// header, so it must be longer than the time for the body: a client that sends too slowly is told so, and does not
// get a 503 for it.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 20 * time.Second
	handleTimeout     = 30 * time.Second
	writeTimeout      = time.Minute
	idleTimeout       = 2 * time.Minute
	headerBytesMax    = 64 << 10
)

func (i *Instance) startAPI(ctx context.Context, dispatcher core.Dispatcher) error {
	listener, err := listenOn(ctx, i.config.Listen, "POSTRIDER_LISTEN", "pass --listen")
	if err != nil {
		return err
	}
	i.address = listener.Addr()
	listener = newClientListener(server.Listen(listener), i.descriptors.clients)
	s := &http.Server{
		Handler: i.closeWhileDraining(i.handler(dispatcher)), ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytesMax,
		DisableGeneralOptionsHandler: true, // so that OPTIONS * gets CORS headers too
		ErrorLog:                     telemetry.TextLog(i.log, slog.LevelDebug, "client connection failed"),
	}
	go func() {
		if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			i.fail(fmt.Errorf("serve the API: %w", err))
		}
	}()
	i.stoppers = append(i.stoppers, func() { i.stopAPI(s) })
	return nil
}

// handler returns the API's handler; dispatcher is nil in processes without deliveries.
func (i *Instance) handler(dispatcher core.Dispatcher) http.Handler {
	return server.New(server.Config{
		Service: core.NewService(i.store, countingInserter{store.NewMessageInserter(i.store, dispatcher), i.accepted("api")}, i.tokens, i.store.Now, core.EndpointRules{
			SignatureType: i.config.DefaultSignatureType, HTTPSOnly: i.config.EndpointHTTPSOnly,
			EndpointsMost: i.config.EndpointsMost, DomainToASCII: delivery.DomainToASCII,
		}),
		Keys: i.store, Tokens: i.tokens, Log: i.log, RequestTimeout: handleTimeout,
		Tracer: i.traces.Tracer(), Meter: i.metrics.Meter(),
		BodyMemory: i.config.PayloadMemoryMiB << 20 / 4,
	})
}

// stopAPI accepts no more requests and answers those accepted, within the stop timeout.
func (i *Instance) stopAPI(s *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), i.config.StopTimeout)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		i.log.Warn("graceful shutdown timed out; requests in flight cut off", "error", err)
		_ = s.Close() // what it closes is lost anyway
	}
}

// Wait blocks until ctx ends and returns nil, or returns the error of the first part that fails.
func (i *Instance) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-i.failed:
		return err
	}
}

// Stop stops all parts at once, so that a stop takes POSTRIDER_STOP_TIMEOUT rather than a multiple of it. Accepted
// requests are answered, attempts in flight finish, and leases are given back. Deliveries stored in the meantime are
// left to other workers, or to the next start. The local Postgres shuts down last.
func (i *Instance) Stop() {
	var stopping sync.WaitGroup
	for _, stop := range i.stoppers {
		stopping.Go(stop)
	}
	stopping.Wait()
	i.stoppers = nil
	for _, f := range slices.Backward(i.closers) {
		f()
	}
	i.closers = nil
}

// URL returns the base URL of the API.
func (i *Instance) URL() string { return "http://" + i.address.String() }
