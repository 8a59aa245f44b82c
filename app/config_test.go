package app

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

// badKey is the base64 of 30 bytes.
const badKey = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"

func TestBadSettingsAreRefusedByName(t *testing.T) {
	t.Parallel()
	for flag, variable := range map[string]string{
		"--database-url=mysql://x":                             "DATABASE_URL",
		"--database-pooler=session":                            "POSTRIDER_DATABASE_POOLER",
		"--database-pooler=transaction":                        "POSTRIDER_DATABASE_POOLER", // without DATABASE_URL
		"--database-direct-url=mysql://":                       "POSTRIDER_DATABASE_DIRECT_URL",
		"--listen=8071":                                        "POSTRIDER_LISTEN",
		"--retry-schedule=-1s":                                 "POSTRIDER_RETRY_SCHEDULE",
		"--retry-schedule=5s,,5m":                              "--retry-schedule",
		"--retry-schedule=soon":                                "--retry-schedule",
		"--retry-schedule=999h":                                "POSTRIDER_RETRY_SCHEDULE",
		"--request-timeout=0s":                                 "POSTRIDER_REQUEST_TIMEOUT",
		"--request-timeout=1h":                                 "POSTRIDER_REQUEST_TIMEOUT",
		"--allow-subnets=10.0.0.0":                             "--allow-subnets",
		"--concurrency=0":                                      "POSTRIDER_CONCURRENCY",
		"--endpoint-concurrency=x":                             "--endpoint-concurrency",
		"--endpoints-per-application=-1":                       "POSTRIDER_ENDPOINTS_PER_APPLICATION",
		"--lease=30s":                                          "POSTRIDER_LEASE",
		"--lease=44.999s":                                      "POSTRIDER_LEASE",
		"--stop-timeout=-1s":                                   "POSTRIDER_STOP_TIMEOUT",
		"--stop-delay=-1s":                                     "POSTRIDER_STOP_DELAY",
		"--stop-delay=11m":                                     "POSTRIDER_STOP_DELAY",
		"--ops-listen=9071":                                    "POSTRIDER_OPS_LISTEN",
		"--ops-listen=0.0.0.0:8071":                            "POSTRIDER_OPS_LISTEN", // the API's port
		"--log-level=loud":                                     "--log-level",
		"--log-format=xml":                                     "POSTRIDER_LOG_FORMAT",
		"--default-signature-type=v1":                          "POSTRIDER_DEFAULT_SIGNATURE_TYPE",
		"--secret-keys=" + badKey:                              "POSTRIDER_SECRET_KEYS",
		"--secret-keys=,":                                      "POSTRIDER_SECRET_KEYS",
		"--migrate=maybe":                                      "--migrate",
		"--retry-schedule=" + strings.Repeat("1s,", 60) + "1s": "POSTRIDER_RETRY_SCHEDULE",
	} {
		var out, errs bytes.Buffer
		code := Main(t.Context(), []string{flag, "version"}, &out, &errs)
		if code != exitUsage || !strings.Contains(errs.String(), variable) || out.Len() > 0 {
			t.Errorf("%s: exit %d, printed %q and %q, want %s", flag, code, out.String(), errs.String(), variable)
		}
		if strings.Contains(errs.String(), badKey) {
			t.Errorf("%s: the key is shown: %s", flag, errs.String())
		}
	}
}

func TestRetrySchedules(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Durations{
		"": {}, "5s": {5 * time.Second}, "1ms, 2h": {time.Millisecond, 2 * time.Hour}, "0s": {0},
	} {
		var got Durations
		if err := got.UnmarshalText([]byte(text)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestLoopbackOnly(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]bool{
		"127.0.0.1:8071": true, "[::1]:8071": true, "localhost:80": true,
		"0.0.0.0:8071": false, ":8071": false, "192.168.1.5:8071": false, "example.com:80": false,
	} {
		if got := (&Config{Listen: listen}).loopbackOnly(); got != want {
			t.Errorf("%s: %v, want %v", listen, got, want)
		}
	}
}

func TestTheKeptSecretStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/data"
	secrets := make(chan string)
	for range 8 {
		go func() {
			secret, err := keptSecret(dir)
			if err != nil {
				t.Error(err)
			}
			secrets <- secret
		}()
	}
	first := <-secrets
	for range 7 {
		if other := <-secrets; other != first || len(other) < 40 {
			t.Errorf("two secrets: %q and %q", first, other)
		}
	}
}

func TestSecretIsRequiredWithADatabaseOfOnesOwn(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	code := Main(t.Context(), []string{"--database-url=postgres://h/d", "token"}, &out, &errs)
	if code != exitFailed || !strings.Contains(errs.String(), "POSTRIDER_JWT_SECRET") || out.Len() > 0 {
		t.Errorf("exit %d, printed %q and %q", code, out.String(), errs.String())
	}
}
