package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// deployment is a schema with the roles that `postrider roles` makes, in a database of its own.
type deployment struct {
	schema, database string
	producers        []string // as --producer takes them
}

// newCell creates the roles before the first migration, migrates as the owner, and runs the script again, as the
// documentation says.
func newCell(t testing.TB, producers ...string) deployment {
	t.Helper()
	c := deployment{schema: "cell_" + rig.Random(), producers: producers}
	server := rig.Must(rig.SharedBackend())(t).URL
	t.Cleanup(func() { // after the database, in which the roles own tables
		for _, role := range c.roles() {
			rig.NoError(t, rig.AdministerDatabase(server, "DROP ROLE IF EXISTS "+role))
		}
	})
	c.database = rig.NewEmptyDatabase(t)
	c.runRoles(t)
	for _, role := range c.roles() { // a password is for the DBA to set
		rig.Execute(t, c.database, fmt.Sprintf("ALTER ROLE %s PASSWORD '%[1]s'", role))
	}
	if got := rig.Command(t, c.settings("owner"), "migrate", "up"); got.Code != 0 {
		t.Fatalf("migrate up: %s", got.Stderr)
	}
	c.runRoles(t)
	return c
}

func (c deployment) roles() (names []string) {
	for _, suffix := range []string{"owner", "app", "readonly", "producer"} {
		names = append(names, c.schema+"_"+suffix)
	}
	for _, producer := range c.producers {
		role, _, _ := strings.Cut(producer, "=")
		names = append(names, role)
	}
	return names
}

func (c deployment) runRoles(t testing.TB) {
	t.Helper()
	args := []string{"roles", "--schema", c.schema}
	for _, producer := range c.producers {
		args = append(args, "--producer", producer)
	}
	got := rig.Command(t, nil, args...)
	if got.Code != 0 {
		t.Fatalf("postrider roles: %s", got.Stderr)
	}
	rig.Execute(t, c.database, got.Stdout)
}

// settings are those of a process whose role is that of the deployment with this suffix.
func (c deployment) settings(role string, more ...string) []string {
	return rig.Settings(asRole(c.database, c.schema+"_"+role), append([]string{"POSTRIDER_SCHEMA=" + c.schema}, more...)...)
}

// TestRolesEachProcessRunsWithoutOwningTheTables: every component makes its partitions, sends and stops as a role that
// may not change the schema, and a producer sends by SQL with the right to do nothing else.
func TestRolesEachProcessRunsWithoutOwningTheTables(t *testing.T) {
	t.Parallel()
	org, shop := "org_"+rig.Random(), "shop_"+rig.Random()
	deployment := newCell(t, shop+"="+org)
	var all []*rig.Process
	for _, component := range []string{"jobs", "consume", "worker", "api"} {
		p := rig.Start(t, deployment.settings("app", "POSTRIDER_MIGRATE=false"), component)
		p.AwaitReady(t)
		all = append(all, p)
	}
	var partitions int
	rig.Query(t, deployment.database, fmt.Sprintf("SELECT count(*) FROM pg_inherits WHERE inhparent = '%s.message'::regclass", deployment.schema), &partitions)
	if partitions < 8 { // the default one, and seven weeks
		t.Errorf("message has %d partitions", partitions)
	}
	s := all[len(all)-1].Service(t)
	c := rig.NewClient(t, s.URL, s.NewToken(t, org))
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
	receiver.NewEndpoint(t, c, app)
	ids := c.SendMessages(t, app, 20)
	receiver.Await(t, ids...)
	producer := asRole(deployment.database, shop)
	rig.Execute(t, producer, fmt.Sprintf("SELECT %s.message_send('%s', 'invoice.paid', '{}')", deployment.schema, app))
	receiver.AwaitArrivals(t, len(ids)+1)
	for _, p := range all {
		p.Stop(t)
		if _, failures := p.CountEvents("no such event"); failures > 0 {
			t.Errorf("%d errors in the log: %s", failures, rig.Tail(p.Stdout.String()))
		}
	}
}

// TestRolesProcessSaysWhichPrivilegeItLacks checks that it does so when it starts.
func TestRolesProcessSaysWhichPrivilegeItLacks(t *testing.T) {
	t.Parallel()
	deployment := newCell(t)
	rig.Execute(t, deployment.database, fmt.Sprintf("REVOKE INSERT ON %s.attempt FROM %[1]s_app", deployment.schema))
	for _, component := range []string{"api", "worker", "consume", "jobs"} {
		p := rig.Start(t, deployment.settings("app"), component)
		if code := p.AwaitExit(t); code == 0 || !strings.Contains(p.Stderr.String(), "lacks INSERT on attempt") {
			t.Errorf("%s: exit code %d: %s", component, code, rig.Tail(p.Stderr.String()))
		}
	}
}

// TestRolesProcessStartsBesideADump: a reader of all tables is in the way of making partitions, and of nothing else.
func TestRolesProcessStartsBesideADump(t *testing.T) {
	t.Parallel()
	database := rig.NewDatabase(t)
	rig.Hold(t, database, "BEGIN; LOCK TABLE message, attempt IN ACCESS SHARE MODE") // as pg_dump does
	p := rig.Start(t, rig.Settings(database), "serve")
	c, receiver := p.Service(t).NewTenant(t), rig.NewReceiver(t, nil)
	app := c.NewApplication(t)
	receiver.NewEndpoint(t, c, app)
	receiver.Await(t, c.SendMessages(t, app, 5)...)
	if n, failures := p.CountEvents("tables in use, such as by a dump; partitions are created later"); n != 1 || failures != 0 {
		t.Errorf("%d warnings and %d errors: %s", n, failures, rig.Tail(p.Stdout.String()))
	}
}
