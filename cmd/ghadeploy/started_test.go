package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// started is a ghadeploy that runs beside the test, which reads its events.
type started struct {
	cmd    *exec.Cmd
	events chan event.Event // closed with the process
	lines  chan string      // stdout, once all of it was read
	stderr bytes.Buffer
	begin  time.Time
}

// start starts a command on the trial's inventory. It is killed when the test
// ends before it does.
func (c *trial) start(t *testing.T, command string, args ...string) *started {
	t.Helper()
	s := &started{events: make(chan event.Event, 10_000), lines: make(chan string, 1)}
	s.cmd = exec.Command(labtest.Tool(t), append([]string{command, c.inv.Path, "-o", "json"}, args...)...)
	s.cmd.Stderr = &s.stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.begin = time.Now()
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go s.read(out)
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	return s
}

func (s *started) read(out io.Reader) {
	defer close(s.events)
	var all strings.Builder
	sc := bufio.NewScanner(out)
	sc.Buffer(nil, 4<<20)
	for sc.Scan() {
		all.WriteString(sc.Text() + "\n")
		var e event.Event
		if json.Unmarshal(sc.Bytes(), &e) == nil && e.Kind != "" {
			s.events <- e
		}
	}
	s.lines <- all.String()
}

// until waits for the first event that is meant.
func (s *started) until(t *testing.T, what string, meant func(event.Event) bool) event.Event {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for {
		select {
		case e, ok := <-s.events:
			if !ok {
				r := s.wait(t)
				t.Fatalf("it ended with exit %d before %s\n%s%s", r.Code, what, r.Stdout, r.Stderr)
			}
			if meant(e) {
				return e
			}
		case <-deadline:
			t.Fatalf("waited two minutes for %s", what)
		}
	}
}

// wait waits for the end of the process.
func (s *started) wait(t *testing.T) labtest.Ran {
	t.Helper()
	r := labtest.Ran{Stdout: <-s.lines}
	err := s.cmd.Wait()
	r.Took, r.Stderr = time.Since(s.begin), s.stderr.String()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.Code = exit.ExitCode()
	case err != nil:
		t.Fatal(err)
	}
	t.Logf("%s: exit %d after %s", strings.Join(s.cmd.Args[1:], " "), r.Code, r.Took.Round(time.Millisecond))
	return r
}
