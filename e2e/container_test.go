package e2e

import (
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/api/types/container"
	docker "github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/network"
	"github.com/testcontainers/testcontainers-go/wait"
)

// receiversHost is this machine as containers see it.
const receiversHost = "host.docker.internal"

// TestKilledWorkerContainerLosesNothing runs what is deployed: the images, each component in a
// container of its own, on a network with Postgres.
func TestKilledWorkerContainerLosesNothing(t *testing.T) {
	t.Parallel()
	ownProcesses(t)
	if !demandsDocker() {
		t.Skip("building the images takes minutes on a machine that never did: set E2E_BACKEND=docker")
	}
	s := newStack(t, "api", "worker")
	gate := newGate(t)
	l := &load{client: s.api(t).tenant(t), messages: 1000, senders: 8}
	l.app = l.application(t)
	receiver := newReceiverAt(t, "0.0.0.0:0", receiversHost, gate.answer)
	receiver.endpoint(t, l.client, l.app)

	survivor := s.worker(t)
	s.pause(t, survivor) // so that the gate holds nothing but the victim's requests
	victim := s.worker(t)
	accepted := l.background(t)
	underWay := gate.awaitHeld(t, 1)
	s.kill(t, victim)
	s.unpause(t, survivor)
	gate.open()
	receiver.survived(t, accepted(), underWay)
}

// stack is a Postgres that containers on its network reach, and what they are started with.
type stack struct {
	engine  *testcontainers.DockerProvider
	images  map[string]string // by component
	network *testcontainers.DockerNetwork
	server  *containerPostgres
	env     map[string]string
	labels  map[string]string
}

func newStack(t *testing.T, components ...string) *stack {
	t.Helper()
	s := &stack{images: map[string]string{}, env: map[string]string{}, labels: labels()}
	s.engine = must(testcontainers.NewDockerProvider())(t)
	t.Cleanup(func() { done(t, s.engine.Close()) })
	for _, component := range components {
		s.build(t, component)
	}
	s.network = must(network.New(t.Context(), network.WithLabels(s.labels)))(t)
	testcontainers.CleanupNetwork(t, s.network)
	postgres := must(runPostgres(t.Context(), network.WithNetwork([]string{"postgres"}, s.network), testcontainers.WithLabels(s.labels)))(t)
	testcontainers.CleanupContainer(t, postgres)
	s.server = &containerPostgres{postgres, s.engine}
	// Where containers listen is the image's business; the machine's address is a private one.
	for _, setting := range append(shortLeases, "DATABASE_URL=postgres://postgres:postgres@postgres/postgres?sslmode=disable",
		secretSetting, "POSTRIDER_ALLOW_SUBNETS=10.0.0.0/8,172.16.0.0/12,192.168.0.0/16") {
		name, value, _ := strings.Cut(setting, "=")
		s.env[name] = value
	}
	return s
}

// building is held by whoever builds: of two tests that need the same, the second finds it made.
var building sync.Mutex

// build builds a component's image under a name of its own. What it is made of stays with the engine,
// which makes the next build a short one.
func (s *stack) build(t *testing.T, component string) {
	t.Helper()
	var log strings.Builder
	request := testcontainers.ContainerRequest{FromDockerfile: testcontainers.FromDockerfile{
		Context: "..", Dockerfile: "deploy/Dockerfile", Repo: "postrider-e2e", Tag: component + "-" + random(),
		BuildArgs: map[string]*string{}, BuildLogWriter: &log,
		BuildOptionsModifier: func(o *docker.ImageBuildOptions) { o.Target, o.Labels = component, s.labels },
	}}
	if goImage := os.Getenv("GO_IMAGE"); goImage != "" {
		request.BuildArgs["GO_IMAGE"] = &goImage
	}
	building.Lock()
	name, err := s.engine.BuildImage(t.Context(), &request)
	building.Unlock()
	if err != nil {
		t.Fatalf("build the image of %s: %v\n%s", component, err, tail(log.String()))
	}
	t.Cleanup(func() {
		options := docker.ImageRemoveOptions{Force: true, PruneChildren: true}
		if _, err := s.engine.Client().ImageRemove(context.Background(), name, options); err != nil {
			t.Error(err)
		}
	})
	s.images[component] = name
}

func (s *stack) api(t *testing.T) service {
	t.Helper()
	const port = "8071/tcp"
	api := s.run(t, "api", testcontainers.WithExposedPorts(port),
		testcontainers.WithWaitStrategy(wait.ForHTTP("/api/v1/health").WithPort(port).WithStartupTimeout(patience)))
	return service{url: must(api.PortEndpoint(t.Context(), port, "http"))(t), settings: []string{secretSetting}}
}

func (s *stack) worker(t *testing.T) testcontainers.Container {
	t.Helper()
	return s.run(t, "worker", testcontainers.WithWaitStrategy(wait.ForLog("msg=ready").WithStartupTimeout(patience)))
}

// run starts a container of the component's image as it is, and shows its log if the test fails.
func (s *stack) run(t *testing.T, component string, more ...testcontainers.ContainerCustomizer) testcontainers.Container {
	t.Helper()
	options := append([]testcontainers.ContainerCustomizer{
		network.WithNetwork(nil, s.network), testcontainers.WithEnv(s.env), testcontainers.WithLabels(s.labels),
		testcontainers.WithHostConfigModifier(func(c *container.HostConfig) {
			c.ExtraHosts = []string{receiversHost + ":host-gateway"}
		}),
	}, more...)
	started, err := testcontainers.Run(t.Context(), s.images[component], options...)
	testcontainers.CleanupContainer(t, started)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("container of %s:\n%s", component, logOf(started))
		}
	})
	return started
}

func logOf(c testcontainers.Container) string {
	log, err := c.Logs(context.Background())
	if err != nil {
		return err.Error()
	}
	defer log.Close()
	var text strings.Builder
	if _, err := io.Copy(&text, log); err != nil {
		return err.Error()
	}
	return tail(text.String())
}
