package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/postrider/postrider/db"
)

// CheckRights returns an error that names the privileges that the service lacks in the database. Without it, a process
// would meet them one by one, some of them hours after its start.
func (s *Store) CheckRights(ctx context.Context) error {
	missing, err := s.RightsMissing(ctx)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("role %s lacks %s; run the script that `postrider roles` prints", s.pool.Config().ConnConfig.User, strings.Join(missing, ", "))
	}
	return nil
}

// RightsMissing names the privileges that the service lacks, such as "INSERT on message".
func (s *Store) RightsMissing(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	missing, err := rightsMissing(ctx, s.pool, s.schema)
	if err != nil {
		return nil, fmt.Errorf("privileges: %w", err)
	}
	return missing, nil
}

func rightsMissing(ctx context.Context, conn db.DBTX, schema string) ([]string, error) {
	tables, privileges := appRights()
	return queries.ServerRightsMissingAnyTenant(ctx, conn, db.ServerRightsMissingAnyTenantParams{
		SchemaName: schema, Tables: tables, Privileges: privileges, Functions: appFunctions,
	})
}
