package guard

import (
	"errors"
	"strings"
	"testing"
)

func TestAPanicIsAnErrorWithAShortText(t *testing.T) {
	var nobody *struct{ name string }
	for want, f := range map[string]func() error{
		"internal error: runtime error: invalid memory address or nil pointer dereference": func() error { return errors.New(nobody.name) },
		"internal error: of two lines": func() error { panic("of two\n\tlines") },
		"internal error: an error":     func() error { panic(errors.New("an error")) },
	} {
		err := Do(f)
		var caught *PanicError
		if !errors.As(err, &caught) || err.Error() != want || !strings.Contains(string(caught.Trace), "guard_test.go") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if err := Do(func() error { panic(strings.Repeat("é", maxValue)) }); len(err.Error()) > maxValue+40 {
		t.Errorf("too long: %d", len(err.Error()))
	}
	if err := Do(func() error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestAPanicMovesToWhoWaitsAndTheOthersFinish(t *testing.T) {
	done := 0
	err := Do(func() error {
		var g Group
		g.Go(func() { panic("one of two") })
		g.Go(func() { done++ })
		g.Wait()
		return nil
	})
	var caught *PanicError
	if !errors.As(err, &caught) || caught.Value != "one of two" || done != 1 {
		t.Errorf("got %v, %d done", err, done)
	}
	if !strings.Contains(string(caught.Trace), "TestAPanicMovesToWhoWaits") {
		t.Errorf("the trace is not of where it happened:\n%s", caught.Trace)
	}
}

func TestAPanicThatNobodyWaitsForIsHandedOn(t *testing.T) {
	got := make(chan *PanicError)
	OnPanic(func(e *PanicError) { got <- e })
	t.Cleanup(func() { onPanic.Store(nil) })
	Go(func() { panic("alone") })
	if e := <-got; e.Value != "alone" {
		t.Errorf("got %v", e)
	}
}
