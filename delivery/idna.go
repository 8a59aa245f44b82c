package delivery

import "golang.org/x/net/idna"

// domains is the processing that the URL Standard asks for.
var domains = idna.New(
	idna.MapForLookup(), idna.BidiRule(), idna.CheckJoiners(true), idna.Transitional(false),
	idna.CheckHyphens(false), idna.StrictDomainName(false), idna.VerifyDNSLength(false),
)

// DomainToASCII is [core.DomainToASCII].
func DomainToASCII(domain string) (string, error) { return domains.ToASCII(domain) }
