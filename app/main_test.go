package app

import (
	"context"
	"testing"

	"github.com/postrider/postrider/localpg/pgtest"
	"github.com/postrider/postrider/store"
)

var pg = pgtest.Template(func(ctx context.Context, url string) error { return store.Migrate(ctx, store.Database{URL: url}) })

func TestMain(m *testing.M) { pgtest.Main(m) }
