package core

import "slices"

// Scope is what a token gives access to: everything of one organisation, or one of its applications.
type Scope struct {
	OrgID OrgID
	AppID AppID // empty for a token of the whole organisation

	// For an application's token:
	FeatureFlags []string     // the feature flags whose event types it sees
	Capabilities []Capability // what it may do; nil: everything
}

// org rejects tokens of applications.
func (s Scope) org() error {
	if s.AppID != "" {
		return Forbidden()
	}
	return nil
}

// app returns a not-found error for every application that the token is not for: its bearer must not learn that
// others exist.
func (s Scope) app(id AppID) error {
	if s.AppID != "" && s.AppID != id {
		return NotFound()
	}
	return nil
}

// sees reports whether the bearer may see the event type. Feature flags hide some event types from applications.
func (s Scope) sees(t EventType) bool {
	return s.AppID == "" || t.FeatureFlags == nil ||
		slices.ContainsFunc(t.FeatureFlags, func(flag string) bool { return slices.Contains(s.FeatureFlags, flag) })
}
