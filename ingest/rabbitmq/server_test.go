package rabbitmq

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	docker "github.com/moby/moby/client"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/testcontainers/testcontainers-go"

	"github.com/postrider/postrider/ingest/rabbitmq/rabbitmqtest"
)

// server is a RabbitMQ server.
type server struct {
	container testcontainers.Container // nil: not ours
	given     *url.URL                 // its URL if it is not ours
}

// sharedServer is the server that most tests use, each with its own queues.
var sharedServer = sync.OnceValues(func() (*server, error) {
	if text := os.Getenv("E2E_RABBITMQ_URL"); text != "" {
		given, err := url.Parse(text)
		return &server{given: given}, err
	}
	return startServer()
})

func theServer(t testing.TB) *server {
	t.Helper()
	s, err := sharedServer()
	orSkip(t, err)
	return s
}

// ownServer returns a server for one test, which may do anything with it.
func ownServer(t testing.TB) *server {
	t.Helper()
	if os.Getenv("E2E_RABBITMQ_URL") != "" {
		t.Skip("the server that E2E_RABBITMQ_URL names is others', too")
	}
	theServer(t) // checks once whether a server is available
	s, err := startServer()
	orSkip(t, err)
	t.Cleanup(func() { endServers(s.container) })
	return s
}

func orSkip(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := "there is no RabbitMQ to test on: " + strings.ReplaceAll(err.Error(), "\n", " ")
	if os.Getenv("E2E_BACKEND") == "docker" {
		t.Fatal("E2E_BACKEND=docker: " + text)
	}
	t.Skip(text)
}

// started are the running containers. It is locked while one starts, so that a container that is just starting is
// stopped too.
var started struct {
	sync.Mutex
	containers []testcontainers.Container
}

// endServers ends the given servers, or all if none are given.
func endServers(containers ...testcontainers.Container) {
	started.Lock()
	defer started.Unlock()
	var others []testcontainers.Container
	for _, c := range started.containers {
		if len(containers) > 0 && !slices.Contains(containers, c) {
			others = append(others, c)
			continue
		}
		if err := testcontainers.TerminateContainer(c, testcontainers.StopTimeout(0)); err != nil {
			fmt.Fprintln(os.Stderr, "rabbitmq: end a container:", err)
		}
	}
	started.containers = others
}

func startServer() (*server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	s := &server{}
	if err := s.run(ctx); err != nil {
		return nil, err
	}
	err := s.awaitUp(ctx)
	return s, err
}

func (s *server) run(ctx context.Context) (err error) {
	started.Lock()
	defer started.Unlock()
	if s.container, err = rabbitmqtest.Run(ctx); s.container != nil {
		started.containers = append(started.containers, s.container)
	}
	return err
}

// awaitUp waits until the server accepts a login.
func (s *server) awaitUp(ctx context.Context) error {
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		conn, err := s.dial(ctx)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it does not let anybody in: %w", err)
		case <-poll.C:
		}
	}
}

// address returns the server's address. The container engine chooses another port at each start.
func (s *server) address(ctx context.Context) (string, error) {
	if s.given != nil {
		return s.given.Host, nil
	}
	return s.container.PortEndpoint(ctx, rabbitmqtest.Port, "")
}

// urlAt returns the server's URL for an address.
func (s *server) urlAt(address string) string {
	u := url.URL{Scheme: "amqp", User: url.UserPassword("guest", "guest"), Path: "/"}
	if s.given != nil {
		u = *s.given
	}
	u.Host = address
	return u.String()
}

func (s *server) dial(ctx context.Context) (*amqp.Connection, error) {
	address, err := s.address(ctx)
	if err != nil {
		return nil, err
	}
	return amqp.DialConfig(s.urlAt(address), amqp.Config{
		Dial: amqp.DefaultDial(5 * time.Second), FrameSize: amqp.FrameSizeUnlimited, // but for the server's own
	})
}

// tell runs rabbitmqctl.
func (s *server) tell(t testing.TB, words ...string) {
	t.Helper()
	code, output, err := s.container.Exec(t.Context(), append([]string{"rabbitmqctl"}, words...))
	if err != nil {
		t.Fatal(err)
	}
	if code != 0 {
		text, _ := io.ReadAll(output)
		t.Fatalf("rabbitmqctl %s: %s", strings.Join(words, " "), text)
	}
}

// kill ends the server like a power cut.
func (s *server) kill(t testing.TB) {
	t.Helper()
	engine, err := testcontainers.NewDockerProvider()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = engine.Close() }()
	id := s.container.GetContainerID()
	waiting := engine.Client().ContainerWait(t.Context(), id, docker.ContainerWaitOptions{})
	if _, err := engine.Client().ContainerKill(t.Context(), id, docker.ContainerKillOptions{Signal: "SIGKILL"}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-waiting.Result:
	case err := <-waiting.Error:
		t.Fatal(err)
	}
}

// stop ends the server cleanly.
func (s *server) stop(t testing.TB) {
	t.Helper()
	grace := patience
	if err := s.container.Stop(t.Context(), &grace); err != nil {
		t.Fatal(err)
	}
}

func (s *server) start(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	if err := s.container.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.awaitUp(ctx); err != nil {
		t.Fatal(err)
	}
}
