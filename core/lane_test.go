package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func TestOperationalLaneStepGoesThroughAllLanes(t *testing.T) {
	t.Parallel()
	_, store := newService(core.EndpointRules{})
	for i := range 1500 {
		store.Waiting = append(store.Waiting, core.Lane{EndpointID: "ep_1", Subject: fmt.Sprint(i)})
	}
	tasks := core.NewTasks(store, func() time.Time { return now })
	next, err := tasks.OperationalLaneStep(t.Context(), core.Lane{})
	if err != nil || next.Subject != "999" || len(store.Waiting) != 500 {
		t.Errorf("continues after %+v, %d lanes wait, %v", next, len(store.Waiting), err)
	}
	if next, err = tasks.OperationalLaneStep(t.Context(), next); err != nil || next != (core.Lane{}) || len(store.Waiting) != 0 {
		t.Errorf("continues after %+v, %d lanes wait, %v", next, len(store.Waiting), err)
	}
	if next, err = tasks.OperationalLaneStep(t.Context(), next); err != nil || next != (core.Lane{}) {
		t.Errorf("nothing to do: %+v, %v", next, err)
	}
}
