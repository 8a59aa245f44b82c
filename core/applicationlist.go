package core

import (
	"context"
	"slices"
)

// ApplicationFilter leaves applications out of a list by what their endpoints are like; its zero value leaves
// out none.
type ApplicationFilter struct {
	NoEndpoints       bool // leave out applications that have no endpoints
	DisabledEndpoints bool // leave out those that have endpoints, all of them disabled
	PlayEndpoints     bool // leave out those that have endpoints, all of them at play.svix.com
}

// No index says what the endpoints of an application are like, so they are looked up, one application after
// the other: about 6 us each. A page looks at about applicationsLooked, 12 ms, and ends early if it has
// found too few by then; the next one goes on from there.
const (
	applicationsLooked = 2000
	applicationsEach   = 500 // in one statement
)

// ApplicationList lists the organisation's applications in order of their ids.
func (s *Service) ApplicationList(ctx context.Context, scope Scope, filter ApplicationFilter, page Page) (List[Application], error) {
	if err := scope.org(); err != nil {
		return List[Application]{}, err
	}
	return listLooked(page, func(p Page) ([]Application, string, error) {
		if filter == (ApplicationFilter{}) {
			return s.Store.ApplicationList(ctx, scope.OrgID, p)
		}
		return s.applicationsMatching(ctx, scope.OrgID, filter, p)
	})
}

// applicationsMatching reads a page of the applications that the filter leaves in. ended is the last that it
// looked at, if it gave up before the page was full.
func (s *Service) applicationsMatching(ctx context.Context, org OrgID, filter ApplicationFilter, page Page) (found []Application, ended string, err error) {
	rest := page
	for looked := 0; looked < applicationsLooked; {
		apps, stopped, err := s.Store.ApplicationList(ctx, org, rest)
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

// matching are those of the applications that the filter leaves in.
func (s *Service) matching(ctx context.Context, filter ApplicationFilter, apps []Application) ([]Application, error) {
	ids := make([]AppID, len(apps))
	for i, app := range apps {
		ids[i] = app.ID
	}
	kept, err := s.Store.ApplicationFilterMany(ctx, filter, ids)
	if err != nil {
		return nil, err
	}
	left := make(map[AppID]bool, len(kept))
	for _, id := range kept {
		left[id] = true
	}
	return slices.DeleteFunc(slices.Clone(apps), func(app Application) bool { return !left[app.ID] }), nil
}
