package tasks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// LogLine is one line of a host's journal.
type LogLine struct {
	Host  string    `json:"host"`
	Time  time.Time `json:"time"`
	Level string    `json:"level,omitempty"`
	Text  string    `json:"text"`
}

// LogOptions say which lines of the hosts' journals are wanted.
type LogOptions struct {
	Follow bool
	Since  string // as journalctl reads it: "-1h", "2026-11-24 12:00"
	Lines  int    // of each host, before Grep; 0: all since Since, else 100, or 10,000 to look through with Grep
	Grep   *regexp.Regexp
}

// mergeWindow is how long a line waits for earlier ones of slower hosts while following.
const mergeWindow = 300 * time.Millisecond

const (
	// mostLogBytes is how much of a host's journal is held to be merged: what is held
	// costs memory here, and the host says how much there is.
	mostLogBytes = 10 << 20
	// heldLine is what a held line costs besides its text, in bytes.
	heldLine = 128
	// logWithin is how long a host may take to tell its journal, unless the operator gives
	// a --timeout: the command waits for the slowest one.
	logWithin = 10 * time.Second
	// mostLogStream is how much is read of it to look through with Grep.
	mostLogStream = 1 << 30
	// mostHeldBytes is how much waits for earlier lines of other hosts while following.
	mostHeldBytes = 8 << 20
	// mostLogLine is a line's bound; of a longer one the rest is left out.
	mostLogLine = 64 << 10
)

// Logs gives the lines of the selected hosts' Grafana, merged by time.
func (r *Runner) Logs(ctx context.Context, o LogOptions, give func(LogLine)) error {
	lines := make(chan LogLine, 1024)
	merged := make(chan struct{})
	guard.Go(func() {
		defer close(merged)
		merge(lines, o.Follow, give)
	})
	_, err := each(ctx, r, func(ctx context.Context, h fleet.Host) (struct{}, error) {
		return struct{}{}, r.follow(ctx, h, o, lines)
	})
	close(lines)
	<-merged
	if o.Follow && ctx.Err() != nil {
		return nil // the operator has seen enough
	}
	return err
}

// number is how many lines journalctl is asked for.
func (o LogOptions) number() string {
	switch {
	case o.Lines > 0:
		return strconv.Itoa(o.Lines)
	case o.Since != "":
		return "all"
	case o.Grep != nil:
		return "10000"
	}
	return "100"
}

func (r *Runner) follow(ctx context.Context, h fleet.Host, o LogOptions, out chan<- LogLine) error {
	args := []string{"journalctl", "-u", r.c.Paths.Service + ".service", "--no-pager", "-o", "short-iso-precise", "-n", o.number()}
	if o.Since != "" {
		args = append(args, "--since", o.Since)
	}
	cmd := remote.Command{Step: "read the journal", Args: args, Become: true, Timeout: logWithin, Output: mostLogStream}
	if _, ok := ctx.Deadline(); ok {
		cmd.Timeout = -1
	}
	left := mostLogBytes
	if o.Follow {
		cmd.Args, cmd.Timeout, cmd.Output, left = append(args, "-f"), -1, -1, math.MaxInt
	}
	rd, wr := io.Pipe()
	cmd.Stdout = wr
	var tooMuch error
	var wg guard.Group
	wg.Go(func() {
		tooMuch = readLog(rd, h.Name, left, func(l LogLine) bool {
			if o.Grep != nil && !o.Grep.MatchString(l.Text) {
				return false
			}
			out <- l
			return true
		})
		_ = rd.CloseWithError(tooMuch) // ends the command
	})
	_, err := h.Run(ctx, cmd)
	_ = wr.Close()
	wg.Wait()
	switch {
	case tooMuch != nil:
		return tooMuch
	case errors.Is(err, context.DeadlineExceeded) && cmd.Timeout > 0:
		return &fleet.HostError{Host: h.Name, Step: "read the journal", Cause: fmt.Errorf("not done after %s", logWithin),
			Next: "ask for fewer lines (--lines, a later --since), or give it longer with --timeout 2m"}
	}
	return err
}

// readLog gives the lines of a host's journal until what was taken of them is more than
// most bytes.
func readLog(r io.Reader, host string, most int, give func(LogLine) (taken bool)) error {
	in := bufio.NewReaderSize(r, mostLogLine)
	for {
		line, err := in.ReadSlice('\n')
		text := strings.TrimSuffix(string(line), "\n")
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if l, ok := parseLogLine(host, text); ok && give(l) {
			if most -= len(text) + heldLine; most < 0 {
				return &fleet.HostError{Host: host, Step: "read the journal", Cause: fmt.Errorf("more than %d MiB", mostLogBytes>>20),
					Next: "ask for fewer lines: --lines, --grep, or a later --since"}
			}
		}
		if err != nil {
			return nil // the end; an error of the command is the command's
		}
	}
}

var logLevel = regexp.MustCompile(`\b(?:level|lvl)=(\w+)|"level":"(\w+)"`)

// parseLogLine takes journalctl's short-iso-precise apart: time, host, unit[pid]: text.
func parseLogLine(host, line string) (LogLine, bool) {
	at, rest, ok := strings.Cut(line, " ")
	if !ok {
		return LogLine{}, false
	}
	t, err := time.Parse("2006-01-02T15:04:05.999999-0700", at)
	if err != nil {
		if t, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return LogLine{}, false // "-- Boot ... --", "-- No entries --"
		}
	}
	_, rest, _ = strings.Cut(rest, " ")
	_, text, _ := strings.Cut(rest, ": ")
	l := LogLine{Host: host, Time: t, Text: text}
	if m := logLevel.FindStringSubmatch(text); m != nil {
		l.Level = strings.ToLower(m[1] + m[2])
	}
	return l, true
}

// merge gives lines by time. Without following all are there before the first is
// given; while following each waits a moment for earlier ones of other hosts.
func merge(lines <-chan LogLine, follow bool, give func(LogLine)) {
	var held []LogLine
	size := 0
	flush := func(until time.Time) {
		slices.SortStableFunc(held, func(a, b LogLine) int { return a.Time.Compare(b.Time) })
		i := 0
		for ; i < len(held) && (until.IsZero() || held[i].Time.Before(until)); i++ {
			size -= len(held[i].Text)
			give(held[i])
		}
		held = slices.Clone(held[i:])
	}
	tick := time.NewTicker(mergeWindow)
	defer tick.Stop()
	for {
		select {
		case l, ok := <-lines:
			if !ok {
				flush(time.Time{})
				return
			}
			if now := time.Now(); follow && l.Time.After(now) {
				l.Time = now // a host whose clock is wrong is not waited for until then
			}
			held = append(held, l)
			if size += len(l.Text); follow && size > mostHeldBytes {
				flush(time.Time{})
			}
		case <-tick.C:
			if follow {
				flush(time.Now().Add(-mergeWindow))
			}
		}
	}
}
