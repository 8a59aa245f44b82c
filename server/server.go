package server

import (
	"cmp"
	"log/slog"
	"net/http"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/server/token"
)

// Config is what the REST API needs.
type Config struct {
	Service *core.Service
	Keys    core.Idempotency
	Tokens  *token.Authority
	Log     *slog.Logger

	// BodyBytesMax is the most a request's body may hold; 0: 2 MiB.
	BodyBytesMax int64
	// BodyMemory is how many bytes large bodies of all requests may hold at a time; 0: 16 MiB. Handling a request takes
	// up to five times its body.
	BodyMemory int
	// RequestTimeout bounds the work on a request; 0: 30 s. It does not bound how long a client takes
	// to send its body: that is http.Server's ReadTimeout.
	RequestTimeout time.Duration
}

const (
	bodyBytesMax   = 2 << 20 // what existing servers take
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
}

// New makes the one handler that serves it all: the API under /api/v1, its contract and its page.
func New(c Config) http.Handler {
	s := &server{
		handlers: &handlers{c.Service, c.Log}, keys: c.Keys,
		log: c.Log, tokens: c.Tokens, clock: c.Service.Now,
		bytes:   cmp.Or(c.BodyBytesMax, bodyBytesMax),
		timeout: cmp.Or(c.RequestTimeout, requestTimeout),
	}
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

// handlers is the operations of the contract: each turns its request into what core's use case of
// the same name takes, and what that returns into the answer.
type handlers struct {
	service *core.Service
	log     *slog.Logger
}

var _ StrictServerInterface = (*handlers)(nil)
