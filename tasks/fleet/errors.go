package fleet

import "fmt"

// HostError is a step that failed on a host for another reason than a gate. Exit code 1.
type HostError struct {
	Host, Step string
	Cause      error
	State      string // in which state the host was left
	Next       string // the next command to type
}

// Error names host, step, cause and what to do.
func (e *HostError) Error() string {
	s := fmt.Sprintf("%s: %s: %v", e.Host, e.Step, e.Cause)
	if e.State != "" {
		s += "; " + e.State
	}
	if e.Next != "" {
		s += "; next: " + e.Next
	}
	return s
}

// Unwrap gives the cause.
func (e *HostError) Unwrap() error { return e.Cause }
