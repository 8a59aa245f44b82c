package server

import (
	"cmp"
	"fmt"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/wire"
)

// readPage reads the query parameters of a list that is ordered by id or name.
func readPage(newPage func(core.PageIn) (core.Page, error), limit *int, iterator *string, order *Ordering, usually Ordering) (core.Page, error) {
	o := *cmp.Or(order, &usually)
	if !o.Valid() {
		return core.Page{}, notOneOf("order", OrderingAscending, OrderingDescending)
	}
	return newPage(core.PageIn{Limit: limit, Iterator: orZero(iterator), Descending: o == OrderingDescending})
}

// readTimedPage reads the query parameters of a list that is limited to a period.
func readTimedPage(limit *int, iterator, before, after *string) (in core.TimedPageIn, err error) {
	in.Limit, in.Iterator = limit, orZero(iterator)
	if in.Before, err = wire.ReadTime(before, "query", "before"); err != nil {
		return in, err
	}
	in.After, err = wire.ReadTime(after, "query", "after")
	return in, err
}

// notOneOf returns the error for a query parameter whose value is not one of the allowed values.
func notOneOf(name string, values ...any) error {
	return core.Invalid(fmt.Sprintf("%s must be one of %v", name, values), "query", name)
}

// answerPage returns a page's items, and the iterators of the next and previous page. The iterator function returns
// the iterator of an item.
func answerPage[T, Out any](list core.List[T], iterator func(T) string, out func(T) Out) (data []Out, next, previous *string) {
	data = make([]Out, len(list.Data)) // never nil: clients want a list, not null
	for i, item := range list.Data {
		data[i] = out(item)
	}
	if n := len(list.Data); n > 0 {
		next, previous = new(iterator(list.Data[n-1])), new("-"+iterator(list.Data[0]))
	}
	if list.Next != "" {
		next = &list.Next
	}
	if list.Previous != "" {
		previous = new("-" + list.Previous)
	}
	return data, next, previous
}
