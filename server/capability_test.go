package server

import (
	"slices"
	"strconv"
	"testing"

	"github.com/postrider/postrider/core"
)

// needs maps operations to the capability that they require of an application's token. Of the operations that are not
// listed, those only for organisations' tokens require none, and the others require ViewBase.
var needs = map[string]core.Capability{
	"EndpointCreate":        core.CapabilityManageEndpoint,
	"EndpointUpdate":        core.CapabilityManageEndpoint,
	"EndpointPatch":         core.CapabilityManageEndpoint,
	"EndpointDelete":        core.CapabilityManageEndpoint,
	"EndpointSecretGet":     core.CapabilityViewEndpointSecret,
	"EndpointSecretRotate":  core.CapabilityManageEndpointSecret,
	"MessageResend":         core.CapabilityCreateAttempts,
	"EndpointHeadersUpdate": core.CapabilityManageEndpoint,
	"EndpointHeadersPatch":  core.CapabilityManageEndpoint,
	"EndpointRecover":       core.CapabilityCreateAttempts,
	"EndpointReplayMissing": core.CapabilityCreateAttempts,
	"EndpointBulkReplay":    core.CapabilityCreateAttempts,
}

// grants maps each capability to those that grant it, including itself.
var grants = map[core.Capability][]core.Capability{
	core.CapabilityViewBase:       {core.CapabilityViewBase},
	core.CapabilityManageEndpoint: {core.CapabilityManageEndpoint},
	core.CapabilityCreateAttempts: {core.CapabilityCreateAttempts},
	core.CapabilityViewEndpointSecret: {
		core.CapabilityViewEndpointSecret, core.CapabilityManageEndpointSecret, core.CapabilityManageEndpoint,
	},
	core.CapabilityManageEndpointSecret: {core.CapabilityManageEndpointSecret, core.CapabilityManageEndpoint},
}

// TestOperationsAskForCapabilities calls every operation that an application's token can reach, with ViewBase and
// each other capability, and with all capabilities except ViewBase.
func TestOperationsAskForCapabilities(t *testing.T) {
	t.Parallel()
	for _, op := range operations(t) {
		if len(op.Security) == 0 || rows[op.OperationID] == nil || accessText(op) != "Organisation or application token" {
			continue
		}
		need := needs[op.OperationID]
		if need == "" {
			need = core.CapabilityViewBase
		}
		good := rows[op.OperationID][0]
		try := func(name string, granted bool, has ...core.Capability) {
			t.Run(op.OperationID+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := good
				if !granted {
					r.status, r.want = 403, []string{`"code":"insufficient access"`}
				}
				f := newFixture(t)
				f.call(t, op, r, f.tokenThat(t, has))
			})
		}
		every := []core.Capability{
			core.CapabilityViewEndpointSecret, core.CapabilityManageEndpointSecret, core.CapabilityManageEndpoint,
			core.CapabilityManageTransformations, core.CapabilityCreateAttempts, "Unknown",
		}
		for n, c := range every {
			granted := need == core.CapabilityViewBase || slices.Contains(grants[need], c)
			try("ViewBase and "+strconv.Itoa(n)+" "+string(c), granted, core.CapabilityViewBase, c)
		}
		try("all but ViewBase", false, every...)
		try("none", false)
	}
}

// tokenThat returns a token of the application one that has only these capabilities.
func (f *fixture) tokenThat(t *testing.T, has []core.Capability) string {
	t.Helper()
	if has == nil {
		has = []core.Capability{}
	}
	grant := f.grant(f.ids.app, nil)
	grant.Capabilities = has
	token, err := f.tokens.App(grant)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
