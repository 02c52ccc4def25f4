package tasks

import (
	"sync"

	"github.com/hashicorp/go-multierror"

	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// eachHost runs f for all hosts at once, waits for all, and keeps every error.
func eachHost(hosts []fleet.Host, f func(i int, h fleet.Host) error) error {
	errs := make([]error, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() { errs[i] = f(i, h) })
	}
	wg.Wait()
	var all *multierror.Error
	for _, err := range errs {
		if err != nil {
			all = multierror.Append(all, err)
		}
	}
	return all.ErrorOrNil()
}
