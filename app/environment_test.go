package app

import (
	"bytes"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func TestUnknownVariablesAreFoundByName(t *testing.T) {
	t.Parallel()
	settings := variablesOf(newParser(new(commands), nil, nil, func(int) {}).Model.Node)
	environment := []string{
		"HOME=/root", "DATABASE_URL=x", "POSTRIDER_LISTEN=x", "POSTRIDER_LISTEN_SECRET=x", // of one command
		"POSTRIDER_LISTN=x", "POSTRIDER_RETRY_SHEDULE=x", "POSTRIDER_COLOUR=x", "POSTRIDER_PORT=8071",
		"POSTRIDER_API_PORT=tcp://10.0.0.1:80", "POSTRIDER_SERVICE_HOST=10.0.0.1", "POSTRIDER_SERVICE_PORT_HTTP=80",
		"POSTRIDER_PORT_80_TCP_ADDR=10.0.0.1", "POSTRIDER_KAFKA_PASSWORD=x",
	}
	want := []unknownVariable{
		{"POSTRIDER_COLOUR", ""}, {"POSTRIDER_LISTN", "POSTRIDER_LISTEN"}, {"POSTRIDER_PORT", ""},
		{"POSTRIDER_RETRY_SHEDULE", "POSTRIDER_RETRY_SCHEDULE"},
	}
	sources := &Config{Sources: "sources: [{kafka: {password: '${POSTRIDER_KAFKA_PASSWORD}'}}]"}
	if got := unknownVariables(environment, settings, sources.referredVariables()); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Not parallel: it sets a variable.
func TestUnknownVariableIsWarnedOf(t *testing.T) {
	t.Setenv("POSTRIDER_LISTN", "x")
	var out, errs bytes.Buffer
	if code := Main(t.Context(), []string{"version"}, &out, &errs); code != exitOK || strings.Contains(out.String(), "LISTN") {
		t.Errorf("exit %d, printed %q", code, out.String())
	}
	if want := "postrider: warning: unknown variable POSTRIDER_LISTN ignored; did you mean POSTRIDER_LISTEN?\n"; errs.String() != want {
		t.Errorf("%q, want %q", errs.String(), want)
	}
}

func TestUnknownVariableIsLoggedByServers(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	con := console{err: os.Stderr, log: slog.New(slog.NewTextHandler(&log, nil))}
	warnOfUnknown([]unknownVariable{{"POSTRIDER_LISTN", "POSTRIDER_LISTEN"}}, &kong.Node{Type: kong.CommandNode, Name: "serve"}, con)
	if want := `level=WARN msg="unknown variable ignored" variable=POSTRIDER_LISTN similar=POSTRIDER_LISTEN`; !strings.Contains(log.String(), want) {
		t.Errorf("%q, want %q", log.String(), want)
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for pair, want := range map[[2]string]int{{"", ""}: 0, {"a", ""}: 1, {"", "ab"}: 2, {"LISTN", "LISTEN"}: 1, {"kitten", "sitting"}: 3} {
		if got := distance(pair[0], pair[1]); got != want {
			t.Errorf("%q: %d, want %d", pair, got, want)
		}
	}
}
