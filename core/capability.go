package core

import (
	"fmt"
	"slices"
)

// Capability is one thing that a token of an application may do with it.
type Capability string

// The names are the API's and stand in tokens. ManageTransformations grants nothing here yet; it is
// known so that what existing clients ask for can be given.
const (
	CapabilityViewBase              Capability = "ViewBase"             // read all but secrets; without it nothing is reached
	CapabilityViewEndpointSecret    Capability = "ViewEndpointSecret"   // read secrets
	CapabilityManageEndpointSecret  Capability = "ManageEndpointSecret" // read and rotate secrets
	CapabilityManageEndpoint        Capability = "ManageEndpoint"       // make, change and delete endpoints, secrets included
	CapabilityManageTransformations Capability = "ManageTransformations"
	CapabilityCreateAttempts        Capability = "CreateAttempts" // resend, recover, replay, send examples
)

// implied says which further capabilities grant the one.
var implied = map[Capability][]Capability{
	CapabilityViewEndpointSecret:   {CapabilityManageEndpointSecret, CapabilityManageEndpoint},
	CapabilityManageEndpointSecret: {CapabilityManageEndpoint},
}

// may refuses tokens of applications that lack the capability. Every use case that an application's
// token can reach asks for the one it needs; reachable asks for CapabilityViewBase.
func (s Scope) may(c Capability) error {
	if s.AppID == "" || s.Capabilities == nil || slices.Contains(s.Capabilities, c) ||
		slices.ContainsFunc(implied[c], func(more Capability) bool { return slices.Contains(s.Capabilities, more) }) {
		return nil
	}
	return Forbidden()
}

// capabilities checks what a client wants a token to have. Without ViewBase it would reach nothing,
// so that a list without it is a mistake, an empty one too.
func (c *checks) capabilities(list []Capability) {
	if list == nil {
		return
	}
	c.body(slices.Contains(list, CapabilityViewBase), "capabilities must include ViewBase; leave capabilities out to grant all of them", "capabilities")
	for i, one := range list[:min(len(capabilities)+1, len(list))] {
		c.body(slices.Contains(capabilities, one), fmt.Sprintf("%.100q is not a capability; use %v", one, capabilities), fmt.Sprintf("capabilities[%d]", i))
	}
}

// capabilities are all there are.
var capabilities = []Capability{
	CapabilityViewBase, CapabilityViewEndpointSecret, CapabilityManageEndpointSecret,
	CapabilityManageEndpoint, CapabilityManageTransformations, CapabilityCreateAttempts,
}
