package core

import (
	"context"
	"slices"
	"time"
)

// Application is one customer of the organisation, with its endpoints and messages.
type Application struct {
	OrgID        OrgID
	ID           AppID
	UID          *string // the organisation's own name for it; unique in the organisation
	Name         string
	ThrottleRate *int32 // messages per second; nil: unlimited
	Metadata     Metadata
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// ApplicationReader reads applications.
type ApplicationReader interface {
	ApplicationGet(ctx context.Context, org OrgID, ref string) (Application, error)
	ApplicationList(ctx context.Context, org OrgID, page Page) (rows []Application, ended string, err error)
	// ApplicationFilterMany returns the ids of the applications that the filter keeps.
	ApplicationFilterMany(ctx context.Context, filter ApplicationFilter, ids []AppID) ([]AppID, error)
	// ApplicationResolveMany maps refs to application ids. Refs that match no application are left out.
	ApplicationResolveMany(ctx context.Context, org OrgID, refs []string) (map[string]AppID, error)
}

// ApplicationTx changes applications in a unit of work.
type ApplicationTx interface {
	ApplicationLock(ctx context.Context, org OrgID, ref string) (Application, error)
	// ApplicationLockForDelete also waits for units of work that hold the application.
	ApplicationLockForDelete(ctx context.Context, org OrgID, ref string) (Application, error)
	// ApplicationHold keeps an application from being deleted until the unit of work ends.
	ApplicationHold(ctx context.Context, org OrgID, id AppID) error
	ApplicationInsert(ctx context.Context, app Application) error
	ApplicationUpdate(ctx context.Context, app Application) error
	ApplicationDelete(ctx context.Context, org OrgID, id AppID, now time.Time) error
}

// ApplicationIn holds the fields of an application that a client can set.
type ApplicationIn struct {
	UID          *string
	Name         string
	ThrottleRate *int32
	Metadata     Metadata
}

func (in ApplicationIn) validate() error {
	var c checks
	c.body(in.Name != "", "name must not be empty", "name")
	c.boundedText(in.Name, nameTextBytesMax, "name")
	c.uid(in.UID, appPrefix)
	c.throttleRate(in.ThrottleRate)
	c.metadata(in.Metadata)
	return c.err()
}

func (in ApplicationIn) fill(a *Application, now time.Time) {
	a.UID, a.Name, a.ThrottleRate, a.UpdatedAt = in.UID, in.Name, in.ThrottleRate, now
	a.Metadata = in.Metadata
	if a.Metadata == nil {
		a.Metadata = Metadata{}
	}
}

// in is the inverse of fill: it returns the input that would produce this application.
func (a Application) in() ApplicationIn {
	return ApplicationIn{UID: a.UID, Name: a.Name, ThrottleRate: a.ThrottleRate, Metadata: a.Metadata}
}

// Created reports whether a use case that either creates or finds an entity created it.
type Created bool

// findOrCreate returns what find finds, or else what create creates. named reports whether find would find what
// create creates. If so, a conflict means that another request created it first, and find is called again. It tries
// three times, because the entity may be deleted each time; only a client that creates and deletes in a loop sees
// the last conflict.
func findOrCreate[T any](named bool, find, create func() (T, error)) (thing T, created Created, err error) {
	for range 3 {
		if thing, err = find(); !IsKind(err, KindNotFound) {
			return thing, false, err
		}
		if thing, err = create(); !named || !IsKind(err, KindConflict) {
			return thing, true, err
		}
	}
	return thing, false, err
}

// isNamed reports whether ref finds an entity that is created with that uid.
func isNamed(ref string, uid *string) bool { return uid != nil && *uid == ref }

// ApplicationCreate creates an application. With getIfExists, it returns an existing application with the same uid
// unchanged.
func (s *Service) ApplicationCreate(ctx context.Context, scope Scope, in ApplicationIn, getIfExists bool) (Application, Created, error) {
	if err := scope.org(); err != nil {
		return Application{}, false, err
	}
	if err := in.validate(); err != nil {
		return Application{}, false, err
	}
	if getIfExists && in.UID != nil {
		return s.applicationGetOrInsert(ctx, scope.OrgID, in)
	}
	app, err := s.applicationInsert(ctx, scope.OrgID, in)
	return app, true, err
}

// applicationGetOrInsert returns the application with in's uid, or creates it.
func (s *Service) applicationGetOrInsert(ctx context.Context, org OrgID, in ApplicationIn) (Application, Created, error) {
	return findOrCreate(true,
		func() (Application, error) { return s.store.ApplicationGet(ctx, org, *in.UID) },
		func() (Application, error) { return s.applicationInsert(ctx, org, in) })
}

func (s *Service) applicationInsert(ctx context.Context, org OrgID, in ApplicationIn) (Application, error) {
	now := s.now()
	app := Application{OrgID: org, ID: NewAppID(now), CreatedAt: now}
	in.fill(&app, now)
	err := s.store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		return tx.ApplicationInsert(ctx, app)
	})
	return app, uidTaken(err, "application", in.UID)
}

// ApplicationGet finds an application by id or uid.
func (s *Service) ApplicationGet(ctx context.Context, scope Scope, ref string) (Application, error) {
	return reachable(ctx, s.store, scope, ref)
}

// reachable returns the application whose id or uid is ref, if the token may reach it.
func reachable(ctx context.Context, r Reader, scope Scope, ref string) (Application, error) {
	app, err := r.ApplicationGet(ctx, scope.OrgID, ref)
	if err == nil {
		err = scope.app(app.ID)
	}
	if err == nil {
		err = scope.may(CapabilityViewBase)
	}
	if err != nil {
		return Application{}, noApplication(err, scope.OrgID, ref)
	}
	return app, nil
}

// ApplicationUpdate replaces all fields of an application that a client can set, or creates the application if ref
// matches none.
func (s *Service) ApplicationUpdate(ctx context.Context, scope Scope, ref string, in ApplicationIn) (Application, Created, error) {
	if err := scope.org(); err != nil {
		return Application{}, false, err
	}
	change := func() (Application, error) {
		return s.applicationChange(ctx, scope, ref, func(a *ApplicationIn) { *a = in })
	}
	create := func() (Application, error) {
		if err := in.validate(); err != nil {
			return Application{}, err
		}
		return s.applicationInsert(ctx, scope.OrgID, in)
	}
	return findOrCreate(isNamed(ref, in.UID), change, create)
}

// ApplicationPatch applies change to an application. Fields that change does not set stay as they are.
func (s *Service) ApplicationPatch(ctx context.Context, scope Scope, ref string, change func(*ApplicationIn)) (Application, error) {
	if err := scope.org(); err != nil {
		return Application{}, err
	}
	return s.applicationChange(ctx, scope, ref, change)
}

func (s *Service) applicationChange(ctx context.Context, scope Scope, ref string, change func(*ApplicationIn)) (app Application, err error) {
	err = s.store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		if app, err = tx.ApplicationLock(ctx, scope.OrgID, ref); err != nil {
			return noApplication(err, scope.OrgID, ref)
		}
		in := app.in()
		change(&in)
		checked := in
		checked.UID = unlessKept(in.UID, app.UID)
		if err := checked.validate(); err != nil {
			return err
		}
		in.fill(&app, s.now())
		return uidTaken(tx.ApplicationUpdate(ctx, app), "application", in.UID)
	})
	return app, err
}

// ApplicationDelete deletes an application and its endpoints. Pending deliveries are dropped; if there are many,
// workers drop the rest. Messages and attempts stay until their retention ends, but can no longer be reached.
func (s *Service) ApplicationDelete(ctx context.Context, scope Scope, ref string) error {
	if err := scope.org(); err != nil {
		return err
	}
	return s.store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		app, err := tx.ApplicationLockForDelete(ctx, scope.OrgID, ref)
		if err != nil {
			return noApplication(err, scope.OrgID, ref)
		}
		return tx.ApplicationDelete(ctx, scope.OrgID, app.ID, s.now())
	})
}

// ApplicationFilter excludes applications from a list by the state of their endpoints. Its zero value excludes none.
type ApplicationFilter struct {
	NoEndpoints       bool // exclude applications without endpoints
	DisabledEndpoints bool // exclude applications that have endpoints, all of them disabled
	PlayEndpoints     bool // exclude applications that have endpoints, all of them at play.svix.com
}

// No index covers the state of an application's endpoints, so they are looked up for one application after the
// other, at about 6 us each. A page examines about applicationsLooked applications, which takes 12 ms. If it has
// found too few by then, it ends early, and the next page continues from there.
const (
	applicationsLooked = 2000
	applicationsEach   = 500 // per statement
)

// ApplicationList lists the organisation's applications in order of their ids.
func (s *Service) ApplicationList(ctx context.Context, scope Scope, filter ApplicationFilter, page Page) (List[Application], error) {
	if err := scope.org(); err != nil {
		return List[Application]{}, err
	}
	return listLooked(page, func(p Page) ([]Application, string, error) {
		if filter == (ApplicationFilter{}) {
			return s.store.ApplicationList(ctx, scope.OrgID, p)
		}
		return s.applicationsMatching(ctx, scope.OrgID, filter, p)
	})
}

// applicationsMatching reads a page of the applications that the filter keeps. ended is the last application it
// examined, if it stopped before the page was full.
func (s *Service) applicationsMatching(ctx context.Context, org OrgID, filter ApplicationFilter, page Page) (found []Application, ended string, err error) {
	rest := page
	for looked := 0; looked < applicationsLooked; {
		apps, stopped, err := s.store.ApplicationList(ctx, org, rest)
		if err != nil {
			return nil, "", err
		}
		matching, err := s.matching(ctx, filter, apps)
		if err != nil {
			return nil, "", err
		}
		found = append(found, matching...)
		if len(found) >= page.Limit || len(apps) < rest.Limit {
			return found[:min(len(found), page.Limit)], stopped, nil
		}
		looked += len(apps)
		ended = string(apps[len(apps)-1].ID)
		rest.bound(ended)
		rest.Limit = applicationsEach
	}
	return found, ended, nil
}

// matching returns the applications that the filter keeps.
func (s *Service) matching(ctx context.Context, filter ApplicationFilter, apps []Application) ([]Application, error) {
	ids := make([]AppID, len(apps))
	for i, app := range apps {
		ids[i] = app.ID
	}
	kept, err := s.store.ApplicationFilterMany(ctx, filter, ids)
	if err != nil {
		return nil, err
	}
	left := make(map[AppID]bool, len(kept))
	for _, id := range kept {
		left[id] = true
	}
	return slices.DeleteFunc(slices.Clone(apps), func(app Application) bool { return !left[app.ID] }), nil
}
