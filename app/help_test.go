package app

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// shownFlags returns the settings that a command's --help shows.
func shownFlags(t *testing.T, command string) []string {
	t.Helper()
	var out, errs bytes.Buffer
	args := append(strings.Fields(command), "--help")
	if code := Main(t.Context(), args, &out, &errs); code != exitOK || errs.Len() > 0 {
		t.Fatalf("%s: exit %d, %q", command, code, errs.String())
	}
	var flags []string
	for _, match := range regexp.MustCompile(`(?m)^ +(?:-h, )?--(?:\[no-\])?([a-z-]+)`).FindAllStringSubmatch(out.String(), -1) {
		if match[1] != "help" && match[1] != "version" {
			flags = append(flags, match[1])
		}
	}
	return flags
}

func TestHelpOfACommandShowsItsOwnFlags(t *testing.T) {
	t.Parallel()
	logs := []string{"log-level", "log-format"}
	keys := []string{"jwt-secret", "jwt-verify-secrets", "jwt-algorithm"}
	for command, want := range map[string][]string{
		"version":         nil,
		"listen":          {"secret", "status"},
		"healthcheck":     {"ops-listen"},
		"token issue":     slices.Concat([]string{"application", "expiry", "data-dir"}, keys),
		"token revoke":    slices.Concat([]string{"all", "database-url", "schema", "database-pooler", "database-direct-url", "data-dir"}, keys, logs),
		"migrate status":  slices.Concat([]string{"database-url", "schema", "database-pooler", "database-direct-url", "data-dir"}, logs),
		"roles":           {"producer", "schema"},
		"secrets encrypt": slices.Concat([]string{"database-url", "schema", "database-pooler", "database-direct-url", "data-dir", "secret-keys"}, logs),
		"demo":            slices.Concat([]string{"database-url", "schema", "database-pooler", "database-direct-url", "migrate", "secret-keys"}, keys, logs),
		"jobs":            slices.Concat([]string{"database-url", "schema", "database-pooler", "database-direct-url", "migrate", "secret-keys", "ops-listen", "pprof"}, logs),
		"consume": slices.Concat([]string{"check", "database-url", "schema", "database-pooler", "database-direct-url", "migrate", "secret-keys", "sources-file", "sources", "ops-listen", "pprof", "metrics-application", "stop-timeout"},
			logs),
		"api": slices.Concat([]string{"database-url", "schema", "database-pooler", "database-direct-url", "migrate", "secret-keys", "listen"}, keys, []string{"endpoints-per-application",
			"endpoint-https-only", "default-signature-type", "payload-memory-mib", "ops-listen", "pprof", "metrics-application", "stop-timeout", "stop-delay"}, logs),
	} {
		if got := shownFlags(t, command); !slices.Equal(got, want) {
			t.Errorf("%s shows %q, want %q", command, got, want)
		}
	}
	if all, serve := shownFlags(t, ""), shownFlags(t, "serve"); len(all) < 32 || !slices.Equal(all, serve) {
		t.Errorf("the program shows %q, serve %q; want all settings", all, serve)
	}
}

// TestSettingsNameTheCommandsThatUseThem finds new settings without the tag, and commands that were renamed.
func TestSettingsNameTheCommandsThatUseThem(t *testing.T) {
	t.Parallel()
	model := newParser(new(commands), nil, nil, func(int) {}).Model
	var paths []string
	for _, leaf := range model.Leaves(false) {
		paths = append(paths, commandPath(leaf))
	}
	for _, flag := range model.Flags {
		if len(flag.Envs) > 0 && !flag.Tag.Has("for") {
			t.Errorf("--%s does not say which commands use it", flag.Name)
		}
		if !flag.Tag.Has("for") {
			continue
		}
		for user := range strings.SplitSeq(flag.Tag.Get("for"), ",") {
			is := func(path string) bool { return path == user || strings.HasPrefix(path, user+" ") }
			if user != "parts" && !slices.ContainsFunc(paths, is) {
				t.Errorf("--%s is used by %q, which is no command", flag.Name, user)
			}
		}
	}
}

// fused matches phrases that the house style rules out.
var fused = regexp.MustCompile(`(?i)^(who|what|where) |\b(is no |so many|so long|as long as that|and its like|all the same|tells? whether)`)

func TestHelpIsInPlainWords(t *testing.T) {
	t.Parallel()
	model := newParser(new(commands), nil, nil, func(int) {}).Model
	n := 0
	err := kong.Visit(model, func(node kong.Visitable, next kong.Next) error {
		var name, help string
		switch node := node.(type) {
		case *kong.Node:
			name, help = node.Name, node.Help
		case *kong.Value:
			name, help = node.Name, node.Help
		default:
			return next(nil)
		}
		n++
		if name != "help" && (!strings.HasSuffix(help, ".") || fused.MatchString(help)) {
			t.Errorf("%s: %q", name, help)
		}
		return next(nil)
	})
	if err != nil || n < 50 {
		t.Errorf("%d help texts, %v", n, err)
	}
}

func TestVersionFlagPrintsWhatTheCommandPrints(t *testing.T) {
	t.Parallel()
	printed := map[string]bool{}
	for _, args := range [][]string{{"version"}, {"--version"}, {"--version", "--concurrency=0"}, {"serve", "--version"}} {
		var out, errs bytes.Buffer
		code := Main(t.Context(), args, &out, &errs)
		if code != exitOK || errs.Len() > 0 || !strings.HasPrefix(out.String(), "postrider ") || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%q: exit %d, printed %q and %q", args, code, out.String(), errs.String())
		}
		printed[out.String()] = true
	}
	if len(printed) != 1 {
		t.Errorf("printed %v", printed)
	}
}
