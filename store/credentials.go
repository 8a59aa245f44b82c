package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/postrider/postrider/core"
)

// credentials are used to call an endpoint. The headers and the user and password in the URL are often as sensitive
// as the secret.
type credentials struct {
	url     string
	headers core.Headers
	secret  core.Secret
}

// columns are credentials as stored. If there are keys, headers and userinfo are sealed together with the secret, in
// the secret's column; headers is then empty, and the URL has *** in place of the userinfo. So a row is decrypted
// once, none of its parts can be replaced on its own, and a release that does not know this format cannot read the
// secret and leaves the endpoint alone.
type columns struct {
	url     string
	headers core.Headers
	secret  []byte
}

// sealedCredentials is the JSON that is sealed for an endpoint with headers or userinfo. For other endpoints, only
// the secret is sealed.
type sealedCredentials struct {
	Secret   []byte       `json:"secret"`             // as stored without keys
	Origin   string       `json:"origin"`             // of the URL, so that nobody can redirect the credentials by changing it
	Userinfo string       `json:"userinfo,omitempty"` // without the @
	Headers  core.Headers `json:"headers,omitempty"`
}

// sealCredentials returns an endpoint's credentials as they are stored.
func (k SecretKeys) sealCredentials(c credentials, app core.AppID, endpoint core.EndpointID) columns {
	userinfo := plainUserinfo(c.url)
	if len(k) == 0 || userinfo == "" && len(c.headers) == 0 {
		return columns{c.url, c.headers, k.seal(c.secret, app, endpoint)}
	}
	plain := bytes.NewBuffer(marked(kindCredentials, 0))
	encoder := json.NewEncoder(plain)
	encoder.SetEscapeHTML(false) // otherwise & would take six bytes
	err := encoder.Encode(sealedCredentials{encodeSecret(c.secret), core.URLOrigin(c.url), userinfo, c.headers})
	if err != nil {
		panic(err) // impossible: all fields are strings
	}
	return columns{core.MaskURL(c.url), core.Headers{}, k.sealBytes(plain.Bytes(), app, endpoint)}
}

// plainUserinfo returns the unmasked user and password in a URL, if any.
func plainUserinfo(url string) string {
	if _, userinfo, _ := core.CutUserinfo(url); userinfo != core.URLMask {
		return userinfo
	}
	return ""
}

// openCredentials reads an endpoint's credentials from its columns. Headers and userinfo that are stored in plain
// text beside sealed ones were written by hand and override the sealed ones.
func (k SecretKeys) openCredentials(c columns, app core.AppID, endpoint core.EndpointID) (credentials, error) {
	opened, err := k.readCredentials(c, app, endpoint)
	if err != nil {
		return credentials{}, fmt.Errorf("secret of the endpoint %s: %w", endpoint, err)
	}
	return opened, nil
}

func (k SecretKeys) readCredentials(c columns, app core.AppID, endpoint core.EndpointID) (credentials, error) {
	plain, err := k.unseal(c.secret, app, endpoint)
	if err != nil {
		return credentials{}, err
	}
	kind, body, err := unmarked(plain)
	if err != nil || kind != kindCredentials {
		secret, err := decodeSecret(plain)
		return credentials{c.url, c.headers, secret}, err
	}
	sealed := sealedCredentials{Headers: core.Headers{}}
	if err := json.Unmarshal(body, &sealed); err != nil {
		return credentials{}, fmt.Errorf("what is sealed with it: %w", err)
	}
	if core.URLOrigin(c.url) != sealed.Origin {
		return credentials{}, errors.New("what is sealed with it is for another scheme, host or port than the URL has")
	}
	secret, err := decodeSecret(sealed.Secret)
	return credentials{sealed.unmask(c.url), sealed.or(c.headers), secret}, err
}

func (s sealedCredentials) unmask(url string) string {
	before, userinfo, after := core.CutUserinfo(url)
	if userinfo != core.URLMask || s.Userinfo == "" {
		return url
	}
	return before + s.Userinfo + "@" + after
}

func (s sealedCredentials) or(stored core.Headers) core.Headers {
	if len(stored) > 0 {
		return stored
	}
	return s.Headers
}

// resealCredentials returns credentials as they are stored under the first key. It leaves credentials unchanged if
// they cannot be decrypted.
func (k SecretKeys) resealCredentials(c columns, app core.AppID, endpoint core.EndpointID) (again columns, changed bool) {
	if k.isFirst(c.secret) && len(c.headers) == 0 && plainUserinfo(c.url) == "" {
		return c, false
	}
	opened, err := k.openCredentials(c, app, endpoint)
	if err != nil {
		return c, false
	}
	return k.sealCredentials(opened, app, endpoint), true
}
