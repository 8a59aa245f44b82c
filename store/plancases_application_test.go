package store

import (
	"slices"
	"strconv"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

const noOrg core.OrgID = "org_none"

func applicationCases() []queryCase {
	id := seedApp(9)
	app := db.ApplicationInsertParams{OrgID: seedOrg, ID: seedApp(999_999), UID: new("fresh"), Name: "Fresh", Metadata: core.Metadata{}, CreatedAt: seedAt, UpdatedAt: seedAt}
	page := db.ApplicationListAscendingParams{OrgID: string(seedOrg), After: beforeAll, Before: afterAll, MaxRows: planPageRows, MaxLooked: lookedMost}
	none := page
	none.OrgID = string(noOrg)
	ids := times(planPageRows, func(i int) string { return string(seedApp(i)) })
	refs := times(planPageRows, func(i int) string { return []string{string(seedApp(i)), seedUID(i)}[i%2] })
	return []queryCase{
		query("by id", queries.ApplicationGet, db.ApplicationGetParams{OrgID: seedOrg, Ref: string(id)}),
		query("by uid", queries.ApplicationGet, db.ApplicationGetParams{OrgID: seedOrg, Ref: seedUID(9)}),
		query("not there", queries.ApplicationGet, db.ApplicationGetParams{OrgID: noOrg, Ref: seedUID(9)}),
		query("by uid", queries.ApplicationLock, db.ApplicationLockParams{OrgID: seedOrg, Ref: seedUID(9)}),
		query("by uid", queries.ApplicationLockForDelete, db.ApplicationLockForDeleteParams{OrgID: seedOrg, Ref: seedUID(9)}),
		query("by id", queries.ApplicationHold, db.ApplicationHoldParams{OrgID: seedOrg, ID: id}),
		query("everything matches", queries.ApplicationListAscending, page),
		query("everything matches", queries.ApplicationListDescending, db.ApplicationListDescendingParams(page)),
		query("another organisation", queries.ApplicationListAscending, none),
		query("another organisation", queries.ApplicationListDescending, db.ApplicationListDescendingParams(none)),
		query("a page, the one with 2,000 endpoints among them", queries.ApplicationFilterMany, db.ApplicationFilterManyParams{AppIDs: ids, DisabledEndpoints: true, PlayEndpoints: true}).about(planPageRows),
		query("a page of small ones", queries.ApplicationFilterMany, db.ApplicationFilterManyParams{AppIDs: ids[2:], NoEndpoints: true}).about(planPageRows),
		query("fresh", queries.ApplicationInsert, app),
		query("a small one", queries.ApplicationUpdate, db.ApplicationUpdateParams{
			UID: app.UID, Name: app.Name, Metadata: app.Metadata, UpdatedAt: seedAt, OrgID: seedOrg, ID: id,
		}),
		query("the large one", queries.ApplicationDelete, db.ApplicationDeleteParams{Now: seedAt, OrgID: seedOrg, ID: seedApp(0)}),
		query("a small one", queries.ApplicationDelete, db.ApplicationDeleteParams{Now: seedAt, OrgID: seedOrg, ID: id}),
		query("by id and uid", queries.ApplicationResolveMany, db.ApplicationResolveManyParams{OrgID: seedOrg, Refs: refs}),
		query("small ones", queries.ApplicationEventTypesMany, ids[2:]),
		query("the one with 2,000 endpoints", queries.ApplicationEventTypesMany, slices.Clone(ids[1:2])).reading(2*fullSeed.wide + rowsAtLeast),
	}
}

func secretCases() []queryCase {
	lock := db.SecretLockAnyTenantParams{
		PlainBytesMax: 75, Sealed: []byte("sealed:"), UserinfoPattern: userinfoPattern, Masked: core.URLMask, MaxRows: 100,
	}
	end := lock
	end.AfterAppID = "~"
	return []queryCase{
		query("all of them", queries.SecretCountAnyTenant, db.SecretCountAnyTenantParams{
			PlainBytesMax: 75, Sealed: lock.Sealed, FingerprintBytes: 8, UserinfoPattern: userinfoPattern, Masked: core.URLMask,
		}).reading(rowsAtMost),
		query("none sealed", queries.SecretLockAnyTenant, lock),
		query("after the last", queries.SecretLockAnyTenant, end),
		query("of one endpoint", queries.SecretUpdate, db.SecretUpdateParams{AppID: seedApp(1), ID: seedEndpoint(1, 9), Headers: core.Headers{}, Secret: []byte{1}, OldSecrets: [][]byte{}}),
	}
}

func partitionCases() []queryCase {
	return []queryCase{
		query("none", withoutParameters(queries.PartitionMessageCaughtAnyTenant), struct{}{}),
		query("none", withoutParameters(queries.PartitionAttemptCaughtAnyTenant), struct{}{}),
	}
}

func idempotencyCases() []queryCase {
	key := db.IdempotencyKeyGetParams{OrgID: seedOrg, KeyHash: seedHash(9)}
	claim := func(n int) db.IdempotencyKeyClaimParams {
		return db.IdempotencyKeyClaimParams{OrgID: seedOrg, KeyHash: seedHash(n), Now: seedAt, KeysSince: seedAt.Add(-core.IdempotencyLifetime)}
	}
	pages := db.IdempotencyKeyDeleteManyAnyTenantParams{FromPage: 0, ToPage: 2, Before: seedAt}
	none := pages
	none.Before = seedAt.AddDate(-1, 0, 0)
	return []queryCase{
		query("there", queries.IdempotencyKeyGet, key),
		query("not there", queries.IdempotencyKeyGet, db.IdempotencyKeyGetParams{OrgID: noOrg, KeyHash: key.KeyHash}),
		query("fresh", queries.IdempotencyKeyClaim, claim(-1)),
		query("answered", queries.IdempotencyKeyClaim, claim(9)),
		query("outlived", queries.IdempotencyKeyClaim, claim(1999)),
		query("there", queries.IdempotencyKeyUpdate, db.IdempotencyKeyUpdateParams{Status: 200, Body: []byte("{}"), OrgID: seedOrg, KeyHash: key.KeyHash}),
		query("two pages of old ones", queries.IdempotencyKeyDeleteManyAnyTenant, pages),
		query("two pages of fresh ones", queries.IdempotencyKeyDeleteManyAnyTenant, none),
		query("two pages of old ones", queries.MessageKeyDeleteManyAnyTenant, db.MessageKeyDeleteManyAnyTenantParams(pages)),
		query("two pages of fresh ones", queries.MessageKeyDeleteManyAnyTenant, db.MessageKeyDeleteManyAnyTenantParams(none)),
	}
}

func revocationCases() []queryCase {
	find := func(subject string, session string, hash []byte, issued time.Time) db.TokenRevocationFindManyParams {
		return db.TokenRevocationFindManyParams{
			OrgIDs: []string{string(seedOrg)}, AppIDs: []string{subject}, IssuedAts: []time.Time{issued}, Nows: []time.Time{seedAt},
			TokenHashes: [][]byte{hash}, SessionIDs: []string{session},
		}
	}
	app := func(n int) string { return string(seedApp(n)) }
	before := seedAt.Add(-1)
	many := find(app(9), "none", seedHash(-1), before)
	for n := range 511 {
		more := find(app(n%9), "session-"+strconv.Itoa(n), seedHash(n), before)
		many.OrgIDs, many.AppIDs = append(many.OrgIDs, more.OrgIDs...), append(many.AppIDs, more.AppIDs...)
		many.IssuedAts, many.Nows = append(many.IssuedAts, before), append(many.Nows, seedAt)
		many.TokenHashes, many.SessionIDs = append(many.TokenHashes, more.TokenHashes...), append(many.SessionIDs, more.SessionIDs...)
	}
	return []queryCase{
		query("a token that is good", queries.TokenRevocationFindMany, find(app(9), "none", seedHash(-1), before)),
		query("an organisation's that is good", queries.TokenRevocationFindMany, find(string(seedOrg), "", seedHash(-1), before)),
		query("its session was revoked", queries.TokenRevocationFindMany, find(app(1), "session-4", seedHash(-1), before)),
		query("it was revoked itself", queries.TokenRevocationFindMany, find(app(0), "none", seedHash(3), before)),
		query("issued after all revocations", queries.TokenRevocationFindMany, find(app(2), "none", seedHash(-1), seedAt.AddDate(1, 0, 0))),
		query("as many as there may be", queries.TokenRevocationFindMany, many),
		query("of two sessions", queries.TokenRevocationInsertMany, db.TokenRevocationInsertManyParams{
			OrgID: seedOrg, AppID: seedApp(0), IssuedBefore: seedAt, EffectiveAt: seedAt, ForgetAt: &seedAt, SessionIDs: []string{"a", "b"},
		}),
		query("all tokens of an application", queries.TokenRevocationSupersede, db.TokenRevocationSupersedeParams{EffectiveAt: seedAt, OrgID: seedOrg, AppID: seedApp(2), IssuedBefore: seedAt}),
		query("of an application without any", queries.TokenRevocationSupersede, db.TokenRevocationSupersedeParams{EffectiveAt: seedAt, OrgID: seedOrg, AppID: seedApp(9), IssuedBefore: seedAt}),
		query("a batch", queries.TokenRevocationPruneAnyTenant, db.TokenRevocationPruneAnyTenantParams{Now: seedAt.AddDate(1, 0, 0), MaxRows: 100}),
		query("nothing to forget", queries.TokenRevocationPruneAnyTenant, db.TokenRevocationPruneAnyTenantParams{Now: seedAt, MaxRows: 100}),
	}
}
