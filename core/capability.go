package core

import (
	"fmt"
	"slices"
)

// Capability is one thing that a token of an application may do with it.
type Capability string

// The names are the API's and appear in tokens. ManageTransformations grants nothing yet; it is accepted so that
// existing clients can request it.
const (
	CapabilityViewBase              Capability = "ViewBase"             // read all but secrets; nothing works without it
	CapabilityViewEndpointSecret    Capability = "ViewEndpointSecret"   // read secrets
	CapabilityManageEndpointSecret  Capability = "ManageEndpointSecret" // read and rotate secrets
	CapabilityManageEndpoint        Capability = "ManageEndpoint"       // create, change, delete endpoints and their secrets
	CapabilityManageTransformations Capability = "ManageTransformations"
	CapabilityCreateAttempts        Capability = "CreateAttempts" // resend, recover, replay, send examples
)

// implied lists the other capabilities that grant each capability.
var implied = map[Capability][]Capability{
	CapabilityViewEndpointSecret:   {CapabilityManageEndpointSecret, CapabilityManageEndpoint},
	CapabilityManageEndpointSecret: {CapabilityManageEndpoint},
}

// may rejects tokens of applications that lack the capability. Every use case that an application's token can reach
// checks the capability it needs; reachable checks CapabilityViewBase.
func (s Scope) may(c Capability) error {
	if s.AppID == "" || s.Capabilities == nil || slices.Contains(s.Capabilities, c) ||
		slices.ContainsFunc(implied[c], func(more Capability) bool { return slices.Contains(s.Capabilities, more) }) {
		return nil
	}
	return Forbidden()
}

// capabilities checks the capabilities that a client requests for a token. Without ViewBase a token could reach
// nothing, so a list without it, even an empty one, is a mistake.
func (c *checks) capabilities(list []Capability) {
	if list == nil {
		return
	}
	c.body(slices.Contains(list, CapabilityViewBase), "capabilities must include ViewBase; leave capabilities out to grant all of them", "capabilities")
	for i, one := range list[:min(len(capabilities)+1, len(list))] {
		c.body(slices.Contains(capabilities, one), fmt.Sprintf("%.100q is not a capability; use %v", one, capabilities), fmt.Sprintf("capabilities[%d]", i))
	}
}

// capabilities lists all capabilities.
var capabilities = []Capability{
	CapabilityViewBase, CapabilityViewEndpointSecret, CapabilityManageEndpointSecret,
	CapabilityManageEndpoint, CapabilityManageTransformations, CapabilityCreateAttempts,
}
