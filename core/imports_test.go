package core

import (
	"os/exec"
	"strings"
	"testing"
)

// TestCoreKnowsNobody enforces the dependency rule: the most stable package depends on none that change more often.
func TestCoreKnowsNobody(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}module {{end}}{{.ImportPath}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	forbidden := map[string]string{
		"net/http":     "core must build without HTTP: that is package server's and delivery's",
		"database/sql": "core must build without a database: that is package store's",
	}
	for line := range strings.FieldsSeq(strings.ReplaceAll(string(out), "module ", "module:")) {
		if reason, ok := forbidden[line]; ok {
			t.Errorf("core imports %s: %s", line, reason)
		}
		if path, ok := strings.CutPrefix(line, "module:"); ok && path != "github.com/postrider/postrider/core" {
			t.Errorf("core imports %s: it is made of the standard library alone", path)
		}
	}
	direct, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{join .Imports " "}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(direct)) {
		if path == "os" || path == "log" || path == "log/slog" {
			t.Errorf("core imports %s: it neither logs nor asks its surroundings", path)
		}
	}
}
