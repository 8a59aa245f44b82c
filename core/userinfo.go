package core

import (
	"cmp"
	"errors"
	"net/url"
	"strings"
)

// URLMask stands for the user and password of a URL wherever one is shown: whoever may look at an endpoint, or reads
// an attempt or a log, need not know what its receiver is called with. Names are masked as well; many receivers take a
// key for one.
const URLMask = "***"

var errURLMasked = errors.New("url has *** where a user and password go. It stands for those that are stored, as long as scheme, " +
	"host and port are the stored ones; for another URL give the user and password, or leave out ***@")

// MaskURL is how a stored URL, of whichever release, is shown.
func MaskURL(text string) string {
	before, userinfo, after := cutUserinfo(text)
	if userinfo == "" {
		return text
	}
	return before + URLMask + "@" + after
}

// cutUserinfo cuts a URL before its user and behind its @. Without a user, all of it is in before.
func cutUserinfo(text string) (before, userinfo, after string) {
	begin := strings.IndexByte(text, ':') + 1
	for begin < len(text) && strings.IndexByte("/\\\t\r\n", text[begin]) >= 0 {
		begin++
	}
	end := len(text)
	if i := strings.IndexAny(text[begin:], `/\?#`); i >= 0 {
		end = begin + i
	}
	at := strings.LastIndexByte(text[begin:end], '@')
	if at < 0 {
		return text, "", ""
	}
	return text[:begin], text[begin : begin+at], text[begin+at+1:]
}

// isMasked reports whether a URL has the mask in place of a user.
func isMasked(text string) bool {
	_, userinfo, _ := cutUserinfo(text)
	plain, err := url.PathUnescape(userinfo)
	return err == nil && plain == URLMask
}

// unmaskURL puts the stored user and password back into a URL that a client was shown, and may have changed. Only
// where they went before: otherwise whoever may change endpoints could have the password sent to a place of theirs.
func unmaskURL(text, was string, toASCII DomainToASCII) (string, error) {
	switch {
	case !isMasked(text) || text == was:
		return text, nil
	case text == MaskURL(was):
		return was, nil
	}
	normal, err := NormalURL(text, toASCII)
	scheme, _, place := cutUserinfo(normal)
	wasScheme, userinfo, wasPlace := cutUserinfo(was)
	if err != nil || userinfo == "" || isMasked(was) || scheme != wasScheme || hostOf(place) != hostOf(wasPlace) {
		return text, cmp.Or(err, errURLMasked)
	}
	return scheme + userinfo + "@" + place, nil
}

// hostOf is the host and port at the beginning of what follows the @.
func hostOf(place string) string {
	if i := strings.IndexAny(place, `/\?#`); i >= 0 {
		return place[:i]
	}
	return place
}
