package server

import (
	"cmp"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	notraces "go.opentelemetry.io/otel/trace/noop"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/server/token"
)

// Config configures the REST API.
type Config struct {
	Service *core.Service
	Keys    core.Idempotency
	Tokens  *token.Authority
	Log     *slog.Logger

	// BodyBytesMax is the maximum size of a request body. The default is 2 MiB.
	BodyBytesMax int64
	// BodyMemory is the total size in bytes of all large request bodies held at a time. The default is 16 MiB. Handling
	// a request takes up to five times the memory of its body.
	BodyMemory int
	// RequestTimeout limits the time spent on a request. The default is 30 s. It does not limit how long a client takes
	// to send its body; http.Server's ReadTimeout does.
	RequestTimeout time.Duration
	// Tracer traces requests. If it is nil, they are not traced, and a trace of the client continues with the attempts.
	Tracer trace.Tracer
	// Meter measures requests. If it is nil, they are not measured.
	Meter metric.Meter
}

const (
	bodyBytesMax   = 2 << 20 // the limit of existing servers
	bodyMemory     = 16 << 20
	requestTimeout = 30 * time.Second
)

type server struct {
	handlers *handlers
	keys     core.Idempotency
	log      *slog.Logger
	tokens   *token.Authority
	clock    func() time.Time
	bytes    int64
	bodies   *bodies
	timeout  time.Duration
	routes   *routes
	tracer   trace.Tracer
	metrics  metrics
}

// New returns the handler for the API under /api/v1, its contract and its documentation page.
func New(c Config) http.Handler {
	s := &server{
		handlers: &handlers{c.Service, c.Log}, keys: c.Keys,
		log: c.Log, tokens: c.Tokens, clock: c.Service.Now,
		bytes:   cmp.Or(c.BodyBytesMax, bodyBytesMax),
		timeout: cmp.Or(c.RequestTimeout, requestTimeout),
	}
	if c.Meter == nil {
		c.Meter = noop.NewMeterProvider().Meter("")
	}
	if s.tracer = c.Tracer; s.tracer == nil {
		s.tracer = notraces.NewTracerProvider().Tracer("")
	}
	s.metrics = newMetrics(c.Meter)
	s.bodies = newBodies(cmp.Or(c.BodyMemory, bodyMemory), s.bytes)
	s.routes = newRoutes(s.authenticated, s.admitted, s.once)
	s.routes.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/docs", http.StatusTemporaryRedirect)
	})
	s.routes.HandleFunc("GET /docs", serveDocs)
	s.routes.HandleFunc("GET /api/v1/openapi.json", serveContract)
	s.register(s.handlers, s.routes)
	return s
}

// register registers every operation of the contract with a router.
func (s *server) register(h *handlers, router ServeMux) {
	strict := NewStrictHandlerWithOptions(h, nil, StrictHTTPServerOptions{
		RequestErrorHandlerFunc: s.fail, ResponseErrorHandlerFunc: s.fail,
	})
	HandlerWithOptions(strict, StdHTTPServerOptions{BaseRouter: router, ErrorHandlerFunc: s.fail})
}

// handlers implements the operations of the contract. Each converts its request to the input of core's use case of
// the same name, and the result to the answer.
type handlers struct {
	service *core.Service
	log     *slog.Logger
}

var _ StrictServerInterface = (*handlers)(nil)
