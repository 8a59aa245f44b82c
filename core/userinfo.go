package core

import (
	"cmp"
	"errors"
	"net/url"
	"strings"
)

// URLMask replaces the user and password of a URL wherever one is shown: a person who may view an endpoint, an
// attempt or a log need not know the credentials of its receiver. User names are masked as well, because many
// receivers accept a key in that place.
const URLMask = "***"

var errURLMasked = errors.New("*** in url stands for the stored user and password, and is accepted only with the stored scheme, host and port; " +
	"for another URL give the user and password, or leave out ***@")

// MaskURL returns a stored URL, of whichever release, as it is shown.
func MaskURL(text string) string {
	before, userinfo, after := CutUserinfo(text)
	if userinfo == "" {
		return text
	}
	return before + URLMask + "@" + after
}

// CutUserinfo cuts a URL before its user and after its @. If there is no user, before is the whole URL.
func CutUserinfo(text string) (before, userinfo, after string) {
	begin, at, _ := authority(text)
	if at < 0 {
		return text, "", ""
	}
	return text[:begin], text[begin:at], text[at+1:]
}

// URLOrigin returns the scheme, host and port of a URL, as written in it.
func URLOrigin(text string) string {
	begin, at, end := authority(text)
	return text[:begin] + text[max(begin, at+1):end]
}

// authority returns the start and end of a URL's user, host and port, and the position of the @ between them, or -1.
func authority(text string) (begin, at, end int) {
	begin = strings.IndexByte(text, ':') + 1
	for begin < len(text) && strings.IndexByte("/\\\t\r\n", text[begin]) >= 0 {
		begin++
	}
	end = len(text)
	if i := strings.IndexAny(text[begin:], `/\?#`); i >= 0 {
		end = begin + i
	}
	if at = strings.LastIndexByte(text[begin:end], '@'); at >= 0 {
		at += begin
	}
	return begin, at, end
}

// isMasked reports whether a URL has the mask in place of the user.
func isMasked(text string) bool {
	_, userinfo, _ := CutUserinfo(text)
	plain, err := url.PathUnescape(userinfo)
	return err == nil && plain == URLMask
}

// unmaskURL restores the stored user and password in a URL that a client was shown and may have changed. It does so
// only if they are sent to the same place as before: otherwise anyone who may change endpoints could have the
// password sent to a place of their own.
func unmaskURL(text, was string, toASCII DomainToASCII) (string, error) {
	switch {
	case !isMasked(text) || text == was:
		return text, nil
	case text == MaskURL(was):
		return was, nil
	}
	normal, err := NormalURL(text, toASCII)
	scheme, _, place := CutUserinfo(normal)
	_, userinfo, _ := CutUserinfo(was)
	if err != nil || userinfo == "" || isMasked(was) || URLOrigin(normal) != URLOrigin(was) {
		return text, cmp.Or(err, errURLMasked)
	}
	return scheme + userinfo + "@" + place, nil
}
