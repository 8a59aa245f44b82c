package store

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/postrider/postrider/core"
)

// receiving holds the columns of an endpoint that a leased delivery needs.
type receiving struct {
	url                string
	secret, headers    []byte
	oldSecrets         [][]byte
	oldSecretsExpireAt []time.Time
}

// receive adds the URL, headers and signing secrets to a delivery. It returns false if the endpoint's row cannot be
// read. The delivery is then left until its lease expires, so that other deliveries are made.
func (s *Store) receive(d *core.Delivery, r receiving, now time.Time) bool {
	headers, err := readHeaders(r.headers)
	if err != nil {
		s.unopened.tell(fmt.Errorf("endpoint %s: %w", d.EndpointID, err), now)
		return false
	}
	// Either all signing secrets can be decrypted or none is used, because some receivers refuse a webhook that lacks a
	// signature.
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

// unopened logs deliveries that wait for their leases to expire because their endpoint's row cannot be read or its
// secrets cannot be decrypted. It logs once a minute, since each such delivery comes back when its lease has expired.
type unopened struct {
	log *slog.Logger

	mu     sync.Mutex
	left   int // number of deliveries since the last log entry
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
