package e2e

import (
	"strings"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// variables lists all environment variables. Users rely on these names.
var variables = []string{
	"DATABASE_URL", "POSTRIDER_LISTEN", "POSTRIDER_DATA_DIR", "POSTRIDER_JWT_SECRET", "POSTRIDER_JWT_VERIFY_SECRETS", "POSTRIDER_JWT_ALGORITHM",
	"POSTRIDER_MIGRATE", "POSTRIDER_DATABASE_POOLER", "POSTRIDER_DATABASE_DIRECT_URL",
	"POSTRIDER_RETRY_SCHEDULE", "POSTRIDER_REQUEST_TIMEOUT", "POSTRIDER_ALLOW_SUBNETS",
	"POSTRIDER_CONCURRENCY", "POSTRIDER_ENDPOINT_CONCURRENCY", "POSTRIDER_LEASE", "POSTRIDER_STOP_TIMEOUT",
	"POSTRIDER_PROXY_URL", "POSTRIDER_NO_PROXY", "POSTRIDER_PROXY_RESOLVES", "POSTRIDER_CA_FILE", "POSTRIDER_ENDPOINT_HTTPS_ONLY",
	"POSTRIDER_CIRCUIT_FAILURES", "POSTRIDER_CIRCUIT_WAIT", "POSTRIDER_DISABLE_AFTER",
	"POSTRIDER_DEFAULT_SIGNATURE_TYPE", "POSTRIDER_SECRET_KEYS", "POSTRIDER_SOURCES_FILE", "POSTRIDER_SOURCES",
	"POSTRIDER_LOG_LEVEL", "POSTRIDER_LOG_FORMAT",
}

// password must never be shown.
const password = "very-secret"

func TestHelpNamesEverySetting(t *testing.T) {
	t.Parallel()
	help := rig.Command(t, nil, "--help")
	if help.Code != 0 || help.Stderr != "" {
		t.Fatalf("exit code %d, stderr %q", help.Code, help.Stderr)
	}
	for _, variable := range variables {
		// A name may be a prefix of another one.
		if !strings.Contains(help.Stdout, "$"+variable+")") {
			t.Errorf("the help says nothing of %s", variable)
		}
		if flag := flagOf(variable); !strings.Contains(help.Stdout, "--"+flag) && !strings.Contains(help.Stdout, "--[no-]"+flag) {
			t.Errorf("the help says nothing of --%s", flag)
		}
	}
	for _, subcommand := range []string{"serve", "api", "worker", "consume", "jobs", "migrate up", "migrate down", "migrate status", "roles", "secrets encrypt", "secrets status", "token issue", "token revoke", "listen", "demo", "version"} {
		if !strings.Contains(help.Stdout, "\n  "+subcommand+" ") {
			t.Errorf("the help says nothing of the command %s", subcommand)
		}
	}
	if listen := rig.Command(t, nil, "listen", "--help"); !strings.Contains(listen.Stdout, "POSTRIDER_LISTEN_SECRET") {
		t.Error("the help of listen says nothing of POSTRIDER_LISTEN_SECRET")
	}
}

// flagOf returns the flag that corresponds to a variable.
func flagOf(variable string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(variable, "POSTRIDER_")), "_", "-")
}

func TestSettingWithBadValueIsRefusedAtStart(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ variable, value string }{
		{"DATABASE_URL", "mysql://localhost/postrider"},
		{"DATABASE_URL", "postgres://someone:" + password + "@localhost:port/postrider"},
		{"POSTRIDER_DATABASE_POOLER", "session"},
		{"POSTRIDER_DATABASE_DIRECT_URL", "postgres://someone:" + password + "@localhost:port/postrider"},
		{"POSTRIDER_JWT_VERIFY_SECRETS", password},
		{"POSTRIDER_JWT_VERIFY_SECRETS", strings.Repeat("x", 32) + ","},
		{"POSTRIDER_LISTEN", "8071"},
		{"POSTRIDER_LISTEN", "127.0.0.1:80710"},
		{"POSTRIDER_MIGRATE", "maybe"},
		{"POSTRIDER_RETRY_SCHEDULE", "soon"},
		{"POSTRIDER_RETRY_SCHEDULE", "5s,,10s"},
		{"POSTRIDER_RETRY_SCHEDULE", "-5s"},
		{"POSTRIDER_RETRY_SCHEDULE", "5s,1000h"},
		{"POSTRIDER_RETRY_SCHEDULE", "1s" + strings.Repeat(",1s", 50)},
		{"POSTRIDER_REQUEST_TIMEOUT", "30"},
		{"POSTRIDER_REQUEST_TIMEOUT", "0s"},
		{"POSTRIDER_REQUEST_TIMEOUT", "24h"},
		{"POSTRIDER_ALLOW_SUBNETS", "10.0.0.0"},
		{"POSTRIDER_ALLOW_SUBNETS", "10.0.0.0/33"},
		{"POSTRIDER_ALLOW_SUBNETS", "10.0.0.0/8,everything"},
		{"POSTRIDER_CONCURRENCY", "many"},
		{"POSTRIDER_CONCURRENCY", "0"},
		{"POSTRIDER_ENDPOINT_CONCURRENCY", "-1"},
		{"POSTRIDER_ENDPOINT_CONCURRENCY", "1000000"},
		{"POSTRIDER_CIRCUIT_FAILURES", "-1"},
		{"POSTRIDER_CIRCUIT_WAIT", "0s"},
		{"POSTRIDER_CIRCUIT_WAIT", "2h"},
		{"POSTRIDER_DISABLE_AFTER", "-1h"},
		{"POSTRIDER_PROXY_URL", "proxy:3128"},
		{"POSTRIDER_PROXY_URL", "ftp://" + password + "@proxy"},
		{"POSTRIDER_CA_FILE", "/no/such/file"},
		{"POSTRIDER_CA_FILE", "/dev/null"},
		{"POSTRIDER_LEASE", "a minute"},
		{"POSTRIDER_LEASE", "30s"},     // not longer than an attempt may take
		{"POSTRIDER_LEASE", "30005ms"}, // leaves too little time for an attempt to begin
		{"POSTRIDER_LEASE", "24h"},
		{"POSTRIDER_STOP_TIMEOUT", "-1s"},
		{"POSTRIDER_DEFAULT_SIGNATURE_TYPE", "v1a"},
		{"POSTRIDER_SECRET_KEYS", password},
		{"POSTRIDER_LOG_LEVEL", "loud"},
		{"POSTRIDER_LOG_FORMAT", "xml"},
	} {
		t.Run(test.variable+"="+test.value, func(t *testing.T) {
			t.Parallel()
			// The database does not exist: the command must fail before it connects.
			base := rig.Settings("postgres://127.0.0.1:1/none")
			refusesToStart(t, rig.Command(t, append(base, test.variable+"="+test.value), "serve"), test.variable)
		})
	}
}

func TestFlagWithBadValueIsRefusedAtStart(t *testing.T) {
	t.Parallel()
	base := rig.Settings("postgres://127.0.0.1:1/none")
	for _, args := range [][]string{
		{"serve", "--lease=1s"}, {"serve", "--no-such-flag"}, {"no-such-command"}, {"migrate"}, {"migrate", "sideways"}, {"token", "org_1", "org_2"},
	} {
		got := rig.Command(t, base, args...)
		if got.Code != 2 || got.Stdout != "" || got.Stderr == "" {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q; want 2 and the reason on stderr alone", args, got.Code, got.Stdout, got.Stderr)
		}
	}
}

func refusesToStart(t *testing.T, got rig.Result, variable string) {
	t.Helper()
	if got.Code != 2 {
		t.Errorf("exit code %d, want 2", got.Code)
	}
	if !strings.Contains(got.Stderr, variable) {
		t.Errorf("stderr does not name %s: %q", variable, got.Stderr)
	}
	if got.Stdout != "" {
		t.Errorf("stdout has %q", got.Stdout)
	}
	if strings.Contains(got.Stderr, password) {
		t.Errorf("stderr shows the password: %q", got.Stderr)
	}
}

func TestFlagWinsOverVariable(t *testing.T) {
	t.Parallel()
	base := rig.Settings(rig.NewDatabase(t), "POSTRIDER_LOG_FORMAT=text")
	rig.Start(t, base, "api", "--log-format=json").AwaitReady(t) // AwaitReady parses JSON
}

func TestTokenSecretIsRequiredWithOwnDatabase(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"serve"}, {"api"}, {"demo"}, {"token", "org_1"}} {
		got := rig.Command(t, []string{"DATABASE_URL=postgres://127.0.0.1:1/none"}, args...)
		if got.Code == 0 || !strings.Contains(got.Stderr, "POSTRIDER_JWT_SECRET") || strings.Count(got.Stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d, stderr %q; want one line that names POSTRIDER_JWT_SECRET", args, got.Code, got.Stderr)
		}
	}
}

func TestDatabaseURLIsRequiredByParts(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"api", "worker", "jobs"} {
		got := rig.Command(t, []string{rig.SecretSetting}, part)
		if got.Code == 0 || !strings.Contains(got.Stderr, "DATABASE_URL") || strings.Count(got.Stderr, "\n") != 1 {
			t.Errorf("%s: exit code %d, stderr %q; want one line that names DATABASE_URL", part, got.Code, got.Stderr)
		}
	}
}

func TestDatabaseUnreachableIsOneClearLine(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"demo"}, {"consume", "--check"}, {"secrets", "status"}, {"migrate", "up"}, {"migrate", "status"}} {
		got := rig.Command(t, rig.Settings("postgres://someone:"+password+"@127.0.0.1:1/none"), args...)
		if got.Code != 1 || strings.Count(got.Stderr, "\n") != 1 || !strings.Contains(got.Stderr, "127.0.0.1") {
			t.Errorf("%v: exit code %d, stderr %q; want 1 and one line that says where", args, got.Code, got.Stderr)
		}
		if strings.Contains(got.Stderr+got.Stdout, password) {
			t.Errorf("%v: the password is shown: %s", args, got.Stderr)
		}
	}
}

// TestStartWaitsForDatabase checks that processes wait for the database instead of exiting. A supervisor restarts a
// process that exits at its start after longer and longer delays, so the process would stay down long after the
// database is back.
func TestStartWaitsForDatabase(t *testing.T) {
	t.Parallel()
	postgres := rig.NewBreakable(t)
	database := rig.Must(postgres.URL(t.Context()))(t)
	way := rig.NewProxy(t, rig.Bridge(t, postgres))
	rig.NoError(t, way.Disturb(rig.Refusing))
	database = rig.URLAt(database, way.Listen)
	var started []*rig.Process
	for _, part := range []string{"serve", "api", "worker", "jobs", "consume"} {
		p := rig.Start(t, rig.Settings(database), part)
		rig.Await(t, func() string {
			if p.HasEnded() {
				t.Fatalf("%s ended while the database was away: %s", part, rig.Tail(p.Stderr.String()))
			}
			if !strings.Contains(p.Stdout.String(), `"msg":"database unreachable; retrying"`) {
				return part + " does not say that the database is away"
			}
			return ""
		})
		started = append(started, p)
	}
	stopped := rig.Start(t, rig.Settings("postgres://someone:"+password+"@127.0.0.1:1/none"), "consume")
	rig.Await(t, func() string {
		if stopped.Stdout.String() == "" {
			return "consume says nothing"
		}
		return ""
	})
	stopped.Stop(t)
	if strings.Contains(stopped.Stdout.String()+stopped.Stderr.String(), password) {
		t.Errorf("the password is shown: %s", stopped.Stdout.String())
	}
	rig.NoError(t, way.Heal(t.Context()))
	for _, p := range started {
		p.AwaitReady(t)
		p.Stop(t)
	}
}
