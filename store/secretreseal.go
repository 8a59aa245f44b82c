package store

import (
	"bytes"
	"context"
	"encoding/hex"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// SecretCount is the number of secrets stored under a key. Headers and the userinfo of URLs are encrypted as part of
// a secret, and counted only where they are not encrypted.
type SecretCount struct {
	Fingerprint string // of the key; empty for plain text
	First       bool   // new secrets are encrypted under this key
	Known       bool   // the key is configured, or none is needed
	Secrets     int64  // including old secrets and those of deleted endpoints
	InUse       int64  // secrets of endpoints that are not deleted
	Headers     int64  // endpoints with headers that are not encrypted, including deleted endpoints
	Userinfos   int64  // endpoints with a user or password in the URL that is not encrypted, including deleted endpoints
}

// userinfoPattern matches, as its group, the same user and password that core.CutUserinfo finds.
const userinfoPattern = `^[^:]*:[/\\\t\r\n]*([^/\\?#]*)@`

// SecretCount counts the stored secrets of all tenants, ordered by fingerprint. It reads the whole table of
// endpoints.
func (s *Store) SecretCount(ctx context.Context) ([]SecretCount, error) {
	ctx, cancel := context.WithTimeout(ctx, upkeepTimeout)
	defer cancel()
	rows, err := queries.SecretCountAnyTenant(ctx, s.pool, db.SecretCountAnyTenantParams{
		Sealed: marked(kindSealed, 0), PlainBytesMax: plainBytesMax, FingerprintBytes: fingerprintBytes,
		UserinfoPattern: userinfoPattern, Masked: core.URLMask,
	})
	counts := make([]SecretCount, len(rows))
	for i, row := range rows {
		fingerprint, _ := hex.DecodeString(row.Fingerprint) // the query encoded it
		counts[i] = SecretCount{
			Fingerprint: row.Fingerprint, Secrets: row.Secrets, InUse: row.InUse, Headers: row.Headers, Userinfos: row.Userinfos,
			First: len(s.keys) > 0 && s.keys[0].fingerprint == string(fingerprint),
			Known: row.Fingerprint == "" || s.keys.find(string(fingerprint)) != nil,
		}
	}
	return counts, mapError(err)
}

// resealBatch is how many endpoints one transaction changes: some 10 ms.
const resealBatch = 100

// SecretReseal encrypts the secrets, headers and userinfo of all tenants' endpoints under the first key, in batches
// of one transaction each, and returns how many endpoints it changed. There must be a key. SecretReseal skips
// endpoints that are locked by others and data that cannot be decrypted. Calling it again continues with the rest.
func (s *Store) SecretReseal(ctx context.Context) (changed int, err error) {
	for b := (resealed{looked: resealBatch}); b.looked == resealBatch; {
		var next resealed
		err := retried(func() error {
			ctx, cancel := context.WithTimeout(ctx, statementTimeout)
			defer cancel()
			return transact(ctx, s.pool, func(t pgx.Tx) (err error) {
				next, err = s.on(t).resealBatch(ctx, b.last)
				return err
			})
		})
		if err != nil {
			return changed, mapError(err)
		}
		changed, b = changed+next.changed, next
	}
	return changed, nil
}

// resealed is the result of a batch.
type resealed struct {
	looked, changed int // endpoints
	last            db.SecretLockAnyTenantRow
}

// resealBatch locks the endpoints that it may change, so that concurrent changes wait, and skips endpoints that are
// being changed.
func (r reader) resealBatch(ctx context.Context, after db.SecretLockAnyTenantRow) (resealed, error) {
	rows, err := queries.SecretLockAnyTenant(ctx, r.conn, db.SecretLockAnyTenantParams{
		AfterAppID: string(after.AppID), AfterID: string(after.ID), Sealed: r.keys[0].sealed(),
		PlainBytesMax: plainBytesMax, UserinfoPattern: userinfoPattern, Masked: core.URLMask, MaxRows: resealBatch,
	})
	b := resealed{looked: len(rows)}
	for _, row := range rows {
		b.last = row
		if p, changed := r.keys.resealRow(row); changed && err == nil {
			b.changed++
			err = wrote(queries.SecretUpdate(ctx, r.conn, p))
		}
	}
	return b, err
}

// resealRow returns the new content of a row, and reports whether anything changed.
func (k SecretKeys) resealRow(row db.SecretLockAnyTenantRow) (p db.SecretUpdateParams, changed bool) {
	c, changed := k.resealCredentials(columns{row.URL, row.Headers, row.Secret}, row.AppID, row.ID)
	p = db.SecretUpdateParams{
		AppID: row.AppID, ID: row.ID, URL: c.url, Headers: c.headers, Secret: c.secret, OldSecrets: [][]byte{},
	}
	for _, old := range row.OldSecrets {
		again := k.reseal(old, row.AppID, row.ID)
		changed = changed || !bytes.Equal(again, old)
		p.OldSecrets = append(p.OldSecrets, again)
	}
	return p, changed
}
