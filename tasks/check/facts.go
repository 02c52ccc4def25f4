package check

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

//go:embed facts.sh
var factsScript string

// hostFacts is what one script found on a host: name to values, in the order in
// which they were printed.
type hostFacts struct {
	values map[string][]string
	// offset is the host's clock minus the operator's; uncertain by at most ±slack,
	// half the time from sending the script to its first line.
	offset, slack time.Duration
}

// get is the first value of a name; empty when there is none.
func (f hostFacts) get(name string) string {
	if v := f.values[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// numbers reads a value of numbers; fewer than want give ok false.
func (f hostFacts) numbers(name string, want int) (n []int64, ok bool) {
	for _, word := range strings.Fields(f.get(name)) {
		v, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			break
		}
		n = append(n, v)
	}
	return n, len(n) >= want
}

// heard remembers when the first byte came, and puts off the end of our patience with each.
type heard struct {
	text  bytes.Buffer
	at    time.Time
	quiet *time.Timer
}

// Write implements io.Writer.
func (w *heard) Write(p []byte) (int, error) {
	if w.at.IsZero() {
		w.at = time.Now()
	}
	w.quiet.Reset(factsWithin)
	return w.text.Write(p)
}

// gatherFacts runs the script on every host at once.
func (r *run) gatherFacts(ctx context.Context) {
	r.facts, r.factErr = map[string]hostFacts{}, map[string]error{}
	var mu sync.Mutex
	var wg guard.Group
	for _, h := range r.Hosts {
		wg.Go(func() {
			var f hostFacts
			began := time.Now()
			err := guard.Do(func() (err error) {
				f, err = r.readFacts(ctx, h)
				return err
			})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				r.factErr[h.Name] = err
				return
			}
			r.facts[h.Name] = f
			r.slowest = max(r.slowest, time.Since(began))
		})
	}
	wg.Wait()
}

func (r *run) readFacts(ctx context.Context, h fleet.Host) (hostFacts, error) {
	p := r.Cluster.Paths
	ctx, cancel := context.WithTimeout(ctx, factsAtMost)
	defer cancel()
	out := heard{quiet: time.AfterFunc(factsWithin, cancel)}
	defer out.quiet.Stop()
	sent := time.Now()
	_, err := h.Run(ctx, remote.Command{
		Script: factsScript, Args: []string{p.Root, p.Data, p.Etc, p.State, p.Service, p.User, p.Logs},
		Become: true, Stdin: strings.NewReader(r.Unit), Stdout: &out, Timeout: factsAtMost, Step: "read the host's facts",
	})
	if err != nil {
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return hostFacts{}, fmt.Errorf("no answer within %s, or not all of it: %w", factsAtMost, err)
		case ctx.Err() != nil:
			return hostFacts{}, fmt.Errorf("no answer within %s: %w", factsWithin, err)
		}
		return hostFacts{}, err
	}
	f := parseFacts(out.text.String())
	if f.get("end") == "" {
		return hostFacts{}, errors.New("the script that reads the host's facts ended early")
	}
	if clock, ok := parseClock(f.get("clock")); ok {
		f.slack = out.at.Sub(sent) / 2
		f.offset = clock.Sub(sent.Add(f.slack))
	}
	return f, nil
}

func parseFacts(text string) hostFacts {
	f := hostFacts{values: map[string][]string{}}
	for line := range strings.Lines(text) {
		name, value, found := strings.Cut(strings.TrimRight(line, "\r\n"), "\t")
		if value = strings.TrimSpace(value); found && value != "" {
			f.values[name] = append(f.values[name], value)
		}
	}
	return f
}

// parseClock reads "seconds.nanoseconds"; a date without %N prints "seconds.N".
func parseClock(text string) (time.Time, bool) {
	s, ns, _ := strings.Cut(text, ".")
	seconds, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	nanos, err := strconv.ParseInt(ns, 10, 64)
	if err != nil {
		nanos = int64(time.Second / 2)
	}
	return time.Unix(seconds, nanos), true
}

// socket is a port that something on the host holds.
type socket struct {
	proto string // "tcp" or "udp"
	addr  string // as ss prints it, without the port
	port  int
	owner string // "nginx (pid 812)"; empty when not to be seen
	pids  []int
}

// sockets are the host's listening ports.
func (f hostFacts) sockets() []socket {
	var all []socket
	for _, line := range f.values["socket"] {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		i := strings.LastIndexByte(words[1], ':')
		port, err := strconv.Atoi(words[1][i+1:])
		if i < 0 || err != nil {
			continue
		}
		s := socket{proto: words[0], addr: words[1][:i], port: port}
		if len(words) > 2 {
			s.owner, s.pids = owners(words[2])
		}
		all = append(all, s)
	}
	return all
}

// owners reads `users:(("nginx",pid=812,fd=6),("nginx",pid=813,fd=6))`.
func owners(text string) (first string, pids []int) {
	for part := range strings.SplitSeq(text, "(\"") {
		name, rest, found := strings.Cut(part, `",pid=`)
		if !found {
			continue
		}
		digits, _, _ := strings.Cut(rest, ",")
		pid, err := strconv.Atoi(digits)
		if err != nil {
			continue
		}
		if first == "" {
			first = fmt.Sprintf("%s (pid %d)", name, pid)
		}
		pids = append(pids, pid)
	}
	return first, pids
}
