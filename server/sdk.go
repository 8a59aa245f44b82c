package server

import (
	"net/http"
	"strconv"
	"strings"
)

// An sdk is the release of one of the Svix client libraries that sent a request. The zero value is any
// other client.
type sdk struct {
	language     string
	major, minor int
}

// sdkOf reads User-Agent, which these libraries send as "svix-libs/1.56.0/go", some with more behind it.
func sdkOf(h http.Header) sdk {
	for product := range strings.FieldsSeq(h.Get("User-Agent")) {
		name, rest, _ := strings.Cut(product, "/")
		release, language, _ := strings.Cut(rest, "/")
		major, rest, _ := strings.Cut(release, ".")
		minor, _, _ := strings.Cut(rest, ".")
		if name != "svix-libs" || language == "" {
			continue
		}
		x, errMajor := strconv.ParseUint(major, 10, 16)
		y, errMinor := strconv.ParseUint("0"+minor, 10, 16) // "2" is 2.0
		if errMajor == nil && errMinor == nil {
			return sdk{language: language, major: int(x), minor: int(y)}
		}
	}
	return sdk{}
}

// before reports whether it is an SDK older than major.minor. A pre-release counts as its release: it
// was generated from the same description of the API.
func (s sdk) before(major, minor int) bool {
	return s.language != "" && (s.major < major || s.major == major && s.minor < minor)
}

// rotatesWithoutBody reports whether the SDK takes the answer to a rotated secret only without a body:
// Java, Kotlin and C# fail on one, the other languages ignore it. From 2.7 on all of them fail without.
func (s sdk) rotatesWithoutBody() bool { return s.before(2, 7) }

// refusesUnknownFields reports whether the SDK fails on fields that its models lack. Both were made by one
// release of the same generator, from the same description of the API.
func (s sdk) refusesUnknownFields() bool {
	return !s.before(1, 39) && (s.language == "go" && s.before(1, 57) || s.language == "java" && s.before(1, 60))
}
