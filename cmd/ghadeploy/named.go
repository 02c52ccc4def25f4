package main

import (
	"reflect"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// word stands for the inventory in commands to type, where those who write them
// do not know what the operator calls it.
const word = "INVENTORY"

// withPath makes the commands in a text work when they are typed.
func withPath(text, path string) string {
	if !strings.Contains(text, "ghadeploy ") && !strings.Contains(text, "in "+word) && !strings.Contains(text, "into "+word) {
		return text
	}
	return strings.ReplaceAll(text, word, path)
}

// namedEvents passes events on with commands that work.
func namedEvents(sink event.Sink, path string) event.Sink {
	return func(e event.Event) {
		e.Message, e.Error, e.Detail = withPath(e.Message, path), withPath(e.Error, path), withPath(e.Detail, path)
		sink(e)
	}
}

// named puts path into the commands of a result, in place: what v points to is
// changed, v itself is not.
func named(v any, path string) {
	if v != nil {
		name(reflect.ValueOf(v), path)
	}
}

func name(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			name(v.Elem(), path)
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString(withPath(v.String(), path))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name(v.Field(i), path)
		}
	case reflect.Slice:
		for i := range v.Len() {
			name(v.Index(i), path)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(key))
			name(value, path)
			v.SetMapIndex(key, value)
		}
	}
}
