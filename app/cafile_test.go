package app

import (
	"os"
	"strings"
	"testing"
)

func TestABundleOfAuthoritiesIsReadWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	path, _ := caFile(t)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	one := string(file)
	for name, c := range map[string]struct{ text, want string }{
		"one":                {one, ""},
		"two with remarks":   {"# ours\n" + one + "\n# theirs\n" + one + "\n", ""},
		"cut off":            {one + one[:len(one)/2], "the block after certificate 1 is incomplete"},
		"cut off, the first": {one[:len(one)/2], "the file contains no certificate"},
		"spoilt":             {one + strings.Replace(one, "MII", "AII", 1) + strings.Replace(one, "MI", "AA", 1), "certificate 2: "},
		"a key beside it":    {one + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "block 2 is a PRIVATE KEY, not a certificate"},
	} {
		_, err := (&Config{CAFile: writeFile(t, []byte(c.text))}).roots()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
