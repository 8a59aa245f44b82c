package delivery

import (
	"strings"

	"github.com/postrider/postrider/core"
)

// callURL is the URL to call for a stored one. Releases before URLs were stored in their normal form kept
// queries and hosts as they came; those are called in the normal form. Other old URLs are called as they
// always were.
func callURL(stored string) string {
	raw := func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '<' || r == '>' }
	if strings.ContainsFunc(stored, raw) {
		if normal, err := core.NormalURL(stored, DomainToASCII); err == nil {
			return normal
		}
	}
	return stored
}
