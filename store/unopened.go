package store

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/postrider/postrider/core"
)

// receiving is what a leased delivery takes from its endpoint's row.
type receiving struct {
	url                string
	secret, headers    []byte
	oldSecrets         [][]byte
	oldSecretsExpireAt []time.Time
}

// receive adds to a delivery where it goes and what signs it. False: the endpoint's row cannot be read, and the delivery
// is left until its lease runs out, so that others are made.
func (s *Store) receive(d *core.Delivery, r receiving, now time.Time) bool {
	headers, err := readHeaders(r.headers)
	if err != nil {
		s.unopened.tell(fmt.Errorf("endpoint %s: %w", d.EndpointID, err), now)
		return false
	}
	// All that sign open or none is used, because a signature that is missing is a webhook that some receiver refuses.
	signing := core.SigningSecrets(r.secret, r.oldSecrets, r.oldSecretsExpireAt, now)
	c, err := s.keys.openCredentials(columns{r.url, headers, signing[0]}, d.AppID, d.EndpointID)
	if err != nil {
		s.unopened.tell(err, now)
		return false
	}
	old, err := s.keys.openMany(signing[1:], d.AppID, d.EndpointID)
	if err != nil {
		s.unopened.tell(err, now)
		return false
	}
	d.URL, d.Headers, d.Secrets = c.url, c.headers, append([]core.Secret{c.secret}, old...)
	return true
}

// unopened tells of deliveries that are left to their leases, because their endpoint's row cannot be read or its secrets
// cannot be opened: once a minute, since each of them comes again with every claim.
type unopened struct {
	log *slog.Logger

	mu     sync.Mutex
	left   int // since it last told
	toldAt time.Time
}

const unopenedInterval = time.Minute

func (u *unopened) tell(err error, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.left++
	if now.Sub(u.toldAt) < unopenedInterval {
		return
	}
	u.log.Error("endpoint unreadable; deliveries wait", "deliveries", u.left, "error", err)
	u.left, u.toldAt = 0, now
}
