package fleet

import (
	"strings"

	"github.com/hashicorp/go-multierror"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// Each runs f for all hosts at once, waits for all, and keeps every error. A panic in f
// is the error of its host.
func Each(hosts []Host, f func(i int, h Host) error) error {
	errs := make([]error, len(hosts))
	var wg guard.Group
	for i, h := range hosts {
		wg.Go(func() { errs[i] = guard.Do(func() error { return f(i, h) }) })
	}
	wg.Wait()
	return Join(errs...)
}

// Join keeps every error, so that errors.As finds each; nil when there is none. Unlike
// those of errors.Join they stand one after another in one line of text.
func Join(errs ...error) error {
	all := &multierror.Error{ErrorFormat: func(errs []error) string {
		out := make([]string, len(errs))
		for i, err := range errs {
			out[i] = err.Error()
		}
		return strings.Join(out, "; ")
	}}
	for _, err := range errs {
		if err != nil {
			all = multierror.Append(all, err)
		}
	}
	return all.ErrorOrNil()
}
