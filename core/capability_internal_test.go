package core

import "testing"

func TestCapabilities(t *testing.T) {
	t.Parallel()
	all := []Capability{
		CapabilityViewBase, CapabilityViewEndpointSecret, CapabilityManageEndpointSecret,
		CapabilityManageEndpoint, CapabilityManageTransformations, CapabilityCreateAttempts,
	}
	for _, test := range []struct {
		name string
		has  []Capability
		want []Capability
	}{
		{"not limited", nil, all},
		{"none", []Capability{}, nil},
		{"unknown ones", []Capability{"", "Everything", "viewbase"}, nil},
		{"viewing", []Capability{CapabilityViewBase}, []Capability{CapabilityViewBase}},
		{"secrets", []Capability{CapabilityManageEndpointSecret}, []Capability{CapabilityViewEndpointSecret, CapabilityManageEndpointSecret}},
		{"endpoints", []Capability{CapabilityManageEndpoint},
			[]Capability{CapabilityViewEndpointSecret, CapabilityManageEndpointSecret, CapabilityManageEndpoint}},
		{"attempts", []Capability{CapabilityCreateAttempts}, []Capability{CapabilityCreateAttempts}},
		{"all", all, all},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			want := map[Capability]bool{}
			for _, c := range test.want {
				want[c] = true
			}
			for _, c := range all {
				err := Scope{OrgID: "org_a", AppID: "app_1", Capabilities: test.has}.may(c)
				if err == nil != want[c] || err != nil && !IsKind(err, KindForbidden) {
					t.Errorf("%s: %v, want it granted: %t", c, err, want[c])
				}
			}
			if err := (Scope{OrgID: "org_a", Capabilities: test.has}).may(CapabilityManageEndpoint); err != nil {
				t.Errorf("a token of the whole organisation: %v", err)
			}
		})
	}
}
