package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// consumers is Kafka's name for the consumer protocol, and also the type of groups with the newer protocol of
// KIP-848.
const consumers = "consumer"

// usable returns why the group cannot be used. A group that does not exist yet can be used, and so can one without
// members: the first member that joins decides its type.
func (s *Source) usable(ctx context.Context, client *kgo.Client) error {
	name := s.config.Group
	ask := kmsg.NewPtrDescribeGroupsRequest()
	ask.Groups = []string{name}
	ask.IncludeAuthorizedOperations = true
	answer, err := ask.RequestWith(ctx, client)
	var group kmsg.DescribeGroupsResponseGroup
	if err == nil && len(answer.Groups) > 0 {
		group = answer.Groups[0]
		err = kerr.ErrorForCode(group.ErrorCode)
	}
	may := kadm.DecodeACLOperations(group.AuthorizedOperations)
	switch {
	case errors.Is(err, kerr.GroupAuthorizationFailed), len(may) > 0 && !slices.Contains(may, kadm.OpRead):
		return fmt.Errorf("group: %s may not be used", name)
	case err != nil && !errors.Is(err, kerr.GroupIDNotFound):
		return fmt.Errorf("group: %s: %w", name, err)
	case group.State == "Empty":
		return nil
	case len(group.Members) == 0:
		return s.newer(ctx, client)
	case group.ProtocolType != consumers:
		return fmt.Errorf("group: %s has members of type %s, not consumers; name another group, or stop them",
			name, group.ProtocolType)
	case group.Protocol != "" && group.Protocol != balancer.ProtocolName(): // "": being chosen
		// Java's members also support our protocol by default, since Kafka 3.0. Brokers do not report which protocols
		// members support.
		s.log.Warn("group uses another assignment protocol; joining works only if every member supports ours",
			"group", name, "protocol", group.Protocol, "ours", balancer.ProtocolName())
	}
	return nil
}

// newer checks for the group types that Kafka added since 3.7. Described as a classic group, such a group does not
// exist, or is dead.
func (s *Source) newer(ctx context.Context, client *kgo.Client) error {
	answer, err := kmsg.NewPtrListGroupsRequest().RequestWith(ctx, client)
	if answer == nil {
		s.log.Debug("group listing failed; group type unknown", "group", s.config.Group, "error", err)
		return nil
	}
	for _, group := range answer.Groups {
		if group.Group != s.config.Group {
			continue
		}
		empty := strings.EqualFold(group.GroupState, "empty")
		switch kind := strings.ToLower(group.GroupType); {
		case kind == "share", kind == "streams" && !empty:
			return fmt.Errorf("group: %s is a %s group, which consumers cannot join; name another group", group.Group, kind)
		case kind == consumers && !empty:
			s.log.Warn("group has members that use Kafka's new protocol; they take some of the partitions",
				"group", group.Group)
		}
	}
	return nil
}
