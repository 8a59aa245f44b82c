package app

import (
	"strings"
	"testing"
)

func TestDescriptorsAreShared(t *testing.T) {
	t.Parallel()
	for limit := 46; limit < 5000; limit += 7 {
		d, err := shareDescriptors(limit, 13, 0)
		if err != nil {
			t.Fatalf("limit %d: %v", limit, err)
		}
		used := descriptorsOwn + 13 + d.attempts*descriptorsAttempt + d.idle + d.clients
		if used > limit || d.attempts < 1 || d.idle < 1 || d.clients < 1 {
			t.Errorf("limit %d: %+v are %d in all", limit, d, used)
		}
	}
	_, err := shareDescriptors(40, 13, 1)
	if err == nil || !strings.Contains(err.Error(), "open file limit (ulimit -n) is 40,") || !strings.Contains(err.Error(), "at least 53 are needed") {
		t.Error(err)
	}
}

func TestDescriptorLimitIsTheProcesss(t *testing.T) {
	t.Parallel()
	if n := descriptorLimit(); n < 20 {
		t.Errorf("%d", n)
	}
}
