package app

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestPublishedSecretIsThatOfCompose checks that the secret that a start warns about is the one that users copy.
func TestPublishedSecretIsThatOfCompose(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "${POSTRIDER_JWT_SECRET:-"+publishedSecret+"}") {
		t.Errorf("docker-compose.yml ships another secret than %s", publishedSecret)
	}
}

// TestDocsNameSettingsThatExist checks the examples that users copy.
func TestDocsNameSettingsThatExist(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"POSTRIDER_PORT": true} // docker-compose.yml's own
	for _, settings := range []reflect.Type{reflect.TypeFor[Config](), reflect.TypeFor[listenCommand]()} {
		for field := range settings.Fields() {
			known[field.Tag.Get("env")] = true
		}
	}
	for _, file := range append(docFiles(t), "../docker-compose.yml", "../deploy/Dockerfile") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`\b(POSTRIDER_[A-Z_]+|DATABASE_URL)\b`).FindAllString(string(text), -1) {
			if !known[name] {
				t.Errorf("%s names %s, which is no setting", file, name)
			}
		}
	}
}
