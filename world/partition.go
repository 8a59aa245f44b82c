package world

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

// partitions are the partitions of one table that contain its history, the first week's first. Their indexes are
// built after their rows are there, which takes a third of the time of keeping them up to date.
type partitions []core.Partition

func (h *history) partitions(of func(time.Time) core.Partition) partitions {
	var list partitions
	for n := range weeks + 1 {
		list = append(list, of(h.start.Add(time.Duration(n)*week)))
	}
	return list
}

func name(p core.Partition) string { return pgx.Identifier{p.Table + "_" + p.Suffix}.Sanitize() }

func (list partitions) create(ctx context.Context, conn *pgx.Conn) error {
	for _, p := range list {
		_, err := conn.Exec(ctx, "CREATE TABLE "+name(p)+" (LIKE "+p.Table+" INCLUDING ALL EXCLUDING INDEXES)")
		if err != nil {
			return fmt.Errorf("making the partition %s: %w", name(p), err)
		}
	}
	return nil
}

func (list partitions) copy(ctx context.Context, conn *pgx.Conn, rows []rows, columns string) error {
	for n, p := range list {
		if err := rows[n].copyTo(ctx, conn, name(p), columns); err != nil {
			return err
		}
	}
	return nil
}

// attach attaches partitions to their tables. Postgres builds the indexes that the parent has.
func (list partitions) attach(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, "SET maintenance_work_mem = '256MB'"); err != nil {
		return err
	}
	for _, p := range list {
		_, err := conn.Exec(ctx, "ALTER TABLE "+p.Table+" ATTACH PARTITION "+name(p)+
			" FOR VALUES FROM ('"+p.From+"') TO ('"+p.To+"')")
		if err != nil {
			return fmt.Errorf("attaching the partition %s: %w", name(p), err)
		}
	}
	_, err := conn.Exec(ctx, "RESET maintenance_work_mem")
	return err
}

// makePartitions creates the partitions that the jobs keep ready and the history has not created.
func (h *history) makePartitions(ctx context.Context, conn *pgx.Conn) error {
	for _, p := range core.PartitionsAround(h.Now) {
		if _, err := conn.Exec(ctx, "SELECT partition_create($1, $2, $3, $4)", p.Table, p.Suffix, p.From, p.To); err != nil {
			return fmt.Errorf("making the partition %s: %w", name(p), err)
		}
	}
	return nil
}
