package core

import "slices"

// Scope is what a token lets its bearer reach: everything of one organisation, or one application
// of it.
type Scope struct {
	OrgID OrgID
	AppID AppID // empty for a token of the whole organisation

	// Of an application's token:
	FeatureFlags []string     // which flagged event types it sees
	Capabilities []Capability // what it may do, and nothing else; nil: everything
}

// org refuses tokens that are bound to one application.
func (s Scope) org() error {
	if s.AppID != "" {
		return Forbidden()
	}
	return nil
}

// app refuses, as not found, every application that the token is not for: to its bearer the others
// do not exist.
func (s Scope) app(id AppID) error {
	if s.AppID != "" && s.AppID != id {
		return NotFound()
	}
	return nil
}

// sees tells whether the bearer may know of the event type: feature flags hide some from
// applications.
func (s Scope) sees(t EventType) bool {
	return s.AppID == "" || t.FeatureFlags == nil ||
		slices.ContainsFunc(t.FeatureFlags, func(flag string) bool { return slices.Contains(s.FeatureFlags, flag) })
}
