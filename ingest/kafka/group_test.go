package kafka

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// checked runs a check, and returns the warnings and the error.
func (b *broker) checked(t testing.TB) (warnings string, err error) {
	t.Helper()
	var log journal
	s := own(t, b.config, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})))
	err = s.Check(t.Context())
	return log.String(), err
}

// wantWarning checks that a warning contains a text or, with "", that there is none.
func wantWarning(t testing.TB, warnings, want string) {
	t.Helper()
	if (warnings != "") != (want != "") || !strings.Contains(warnings, want) {
		t.Errorf("the warnings are %q, want one that says %q", warnings, want)
	}
}

// Kafka decides when a consumer joins whether it may. These are the groups that it always refuses, and those that
// only some other members make impossible to join.
func TestCheckTellsGroupsApart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		members []kgo.Opt
		stays   bool     // a member stays in it
		err     []string // the check's error
		warning string
		refused bool // by the brokers
	}{
		"ours":                  {[]kgo.Opt{kgo.Balancers(balancer)}, true, nil, "", false},
		"Connect":               {[]kgo.Opt{kgo.GroupProtocol("connect")}, true, []string{"group: ", "members of type connect"}, "", true},
		"Connect, empty":        {[]kgo.Opt{kgo.GroupProtocol("connect")}, false, nil, "", false},
		"range":                 {[]kgo.Opt{kgo.Balancers(kgo.RangeBalancer())}, true, nil, "protocol=range", true},
		"range, empty":          {[]kgo.Opt{kgo.Balancers(kgo.RangeBalancer())}, false, nil, "", false},
		"newer protocol":        {[]kgo.Opt{kgo.ServerSideBalancer()}, true, nil, "Kafka's new protocol", false},
		"newer protocol, empty": {[]kgo.Opt{kgo.ServerSideBalancer()}, false, nil, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFake(t)
			b.Produce(t, interleaved(0, 1)...)
			member := b.connect(t, append(test.members, kgo.ConsumerGroup(b.config.Group), kgo.ConsumeTopics(b.topic()))...)
			if member.PollFetches(t.Context()).NumRecords() == 0 {
				t.Fatal("the other member got nothing")
			}
			if !test.stays {
				if err := member.LeaveGroupContext(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			warnings, err := b.checked(t)
			wantSaid(t, err, test.err...)
			if test.refused {
				b.wantRefused(t)
			}
			wantWarning(t, warnings, test.warning)
		})
	}
}

func TestCheckRefusesShareGroup(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	member := b.connect(t, kgo.ShareGroup(b.config.Group), kgo.ConsumeTopics(b.topic()))
	go member.PollFetches(t.Context())
	await(t, func() string {
		listed, err := kadm.NewClient(b.client).ListGroups(t.Context())
		if _, ok := listed[b.config.Group]; !ok {
			return "the share group is not there: " + errText(err)
		}
		return ""
	})
	_, err := b.checked(t)
	wantSaid(t, err, "group: ", "is a share group")
}

// wantRefused checks that a consumer reports that it cannot join the group.
func (b *broker) wantRefused(t testing.TB) {
	t.Helper()
	s := b.source(t, b.dial)
	defer closeSource(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := s.Receive(ctx)
	wantSaid(t, err, "group: its members", "name another group", "INCONSISTENT_GROUP_PROTOCOL")
}
