package store

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// lockLimits reads the limits of endpoints and applications, and locks those that nobody else has locked.
func lockLimits(ctx context.Context, t pgx.Tx, owed []core.Owed) (core.Limits, error) {
	limits := core.Limits{Endpoints: map[core.EndpointID]core.EndpointLimit{}, Applications: map[core.AppID]core.Pace{}}
	var p db.EndpointPaceLockManyAnyTenantParams
	var apps []string
	for _, o := range owed {
		p.AppIDs, p.EndpointIDs = append(p.AppIDs, string(o.AppID)), append(p.EndpointIDs, string(o.EndpointID))
		if o.AppPace.Rate > 0 {
			apps = append(apps, string(o.AppID))
		}
	}
	endpoints, err := queries.EndpointPaceLockManyAnyTenant(ctx, t, p)
	if err != nil {
		return limits, err
	}
	for _, e := range endpoints {
		limits.Endpoints[e.ID] = core.EndpointLimit{
			PausedUntil: orZero(e.PausedUntil), Pace: core.Pace{Rate: e.ThrottleRate, Until: orZero(e.ThrottledUntil)},
		}
	}
	if len(apps) == 0 {
		return limits, nil
	}
	rows, err := queries.ApplicationPaceLockManyAnyTenant(ctx, t, apps)
	for _, a := range rows {
		limits.Applications[a.ID] = core.Pace{Rate: a.ThrottleRate, Until: orZero(a.ThrottledUntil)}
	}
	return limits, err
}

// writeLimits stores how much of the limits the claimed deliveries used up.
func writeLimits(ctx context.Context, t pgx.Tx, claimed []core.Delivery, limits core.Limits) error {
	var e db.EndpointPaceUpdateManyAnyTenantParams
	var a db.ApplicationPaceUpdateManyAnyTenantParams
	seen := map[core.EndpointID]bool{}
	for _, d := range claimed {
		if seen[d.EndpointID] {
			continue
		}
		seen[d.EndpointID] = true
		limit := limits.Endpoints[d.EndpointID]
		e.AppIDs, e.EndpointIDs = append(e.AppIDs, string(d.AppID)), append(e.EndpointIDs, string(d.EndpointID))
		e.ThrottledUntils = append(e.ThrottledUntils, limit.Pace.Until)
		e.PausedUntils = append(e.PausedUntils, limit.PausedUntil)
		if pace, ok := limits.Applications[d.AppID]; ok && !slices.Contains(a.IDs, string(d.AppID)) {
			a.IDs, a.ThrottledUntils = append(a.IDs, string(d.AppID)), append(a.ThrottledUntils, pace.Until)
		}
	}
	if len(claimed) == 0 {
		return nil
	}
	if _, err := queries.EndpointPaceUpdateManyAnyTenant(ctx, t, e); err != nil || len(a.IDs) == 0 {
		return err
	}
	_, err := queries.ApplicationPaceUpdateManyAnyTenant(ctx, t, a)
	return err
}
