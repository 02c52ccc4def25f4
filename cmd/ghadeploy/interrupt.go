package main

import (
	"context"
	"fmt"
)

// watchSignals makes the first signal a request to end after the host at hand
// (the returned channel is closed) and the second one the end at once. Where
// there is nothing to finish, the first is the end.
func (s *session) watchSignals(graceful bool) <-chan struct{} {
	ctx, cancel := context.WithCancel(s.ctx)
	s.ctx = ctx
	interrupt := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		asked := false
		for {
			select {
			case <-s.signals:
			case <-ctx.Done():
				return
			}
			s.interrupted.Store(true)
			if asked || !graceful {
				cancel()
				return
			}
			asked = true
			close(interrupt)
			s.progress.Aside(func() {
				fmt.Fprintln(s.streams.Err, s.streams.ErrStyle.Warn("interrupted: the host at hand is finished first; press Ctrl-C again to stop at once"))
			})
		}
	}()
	s.cleanup = append(s.cleanup, func() {
		cancel()
		<-ended
	})
	return interrupt
}
