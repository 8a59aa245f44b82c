package delivery

import "golang.org/x/net/idna"

// domains processes domain names as the URL Standard requires.
var domains = idna.New(
	idna.MapForLookup(), idna.BidiRule(), idna.CheckJoiners(true), idna.Transitional(false),
	idna.CheckHyphens(false), idna.StrictDomainName(false), idna.VerifyDNSLength(false),
)

// DomainToASCII implements [core.DomainToASCII].
func DomainToASCII(domain string) (string, error) { return domains.ToASCII(domain) }
