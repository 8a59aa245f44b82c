package core

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// headersSensitive are the headers whose values are credentials: a client can set them but never read them.
var headersSensitive = []string{
	"x-auth-token", "x-api-key", "www-authenticate", "authorization", "proxy-authenticate", "proxy-authorization",
}

// shown splits headers into those a client may read and the names of those it may not.
func (h Headers) shown() (shown Headers, sensitive []string) {
	shown, sensitive = Headers{}, []string{}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if slices.Contains(headersSensitive, strings.ToLower(name)) {
			sensitive = append(sensitive, name)
		} else {
			shown[name] = h[name]
		}
	}
	return shown, sensitive
}

// HeadersPatch changes some of an endpoint's headers: it deletes those named in Delete, then adds those of Set.
// Header names are case-insensitive, so a header in Set replaces the stored one of any spelling, and the new
// spelling is kept.
type HeadersPatch struct {
	Set    Headers
	Delete []string
}

func (p HeadersPatch) apply(headers Headers) Headers {
	gone := make(map[string]bool, len(p.Delete)+len(p.Set))
	for _, name := range p.Delete {
		gone[strings.ToLower(name)] = true
	}
	for name := range p.Set {
		gone[strings.ToLower(name)] = true
	}
	result := Headers{}
	for name, value := range headers {
		if !gone[strings.ToLower(name)] {
			result[name] = value
		}
	}
	maps.Copy(result, p.Set)
	return result
}

// EndpointHeadersGet returns an endpoint's own headers, and the names of those whose values are hidden.
func (s *Service) EndpointHeadersGet(ctx context.Context, scope Scope, appRef, ref string) (shown Headers, sensitive []string, err error) {
	e, err := s.EndpointGet(ctx, scope, appRef, ref)
	if err != nil {
		return nil, nil, err
	}
	shown, sensitive = e.Headers.shown()
	return shown, sensitive, nil
}

// EndpointHeadersUpdate replaces all of an endpoint's own headers.
func (s *Service) EndpointHeadersUpdate(ctx context.Context, scope Scope, appRef, ref string, headers Headers) error {
	replace := HeadersPatch{Set: headers}
	return s.endpointHeadersChange(ctx, scope, appRef, ref, headers, func(Headers) Headers { return replace.apply(nil) })
}

// EndpointHeadersPatch applies patch to an endpoint's own headers. Other headers stay as they are.
func (s *Service) EndpointHeadersPatch(ctx context.Context, scope Scope, appRef, ref string, patch HeadersPatch) error {
	return s.endpointHeadersChange(ctx, scope, appRef, ref, patch.Set, patch.apply)
}

// endpointHeadersChange checks only the given headers: a client that changes one header should not get an error
// about another that was stored under older rules.
func (s *Service) endpointHeadersChange(
	ctx context.Context, scope Scope, appRef, ref string, given Headers, change func(Headers) Headers,
) error {
	app, err := s.changeable(ctx, scope, CapabilityManageEndpoint, appRef)
	if err != nil {
		return err
	}
	_, err = s.endpointChange(ctx, app, ref, func(ctx context.Context, tx Tx, e *Endpoint) ([]string, error) {
		e.Headers, e.UpdatedAt = change(e.Headers), s.now()
		var c checks
		c.headers(given)
		if len(given) > 0 && c.err() == nil { // else only the given headers are at fault
			c.body(len(e.Headers) <= headersMost, headersTooMany, "headers")
			c.body(e.Headers.bytes() <= headersBytesMax, headersTooLarge, "headers")
		}
		if err := c.err(); err != nil {
			return nil, err
		}
		return []string{eventEndpointUpdated}, tx.EndpointHeadersUpdate(ctx, *e)
	})
	return err
}
