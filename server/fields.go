package server

import (
	"github.com/oapi-codegen/nullable"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/wire"
)

// rate returns throttleRate, or rateLimit, its older name, if only that is given.
func rate(throttleRate, rateLimit *uint16) *int32 {
	for _, given := range []*uint16{throttleRate, rateLimit} {
		if given != nil {
			return new(int32(*given))
		}
	}
	return nil
}

// rateOut is the inverse of rate.
func rateOut(rate *int32) *uint16 {
	if rate == nil {
		return nil
	}
	return new(uint16(*rate)) // core accepts none above 65535
}

// put sets *field to the value in a patch, if the patch has one.
func put[T any](field *T, value nullable.Nullable[T]) {
	if v, err := value.Get(); err == nil {
		*field = v
	}
}

// putOrClear is put for a field that null clears.
func putOrClear[T any](field **T, value nullable.Nullable[T]) {
	if value.IsNull() {
		*field = nil
	} else if v, err := value.Get(); err == nil {
		*field = &v
	}
}

// putRate is putOrClear for a rate under either of its two names.
func putRate(field **int32, throttleRate, rateLimit nullable.Nullable[uint16]) {
	value := throttleRate
	if !value.IsSpecified() {
		value = rateLimit
	}
	if value.IsNull() {
		*field = nil
	} else if v, err := value.Get(); err == nil {
		*field = new(int32(v))
	}
}

// putSet sets *field to the list in a patch. Null and an empty list both mean no restriction.
func putSet(field *[]string, value nullable.Nullable[[]string]) {
	if value.IsSpecified() {
		items, _ := value.Get() // nil for null
		*field = wire.Set(items)
	}
}

// putMetadata replaces metadata; null empties it.
func putMetadata(field *core.Metadata, value nullable.Nullable[texts]) {
	if value.IsSpecified() {
		m, _ := value.Get()
		*field = core.Metadata(m)
	}
}

// A patched is a field of a patch, of any type.
type patched struct {
	name  string
	value interface{ IsNull() bool }
}

// refuseNulls rejects a patch that sets a non-nullable field to null.
func refuseNulls(fields ...patched) error {
	refusal := core.Invalid("") // for no field yet
	refusal.Fields = nil
	for _, f := range fields {
		if f.value.IsNull() {
			refusal.Fields = append(refusal.Fields, core.Invalid(f.name+" must not be null", "body", f.name).Fields...)
		}
	}
	if refusal.Fields == nil {
		return nil
	}
	return refusal
}

// orZero returns the value p points to, or the zero value if p is nil.
func orZero[T any](p *T) T { return or(p, *new(T)) }

// or returns the value p points to, or otherwise if p is nil.
func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// periodIn reads the period in a body.
func periodIn(since, until *string) (in core.PeriodIn, err error) {
	from, err := wire.BodyTime(since, "since")
	if err != nil {
		return in, err
	}
	if from == nil {
		return in, wire.Missing("since")
	}
	in.Since = *from
	in.Until, err = wire.BodyTime(until, "until")
	return in, err
}
