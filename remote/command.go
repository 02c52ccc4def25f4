package remote

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Command is one command on a host. It runs in the C locale (LC_ALL=C), so that
// messages are the same everywhere, and dies with its context, its timeout or
// the connection, children and all, unless Detach says otherwise. What it leaves
// running must have a session of its own (setsid, systemd-run).
type Command struct {
	// Args is the command and its arguments, each quoted by [Quote]. Never put
	// a secret here: it would show in the host's process list.
	Args []string
	// Script is POSIX sh, run as `sh -c SCRIPT sh ARGS...`, for when one command
	// is not enough. Args are its $1, $2, ... . No secret belongs here either.
	// Linux bounds it to 128 KiB; a longer one goes on Stdin to `sh -s`.
	Script string
	// Become runs it as root.
	Become bool
	// Stdin is where secrets travel.
	Stdin io.Reader
	// Stdout and Stderr get the output as it comes; where nil, it is kept in
	// the [Result].
	Stdout, Stderr io.Writer
	// Output is how many bytes the command may write to stdout and stderr together;
	// default 1 MiB. More ends it with an *[OutputError]. Negative: no bound, for a
	// stream that is used up as it comes. What is kept of stderr beside a Stdout has a
	// bound of its own, 1 MiB, whatever Output says.
	Output int64
	// Timeout ends the remote command; default 10 s, enough for a question and little
	// for a host to waste; negative: only ctx does. It counts from when the command
	// itself runs. Login shell and sudo before that have as long, and the target's
	// ConnectTimeout at most.
	Timeout time.Duration
	// Detach lets the command finish on the host by itself: neither the end of
	// ctx nor a lost connection stops it, only the waiting ends. It ignores
	// SIGHUP and SIGPIPE; once the connection is gone writing to stdout or stderr
	// fails, so what must go on regardless writes to a file.
	Detach bool
	// LowPriority lets the command have what CPU and disk time others leave: for
	// work beside a service that must not feel it.
	LowPriority bool
	// Step says in errors what was being done: "unpack the release".
	Step string

	begun func() // the command itself runs; set by Run and Start
}

// Result is what a command left behind.
type Result struct {
	Stdout, Stderr []byte
}

// ExitError is a command that ended with a status other than 0.
type ExitError struct {
	Host, Step string
	Status     int
	Signal     string // when a signal ended it
	Stderr     string // its last lines
}

// Error names host, step and what the command said last.
func (e *ExitError) Error() string {
	how := fmt.Sprintf("exit status %d", e.Status)
	if e.Signal != "" {
		how = "signal " + e.Signal
	}
	s := fmt.Sprintf("%s: %s: %s", e.Host, e.Step, how)
	if t := strings.TrimSpace(e.Stderr); t != "" {
		s += ": " + t
	}
	return s
}

// UnreachableError is a host that could not be reached, or was lost.
type UnreachableError struct {
	Host  string
	Cause error
	Hint  string // the next command to type; may be empty
}

// Error names host and cause.
func (e *UnreachableError) Error() string {
	s := fmt.Sprintf("%s: unreachable: %v", e.Host, e.Cause)
	if e.Hint != "" {
		s += "; next: " + e.Hint
	}
	return s
}

// Unwrap gives the cause.
func (e *UnreachableError) Unwrap() error { return e.Cause }
