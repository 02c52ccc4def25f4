// Package guard keeps a panic, ours or a library's, from ending the process: it becomes
// an error of the step that it happened in, or moves to the goroutine that waits for it.
// Every goroutine of the tool is started here, and a test holds the code to it.
package guard

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
)

// maxValue bounds what is told of a panic's value, in bytes.
const maxValue = 200

// PanicError is a panic that was caught. Its text is short; the trace is for a file.
type PanicError struct {
	Value string // of the panic, one line
	Trace []byte
}

// Error says that it is a fault of the program, and which.
func (e *PanicError) Error() string { return "internal error: " + e.Value }

// Do runs f; a panic in it is a *PanicError.
func Do(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = Caught(v)
		}
	}()
	return f()
}

// Caught makes an error of what recover returned. What was caught before keeps its trace.
func Caught(v any) *PanicError {
	if err, ok := v.(error); ok {
		if e, ok := errors.AsType[*PanicError](err); ok {
			return e
		}
	}
	value := strings.Join(strings.Fields(fmt.Sprint(v)), " ")
	if len(value) > maxValue {
		value = strings.ToValidUTF8(value[:maxValue], "") + " ..."
	}
	return &PanicError{Value: value, Trace: debug.Stack()}
}

// onPanic is what is done about a panic in a goroutine that nobody waits for.
var onPanic atomic.Pointer[func(*PanicError)]

// OnPanic sets what is done about a panic in a goroutine that nobody waits for. Without
// it such a panic ends the process as ever.
func OnPanic(f func(*PanicError)) { onPanic.Store(&f) }

// Go runs f in a goroutine that nobody waits for.
func Go(f func()) {
	go func() {
		err := Do(func() error { f(); return nil })
		if err == nil {
			return
		}
		caught, _ := errors.AsType[*PanicError](err)
		if do := onPanic.Load(); do != nil {
			(*do)(caught)
			return
		}
		_, _ = os.Stderr.Write(caught.Trace)
		panic(caught)
	}()
}

// Group is a group of goroutines that somebody waits for.
type Group struct {
	wg    sync.WaitGroup
	first atomic.Pointer[PanicError]
}

// Go runs f in a goroutine of the group.
func (g *Group) Go(f func()) {
	g.wg.Go(func() {
		if e, ok := errors.AsType[*PanicError](Do(func() error { f(); return nil })); ok {
			g.first.CompareAndSwap(nil, e)
		}
	})
}

// Wait waits for all; the first panic in one of them goes on here.
func (g *Group) Wait() {
	g.wg.Wait()
	if e := g.first.Load(); e != nil {
		panic(e)
	}
}
