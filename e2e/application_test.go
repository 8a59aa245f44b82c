package e2e

import (
	"maps"
	"slices"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/models"
	"github.com/svix/svix-webhooks/go/utils"

	"github.com/postrider/postrider/e2e/rig"
)

func TestApplicationIsCreatedChangedAndDeleted(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	uid := "acme-" + rig.Random()
	made := rig.Must(c.Application.Create(ctx, svix.ApplicationIn{
		Name: "Acme", Uid: &uid, ThrottleRate: new(uint16(100)), Metadata: &map[string]string{"plan": "free"},
	}, nil))(t)
	if made.Name != "Acme" || *made.Uid != uid || *made.ThrottleRate != 100 || made.Metadata["plan"] != "free" {
		t.Errorf("created %+v", made)
	}
	for _, ref := range []string{made.Id, uid} {
		if got := rig.Must(c.Application.Get(ctx, ref))(t); got.Id != made.Id || !got.CreatedAt.Equal(made.CreatedAt) {
			t.Errorf("by %s: got %+v, want %+v", ref, got, made)
		}
	}

	updated := rig.Must(c.Application.Update(ctx, uid, svix.ApplicationIn{Name: "Acme Ltd", Uid: &uid}))(t)
	if updated.Id != made.Id || updated.Name != "Acme Ltd" || updated.ThrottleRate != nil || len(updated.Metadata) != 0 {
		t.Errorf("an update replaces everything; got %+v", updated)
	}
	patched := rig.Must(c.Application.Patch(ctx, made.Id, svix.ApplicationPatch{
		Metadata: &map[string]string{"plan": "paid"}, ThrottleRate: utils.NewNullable(uint16(7)),
	}))(t)
	if patched.Name != "Acme Ltd" || *patched.Uid != uid || *patched.ThrottleRate != 7 || patched.Metadata["plan"] != "paid" {
		t.Errorf("a patch leaves the rest alone; got %+v", patched)
	}
	cleared := rig.Must(c.Application.Patch(ctx, made.Id, svix.ApplicationPatch{
		Uid: utils.NewNullableFromPtr[string](nil), ThrottleRate: utils.NewNullableFromPtr[uint16](nil),
	}))(t)
	if cleared.Uid != nil || cleared.ThrottleRate != nil || cleared.Metadata["plan"] != "paid" {
		t.Errorf("a null clears a field; got %+v", cleared)
	}

	rig.NoError(t, c.Application.Delete(ctx, made.Id))
	_, err := c.Application.Get(ctx, made.Id)
	rig.WantRefused(t, err, 404, "not_found")
}

func TestApplicationUIDIsFreeAfterDelete(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	in := svix.ApplicationIn{Name: "Acme", Uid: new("acme-" + rig.Random())}
	first := rig.Must(c.Application.Create(ctx, in, nil))(t)
	_, err := c.Application.Create(ctx, in, nil)
	rig.WantRefused(t, err, 409, "conflict")
	rig.NoError(t, c.Application.Delete(ctx, first.Id))
	if second := rig.Must(c.Application.Create(ctx, in, nil))(t); second.Id == first.Id {
		t.Error("the deleted application came back")
	}
}

func TestApplicationGetOrCreateCreatesOnce(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	uid := "acme-" + rig.Random()
	first := rig.Must(c.Application.GetOrCreate(ctx, svix.ApplicationIn{Name: "First", Uid: &uid}, nil))(t)
	second := rig.Must(c.Application.GetOrCreate(ctx, svix.ApplicationIn{Name: "Second", Uid: &uid}, nil))(t)
	if second.Id != first.Id || second.Name != "First" {
		t.Errorf("got %+v, want the first one unchanged: %+v", second, first)
	}
}

func TestApplicationUpdateCreatesUnknown(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	uid := "acme-" + rig.Random()
	made := rig.Must(c.Application.Update(ctx, uid, svix.ApplicationIn{Name: "Acme", Uid: &uid}))(t)
	if got := rig.Must(c.Application.Get(ctx, uid))(t); got.Id != made.Id {
		t.Errorf("got %s, want %s", got.Id, made.Id)
	}
}

// TestApplicationListPages allows for other applications: in a deployment, other tests may create some in the same
// organisation at the same time.
func TestApplicationListPages(t *testing.T) {
	t.Parallel()
	c := rig.Shared(t).NewTenant(t)
	var ids []string
	for range 5 {
		ids = append(ids, c.NewApplication(t))
	}
	// Ids sort by time, but those created at the same time sort in random order.
	slices.Sort(ids)

	listed := listApplications(t, c, models.ORDERING_ASCENDING, ids[0])
	if !slices.IsSorted(listed) || !containsAll(listed, ids[1:]) || slices.Contains(listed, ids[0]) {
		t.Errorf("ascending behind %s: got %v, want %v among them", ids[0], listed, ids[1:])
	}
	listed = listApplications(t, c, models.ORDERING_DESCENDING, ids[4])
	slices.Reverse(listed)
	if !slices.IsSorted(listed) || !containsAll(listed, ids[:4]) || slices.Contains(listed, ids[4]) {
		t.Errorf("descending behind %s: got %v in reverse, want %v among them", ids[4], listed, ids[:4])
	}
}

// listApplications follows the iterator from one application on. It stops after 100 pages, which hold more
// applications than these tests create.
func listApplications(t *testing.T, c rig.Client, order svix.Ordering, from string) (ids []string) {
	t.Helper()
	options := svix.ApplicationListOptions{Limit: new(uint64(2)), Order: &order, Iterator: &from}
	for range 100 {
		page := rig.Must(c.Application.List(t.Context(), &options))(t)
		for _, app := range page.Data {
			ids = append(ids, app.Id)
		}
		if page.Done {
			break
		}
		if len(page.Data) != 2 {
			t.Fatalf("a page of %d that is not the last, want 2", len(page.Data))
		}
		options.Iterator = page.Iterator
	}
	return ids
}

// containsAll reports whether list contains every element of want and no element twice.
func containsAll(list, want []string) bool {
	found := map[string]int{}
	for _, s := range list {
		found[s]++
	}
	for count := range maps.Values(found) {
		if count > 1 {
			return false
		}
	}
	return !slices.ContainsFunc(want, func(s string) bool { return found[s] == 0 })
}
