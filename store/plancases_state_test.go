package store

import (
	"time"

	"github.com/postrider/postrider/db"
)

// stateCases count what there is, up to a bound that is low here. TestStateReadsABoundedNumberOfRows shows that the bound
// is what they read.
func stateCases() []queryCase {
	const most = 500
	lease := db.StateLeaseAnyTenantParams{Reader: "host 1 a", Now: seedAt, Until: seedAt.Add(time.Minute), Longest: seedAt.Add(time.Hour)}
	first := db.StateEndpointsAnyTenantParams{Most: most}
	middle := db.StateEndpointsAnyTenantParams{AfterAppID: string(seedApp(1)), AfterEndpointID: string(seedEndpoint(1, 100)), Most: most}
	return []queryCase{
		query("the first process", queries.StateLeaseAnyTenant, lease),
		query("up to the bound", queries.StateOwedAnyTenant, db.StateOwedAnyTenantParams{Most: most, Now: seedAt}).reading(6 * most),
		query("up to the bound", queries.StateOldestDueAnyTenant, db.StateOldestDueAnyTenantParams{
			MaxQueues: most, Now: seedAt, PacedSince: seedAt,
		}).about(most),
		query("all queues due", queries.StateOldestDueAnyTenant, db.StateOldestDueAnyTenantParams{
			MaxQueues: stateQueuesMost, Now: seedAt.Add(24 * time.Hour), PacedSince: seedAt,
		}).about(fullSeed.wide),
		query("the first page", queries.StateEndpointsAnyTenant, first).about(most),
		query("a page in the middle", queries.StateEndpointsAnyTenant, middle).about(most),
		query("up to the bound", queries.StateOutboxAnyTenant, db.StateOutboxAnyTenantParams{Most: most}).about(2 * most),
	}
}
