package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/postrider/postrider/core"
)

// credentials are what an endpoint is called with. Its headers and the user and password in its URL often are as secret
// as its secret.
type credentials struct {
	url     string
	headers core.Headers
	secret  core.Secret
}

// columns are credentials as they are stored. With keys, headers and userinfo are sealed together with the secret, in its
// column: then headers is empty, and the URL has *** for the userinfo. So a row needs to be opened once, nothing in it can
// be replaced by itself, and a release that does not know of this cannot read the secret and leaves the endpoint alone.
type columns struct {
	url     string
	headers core.Headers
	secret  []byte
}

// sealedCredentials is what is sealed of an endpoint that has headers or userinfo, as JSON. Of others the secret is
// sealed alone, as ever.
type sealedCredentials struct {
	Secret   []byte       `json:"secret"`             // as it is stored without keys
	Origin   string       `json:"origin"`             // of the URL, so that nobody has them sent elsewhere by changing that
	Userinfo string       `json:"userinfo,omitempty"` // without its @
	Headers  core.Headers `json:"headers,omitempty"`
}

// sealCredentials returns how an endpoint's credentials are stored.
func (k SecretKeys) sealCredentials(c credentials, app core.AppID, endpoint core.EndpointID) columns {
	userinfo := plainUserinfo(c.url)
	if len(k) == 0 || userinfo == "" && len(c.headers) == 0 {
		return columns{c.url, c.headers, k.seal(c.secret, app, endpoint)}
	}
	plain := bytes.NewBuffer(marked(kindCredentials, 0))
	encoder := json.NewEncoder(plain)
	encoder.SetEscapeHTML(false) // or & would take six bytes
	err := encoder.Encode(sealedCredentials{encodeSecret(c.secret), core.URLOrigin(c.url), userinfo, c.headers})
	if err != nil {
		panic(err) // there are strings alone
	}
	return columns{core.MaskURL(c.url), core.Headers{}, k.sealBytes(plain.Bytes(), app, endpoint)}
}

// plainUserinfo returns the user and password that stand in a URL, if any.
func plainUserinfo(url string) string {
	if _, userinfo, _ := core.CutUserinfo(url); userinfo != core.URLMask {
		return userinfo
	}
	return ""
}

// openCredentials reads an endpoint's credentials as they are stored. Headers and userinfo that are in their columns all
// the same were written there by hand, and take the place of what is sealed.
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

// resealCredentials returns credentials as they are stored under the first key. Those that do not open stay as they are.
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
