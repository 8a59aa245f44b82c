package e2e

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
	"github.com/postrider/postrider/localpg/bouncer"
)

// notThroughPooler are the tests that E2E_POOLER leaves out, each with the reason.
var notThroughPooler = map[string]string{
	"TestContainerFaultsLoseNothing":        "its processes are in containers, on a network of their own",
	"TestContainerKilledLosesNothing":       "its processes are in containers, on a network of their own",
	"TestDatabaseUnreachableIsOneClearLine": "a pooler accepts connections even without a database",
}

// notWithoutDirectURL are those that E2E_POOLER=pgbouncer-only leaves out as well.
var notWithoutDirectURL = map[string]string{
	"TestCommandTakesPoolParameters":         "it migrates",
	"TestMigrateGoesUpAndDown":               "it migrates",
	"TestStartOfTenProcessesOnEmptyDatabase": "they migrate",
	"TestStartWaitsForDatabase":              "its database is migrated once it is there",
}

// throughPooler checks E2E_POOLER and leaves out the tests that cannot run with it.
func throughPooler() error {
	without := maps.Clone(notThroughPooler)
	switch p := rig.UsedPooling(); p {
	case rig.NoPooling:
		return nil
	case rig.Pooled:
	case rig.PooledOnly:
		maps.Copy(without, notWithoutDirectURL)
	default:
		return fmt.Errorf("%q is neither %s nor %s", p, rig.Pooled, rig.PooledOnly)
	}
	if _, err := bouncer.Find(); err != nil {
		return err
	}
	if flag.Lookup("test.skip").Value.String() != "" {
		return errors.New("it cannot be combined with -skip")
	}
	names := slices.Sorted(maps.Keys(without))
	for _, name := range names {
		fmt.Fprintf(os.Stderr, "e2e: without %s: %s\n", name, without[name])
	}
	return flag.Set("test.skip", "^("+strings.Join(names, "|")+")$")
}

// TestPgBouncerWithoutDirectURL runs processes of which none listens, so that a worker finds messages by polling.
func TestPgBouncerWithoutDirectURL(t *testing.T) {
	t.Parallel()
	bouncer.Need(t)
	database := rig.NewDatabase(t)
	settings := func(more ...string) []string {
		return rig.Must(rig.ThroughPooler(t.Context(), rig.Settings(database, more...)))(t)
	}
	api, worker := rig.Start(t, settings(), "api"), rig.Start(t, settings(), "worker")
	rig.Start(t, settings(), "jobs")
	c, r := api.Service(t).NewTenant(t), rig.NewReceiver(t, nil)
	app := c.NewApplication(t)
	r.NewEndpoint(t, c, app)
	worker.AwaitReady(t)
	shown := map[string]bool{}
	for range 5 {
		r.Await(t, c.SendMessage(t, app))
		rig.Await(t, func() string {
			var applications []string
			rig.Query(t, database, "SELECT array_agg(DISTINCT application_name) FROM pg_stat_activity WHERE datname = current_database()", &applications)
			for _, name := range applications {
				shown[name] = true
			}
			if !shown["postrider-api"] || !shown["postrider-worker"] || !shown["postrider-jobs"] {
				return fmt.Sprintf("pg_stat_activity has shown %v", slices.Sorted(maps.Keys(shown)))
			}
			return ""
		})
	}
	if n, failures := worker.CountEvents("not listening for deliveries through a transaction pooler; polling for them"); n != 1 || failures != 0 {
		t.Errorf("%d events about polling and %d errors, want one and none", n, failures)
	}
	listening := 0
	rig.Query(t, database, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ~* '(^|\\n)listen '", &listening)
	if listening != 0 {
		t.Errorf("%d sessions of the pooler listen", listening)
	}
}

// TestPgBouncerIsRefusedWithAdvice: if it is not declared, or if there is something to migrate.
func TestPgBouncerIsRefusedWithAdvice(t *testing.T) {
	t.Parallel()
	bouncer.Need(t)
	pooled := rig.Must(rig.ThroughPooler(t.Context(), rig.Settings(rig.NewEmptyDatabase(t))))(t)
	for _, test := range []struct {
		settings []string
		want     string
	}{
		{append(slices.Clone(pooled), "POSTRIDER_DATABASE_POOLER=none"), "set POSTRIDER_DATABASE_POOLER=transaction"},
		{pooled, "set POSTRIDER_DATABASE_DIRECT_URL"},
	} {
		for _, args := range [][]string{{"serve"}, {"worker"}, {"migrate", "up"}} {
			got := rig.Command(t, test.settings, args...)
			if got.Code != 1 || !strings.Contains(got.Stderr, test.want) {
				t.Errorf("%v: exit code %d, %s; want 1 and %q", args, got.Code, got.Stderr, test.want)
			}
		}
	}
}
