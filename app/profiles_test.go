package app

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

// opsOf starts the listener of a process with the given settings, and returns its URL and log.
func opsOf(t *testing.T, c Config) (url string, log *bytes.Buffer) {
	t.Helper()
	log = &bytes.Buffer{}
	o, err := startOps(t.Context(), c, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.stop)
	return "http://" + o.text(), log
}

func getStatus(t *testing.T, url string) (status int, body string) {
	t.Helper()
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(url)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return answer.StatusCode, string(text)
}

func TestProfilesAreServedIfEnabled(t *testing.T) {
	t.Parallel()
	off, _ := opsOf(t, Config{OpsListen: "127.0.0.1:0"})
	on, log := opsOf(t, Config{OpsListen: "127.0.0.1:0", Pprof: true})
	for path, want := range map[string]int{
		"": 200, "heap": 200, "goroutine?debug=1": 200, "allocs": 200, "cmdline": 404, "none": 404,
		"profile?seconds=301": 400, "profile?seconds=x": 400, "trace?seconds=-1": 400, "profile?seconds=NaN": 400,
	} {
		if status, _ := getStatus(t, on+profilesPath+path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
		if status, _ := getStatus(t, off+profilesPath+path); status != http.StatusNotFound {
			t.Errorf("%s is answered %d though profiles are off", path, status)
		}
	}
	if log.Len() > 0 {
		t.Errorf("logged on loopback: %s", log)
	}
	if _, log := opsOf(t, Config{OpsListen: "0.0.0.0:0", Pprof: true}); !strings.Contains(log.String(), "profiles served without authentication") {
		t.Errorf("logged elsewhere: %q", log)
	}
	if err := (&Config{Pprof: true}).Validate(); err == nil || !strings.Contains(err.Error(), "POSTRIDER_PPROF: needs POSTRIDER_OPS_LISTEN") {
		t.Errorf("without a listener: %v", err)
	}
}

// TestProfilesMayTakeLongerThanOtherAnswers takes profiles of more seconds than the server has for other answers. Unlike
// CPU profiles, these can be taken several at a time. No more than the limit are, and probes are answered meanwhile.
func TestProfilesMayTakeLongerThanOtherAnswers(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes longer than the server's timeouts")
	}
	url, _ := opsOf(t, Config{OpsListen: "127.0.0.1:0", Pprof: true})
	type answer struct {
		status int
		body   string
		after  time.Duration
	}
	answers := make(chan answer)
	const seconds = "6" // more than opsTimeout
	for range profilesAtOnce + 1 {
		go func() {
			began := time.Now()
			status, body := getStatus(t, url+profilesPath+"allocs?seconds="+seconds)
			answers <- answer{status, body, time.Since(began)}
		}()
	}
	if got := <-answers; got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "too many") {
		t.Errorf("profile %d: %d %s", profilesAtOnce+1, got.status, got.body)
	}
	if status, _ := getStatus(t, url+"/livez"); status != http.StatusOK {
		t.Errorf("/livez meanwhile: %d", status)
	}
	for range profilesAtOnce {
		// A profile that was broken off arrives earlier, or not at all.
		if got := <-answers; got.status != http.StatusOK || !strings.HasPrefix(got.body, "\x1f\x8b") || got.after < opsTimeout {
			t.Errorf("%d after %s: %d bytes", got.status, got.after, len(got.body))
		}
	}
	if status, _ := getStatus(t, url+profilesPath+"heap"); status != http.StatusOK {
		t.Errorf("the next profile: %d", status)
	}
}
