// Package fieldtest finds fields that get lost in mappings and statements. It fills values so that no field is zero,
// including fields added later, and compares the result field by field.
package fieldtest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"
)

// Left lists the fields that are not carried, by their path ("Health.Failures"), each with the reason.
type Left map[string]string

// A Filler fills values. All values it makes are different, except those of bool and of special types.
type Filler struct {
	False   bool // bools are left false
	special map[reflect.Type]reflect.Value
	start   time.Time
	n       int
}

// New returns a filler whose times are after start. special are functions of a number, which make the values of the
// types that they return.
func New(start time.Time, special ...any) *Filler {
	f := &Filler{special: map[reflect.Type]reflect.Value{}, start: start.UTC().Truncate(time.Microsecond)}
	for _, s := range special {
		v := reflect.ValueOf(s)
		f.special[v.Type().Out(0)] = v
	}
	return f
}

// Fill returns a T without zero fields.
func Fill[T any](f *Filler) T {
	var v T
	f.fill(reflect.ValueOf(&v).Elem(), "")
	return v
}

func (f *Filler) fill(v reflect.Value, name string) {
	f.n++
	if made, ok := f.special[v.Type()]; ok {
		v.Set(made.Call([]reflect.Value{reflect.ValueOf(f.n)})[0])
		return
	}
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(f.start.Add(time.Duration(f.n) * time.Minute)))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!f.False)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(f.n))
	case reflect.String:
		v.SetString(fmt.Sprintf("%s-%d", name, f.n))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), name)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			f.fill(v.Index(i), name)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key, name)
		f.fill(value, name)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i), v.Type().Field(i).Name)
		}
	case reflect.Interface:
		if v.NumMethod() > 0 {
			panic(fmt.Sprintf("%s: only a special function can make a %s", name, v.Type()))
		}
		v.Set(reflect.ValueOf(fmt.Sprintf("%s-%d", name, f.n)))
	default:
		panic(fmt.Sprintf("%s: nothing is known of how to fill a %s", name, v.Type()))
	}
}

// Same reports fields that differ between want and got, and fields that are zero in want, because their loss would
// go unnoticed. Fields in left may differ, and must: this keeps the list correct.
func Same(t testing.TB, how string, got, want any, left Left) {
	t.Helper()
	for _, f := range fields(reflect.ValueOf(want), "") {
		g := reflect.ValueOf(got)
		for _, i := range f.index {
			g = g.Field(i)
		}
		_, mayDiffer := left[f.path]
		equal := reflect.DeepEqual(g.Interface(), f.value.Interface())
		switch {
		case mayDiffer && equal && !f.value.IsZero():
			t.Errorf("%s: %s is carried; take it off the list of those that are not", how, f.path)
		case !mayDiffer && f.value.IsZero():
			t.Errorf("%s: %s is zero in what was stored; fill it, or list it as not carried", how, f.path)
		case !mayDiffer && !equal:
			t.Errorf("%s: %s got lost: got %+v, want %+v", how, f.path, reflect.Indirect(g), reflect.Indirect(f.value))
		}
	}
	known(t, how, want, left)
}

func known(t testing.TB, how string, of any, left Left) {
	t.Helper()
	all := fields(reflect.ValueOf(of), "")
	for path := range left {
		if !slices.ContainsFunc(all, func(f field) bool { return f.path == path }) {
			t.Errorf("%s: there is no field %s", how, path)
		}
	}
}

type field struct {
	path  string
	index []int
	value reflect.Value
}

// fields returns the exported fields of a struct and of the structs in it.
func fields(v reflect.Value, prefix string) []field {
	var all []field
	for i := range v.NumField() {
		f := field{prefix + v.Type().Field(i).Name, []int{i}, v.Field(i)}
		if f.value.Kind() != reflect.Struct || !exported(f.value.Type()) {
			all = append(all, f)
			continue
		}
		for _, inner := range fields(f.value, f.path+".") {
			inner.index = append([]int{i}, inner.index...)
			all = append(all, inner)
		}
	}
	return all
}

func exported(t reflect.Type) bool {
	for field := range t.Fields() {
		if !field.IsExported() {
			return false
		}
	}
	return true
}
