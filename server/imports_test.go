package server

import (
	"os/exec"
	"strings"
	"testing"
)

// TestPackagesBelowServerKnowNoHTTP keeps HTTP out of the packages that were split from the handlers. Only the
// handlers know how a request arrives.
func TestPackagesBelowServerKnowNoHTTP(t *testing.T) {
	t.Parallel()
	const module = "github.com/postrider/postrider/"
	for dir, allowed := range map[string][]string{
		"token":     {"core"},
		"eventspec": {"core", "ijson", "wire"},
	} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "./"+dir).Output()
		if err != nil {
			t.Fatal(err)
		}
		may := map[string]bool{module + "server/" + dir: true}
		for _, name := range allowed {
			may[module+name] = true
		}
		for path := range strings.FieldsSeq(string(out)) {
			switch {
			case path == "net/http":
				t.Errorf("server/%s imports net/http: it must not know how a request arrives", dir)
			case path == "database/sql":
				t.Errorf("server/%s imports database/sql: only store knows a database", dir)
			case strings.HasPrefix(path, module) && !may[path]:
				t.Errorf("server/%s imports %s; it may import only %s", dir, path, strings.Join(allowed, ", "))
			}
		}
	}
}
