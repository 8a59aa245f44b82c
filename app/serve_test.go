package app

import (
	"bytes"
	"net"
	"strings"
	"testing"
)

func TestStepsAreNumberedAndHoldNoToken(t *testing.T) {
	t.Parallel()
	i := &Instance{local: true, address: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8071},
		config: Config{DataDir: "/srv/it", DatabaseURL: "postgres://h/d", Listen: "127.0.0.1:8071"}}
	var out bytes.Buffer
	if err := i.printSteps(&out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, want := range []string{
		"  1. ", "  2. ", "  3. ", "  4. ", "  5. ", " token --data-dir '/srv/it')", "curl http://127.0.0.1:8071/api/v1/app -H", "psql 'postgres://h/d'",
		"loopback addresses",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "eyJ") || strings.Contains(text, "POSTRIDER_JWT_SECRET must") {
		t.Errorf("a token, or a secret that was not set:\n%s", text)
	}
}
