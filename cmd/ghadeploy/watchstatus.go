package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/tasks"
)

// watchStatus repeats the status over the same connections until q is pressed or it is
// interrupted; with -o json, one document per line.
func (s *session) watchStatus(interval time.Duration) error {
	lines := ui.NewNDJSON(s.streams.Out)
	screen := ui.NewScreen(s.streams.Out, s.streams.OutTTY && s.streams.Animated, s.streams.Size)
	var pressed <-chan byte
	if s.streams.Keys != nil && !s.json() {
		var restore func()
		pressed, restore = s.streams.Keys(s.ctx)
		defer restore()
	}
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	quit := onKey(ctx, pressed, stop)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		st, err := s.runner.Status(ctx, nil)
		if quit() || errors.Is(err, context.Canceled) && s.interrupted.Load() {
			return nil // that is how watching ends
		}
		if st == nil || s.ctx.Err() != nil {
			return err
		}
		if err := s.showStatus(st, lines, screen, s.watched(interval, pressed != nil)); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if quit() || s.interrupted.Load() {
				return nil
			}
			return context.Cause(s.ctx)
		}
	}
}

// showStatus shows one of the statuses that are watched.
func (s *session) showStatus(st *tasks.Status, lines *ui.NDJSON, screen *ui.Screen, above string) error {
	named(st, s.inventoryName())
	if s.json() {
		return lines.Last(filled(st))
	}
	return screen.Show(above + ui.StatusText(s.streams.OutStyle, s.streams.Columns(), st, s.now()))
}

// watched is the line above a status that is shown again and again.
func (s *session) watched(interval time.Duration, keys bool) string {
	end := "Ctrl-C ends"
	if keys {
		end = "q quits"
	}
	return s.streams.OutStyle.Faint(fmt.Sprintf("%s  every %s  %s", s.now().Format("15:04:05"), interval, end)) + "\n"
}
