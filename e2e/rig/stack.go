package rig

import (
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	docker "github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/network"
	"github.com/testcontainers/testcontainers-go/wait"
)

// ReceiversHost is the name of this machine inside containers.
const ReceiversHost = "host.docker.internal"

// Stack is a container network with Postgres, and the components' images and settings.
type Stack struct {
	engine  *testcontainers.DockerProvider
	images  map[string]string // by component
	network *testcontainers.DockerNetwork
	server  *containerPostgres
	env     map[string]string
	labels  map[string]string
}

// NewStack builds the components' images, and starts Postgres on a network for them.
func NewStack(t *testing.T, components ...string) *Stack {
	t.Helper()
	s := &Stack{images: map[string]string{}, env: map[string]string{}, labels: labels()}
	s.engine = Must(testcontainers.NewDockerProvider())(t)
	t.Cleanup(func() { NoError(t, s.engine.Close()) })
	for _, component := range components {
		s.build(t, component)
	}
	s.network = Must(network.New(t.Context(), network.WithLabels(s.labels)))(t)
	testcontainers.CleanupNetwork(t, s.network)
	postgres := Must(runPostgres(t.Context(), network.WithNetwork([]string{"postgres"}, s.network), testcontainers.WithLabels(s.labels)))(t)
	testcontainers.CleanupContainer(t, postgres)
	s.server = &containerPostgres{postgres, s.engine}
	// The image sets the listen address. This machine has a private address as seen from the containers.
	for _, setting := range append(ShortLeases, "DATABASE_URL=postgres://postgres:postgres@postgres/postgres?sslmode=disable",
		SecretSetting, "POSTRIDER_ALLOW_SUBNETS=10.0.0.0/8,172.16.0.0/12,192.168.0.0/16") {
		name, value, _ := strings.Cut(setting, "=")
		s.env[name] = value
	}
	return s
}

// building is held during a build: of two tests that need the same image, the second finds it built.
var building sync.Mutex

// build builds a component's image under a name of its own. Its layers stay in the container engine and speed up the
// next build.
func (s *Stack) build(t *testing.T, component string) {
	t.Helper()
	var log strings.Builder
	request := testcontainers.ContainerRequest{FromDockerfile: testcontainers.FromDockerfile{
		Context: "..", Dockerfile: "deploy/Dockerfile", Repo: "postrider-e2e", Tag: component + "-" + Random(),
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
		t.Fatalf("build the image of %s: %v\n%s", component, err, Tail(log.String()))
	}
	t.Cleanup(func() {
		options := docker.ImageRemoveOptions{Force: true, PruneChildren: true}
		if _, err := s.engine.Client().ImageRemove(context.Background(), name, options); err != nil {
			t.Error(err)
		}
	})
	s.images[component] = name
}

// API starts a container of the API.
func (s *Stack) API(t *testing.T) Service {
	t.Helper()
	const port = "8071/tcp"
	api := s.run(t, "api", testcontainers.WithExposedPorts(port),
		testcontainers.WithWaitStrategy(wait.ForHTTP("/api/v1/health").WithPort(port).WithStartupTimeout(Patience)))
	return Service{URL: Must(api.PortEndpoint(t.Context(), port, "http"))(t), Settings: []string{SecretSetting}}
}

// Worker starts a container of a worker, and waits until it is ready.
func (s *Stack) Worker(t *testing.T) testcontainers.Container {
	t.Helper()
	return s.run(t, "worker", testcontainers.WithWaitStrategy(wait.ForLog(`"msg":"ready"`).WithStartupTimeout(Patience)))
}

// run starts a container of the unmodified component image, and shows the container's log if the test fails.
func (s *Stack) run(t *testing.T, component string, more ...testcontainers.ContainerCustomizer) testcontainers.Container {
	t.Helper()
	options := append([]testcontainers.ContainerCustomizer{
		network.WithNetwork(nil, s.network), testcontainers.WithEnv(s.env), testcontainers.WithLabels(s.labels),
		testcontainers.WithHostConfigModifier(func(c *container.HostConfig) {
			c.ExtraHosts = []string{ReceiversHost + ":host-gateway"}
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
	return Tail(text.String())
}

// pastLease is longer than the lease of ShortLeases.
const pastLease = 4500 * time.Millisecond

// Disconnect takes a container off the network for longer than a lease.
func (s *Stack) Disconnect(t *testing.T, c testcontainers.Container) {
	t.Helper()
	engine, ctx := s.engine.Client(), t.Context()
	Must(engine.NetworkDisconnect(ctx, s.network.ID, docker.NetworkDisconnectOptions{Container: c.GetContainerID()}))(t)
	NoError(t, Pause(ctx, pastLease))
	Must(engine.NetworkConnect(ctx, s.network.ID, docker.NetworkConnectOptions{Container: c.GetContainerID()}))(t)
}

// Freeze pauses a container for longer than a lease.
func (s *Stack) Freeze(t *testing.T, c testcontainers.Container) {
	t.Helper()
	s.Pause(t, c)
	NoError(t, Pause(t.Context(), pastLease))
	s.Unpause(t, c)
}

// Pause freezes a container until Unpause.
func (s *Stack) Pause(t *testing.T, c testcontainers.Container) {
	t.Helper()
	Must(s.engine.Client().ContainerPause(t.Context(), c.GetContainerID(), docker.ContainerPauseOptions{}))(t)
}

// Unpause resumes a paused container.
func (s *Stack) Unpause(t *testing.T, c testcontainers.Container) {
	t.Helper()
	Must(s.engine.Client().ContainerUnpause(t.Context(), c.GetContainerID(), docker.ContainerUnpauseOptions{}))(t)
}

// Kill kills a container with SIGKILL.
func (s *Stack) Kill(t *testing.T, c testcontainers.Container) {
	t.Helper()
	Must(s.engine.Client().ContainerKill(t.Context(), c.GetContainerID(), docker.ContainerKillOptions{}))(t)
}

// CrashPostgres kills Postgres and restarts it with its data.
func (s *Stack) CrashPostgres(t *testing.T, _ testcontainers.Container) {
	t.Helper()
	NoError(t, s.server.Stop(t.Context(), Immediate))
	NoError(t, Pause(t.Context(), time.Second))
	NoError(t, s.server.Start(t.Context()))
}
