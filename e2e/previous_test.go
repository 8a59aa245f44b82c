package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// previous runs the binary of the commit before this one, which make check-previous builds.
type previous struct{ path, help string }

func newPrevious(t *testing.T) previous {
	t.Helper()
	path := os.Getenv("E2E_PREVIOUS")
	if path == "" {
		t.Skip("E2E_PREVIOUS names no binary; make check-previous builds one")
	}
	rig.NeedOwnProcesses(t)
	help := rig.Must(exec.CommandContext(t.Context(), path, "serve", "--help").Output())(t)
	return previous{path, string(help)}
}

// start runs a part of the previous binary in the given schema. A binary that cannot choose its schema uses the first
// one of the search_path that exists, which is public.
func (p previous) start(t *testing.T, database, schema string, args ...string) *rig.Process {
	t.Helper()
	settings := rig.Settings(database)
	if strings.Contains(p.help, "POSTRIDER_SCHEMA") {
		settings = append(settings, "POSTRIDER_SCHEMA="+schema)
	}
	return rig.StartCommand(t, exec.Command(p.path, args...), settings)
}

// TestPreviousBinaryRunsOnNewSchema is a rolling update: the schema is migrated, and for a while processes of both
// releases accept and deliver messages, each those of the other as well.
func TestPreviousBinaryRunsOnNewSchema(t *testing.T) {
	t.Parallel()
	old := newPrevious(t)
	database := rig.NewEmptyDatabase(t)
	const schema = "public" // of both
	settings := rig.Settings(database, "POSTRIDER_SCHEMA="+schema)
	if got := rig.Command(t, settings, "migrate", "up"); got.Code != 0 {
		t.Fatalf("migrate up: %+v", got)
	}
	receiver := rig.NewReceiver(t, nil)
	both := old.start(t, database, schema, "serve")
	c := both.Service(t).NewTenant(t)
	app := c.NewApplication(t)
	receiver.NewEndpoint(t, c, app)
	receiver.Await(t, c.SendMessage(t, app)) // accepted and delivered by the old one

	newWorker := rig.Start(t, settings, "worker")
	newWorker.AwaitReady(t)
	var ids []string
	for range 20 {
		ids = append(ids, c.SendMessage(t, app)) // with the new one beside it
	}
	receiver.Await(t, ids...)
	both.Stop(t)

	oldAPI := old.start(t, database, schema, "api")
	c = rig.NewClient(t, oldAPI.Service(t).URL, c.Token)
	receiver.Await(t, c.SendMessage(t, app)) // accepted by the old one, delivered by the new one
	oldAPI.Stop(t)
	newWorker.Stop(t)

	newAPI := rig.Start(t, settings, "api")
	c = rig.NewClient(t, newAPI.Service(t).URL, c.Token)
	old.start(t, database, schema, "worker").AwaitReady(t)
	receiver.Await(t, c.SendMessage(t, app)) // accepted by the new one, delivered by the old one
}

// TestPreviousBinaryLeavesInstallationThatMoves: a release that knows no schema but public leaves a message that
// it has not delivered, and this one takes over the installation with its default settings.
func TestPreviousBinaryLeavesInstallationThatMoves(t *testing.T) {
	t.Parallel()
	old := newPrevious(t)
	if strings.Contains(old.help, "POSTRIDER_SCHEMA") {
		t.Skip("the previous binary has a schema of its own")
	}
	database := rig.NewEmptyDatabase(t)
	receiver := rig.NewReceiver(t, nil)
	p := old.start(t, database, "public", "api")
	c := p.Service(t).NewTenant(t)
	app := c.NewApplication(t)
	receiver.NewEndpoint(t, c, app)
	id := c.SendMessage(t, app)
	p.Stop(t)
	s := rig.Start(t, rig.Settings(database), "serve").Service(t)
	receiver.Await(t, id)
	c = rig.NewClient(t, s.URL, c.Token)
	receiver.Await(t, c.SendMessage(t, app))
	back := old.start(t, database, "", "api") // rolled back; the rig's search_path begins with postrider
	receiver.Await(t, rig.NewClient(t, back.Service(t).URL, c.Token).SendMessage(t, app))
	var left int
	rig.Query(t, database, "SELECT count(*)::int FROM pg_class WHERE relnamespace = 'public'::regnamespace", &left)
	if left != 0 {
		t.Errorf("%d relations are left in public", left)
	}
}
