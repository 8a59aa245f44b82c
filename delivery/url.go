package delivery

import (
	"strings"

	"github.com/postrider/postrider/core"
)

// callURL returns the URL to call for a stored one. Early releases did not store URLs in normal form but kept queries
// and hosts as they were given; such URLs are called in normal form. Other old URLs are called as they always were.
func callURL(stored string) string {
	raw := func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '<' || r == '>' }
	if strings.ContainsFunc(stored, raw) {
		if normal, err := core.NormalURL(stored, DomainToASCII); err == nil {
			return normal
		}
	}
	return stored
}
