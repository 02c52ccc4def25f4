package tasks

import (
	"fmt"
	"time"
)

// Holder is who holds a lock, as the host's holder file says it.
type Holder struct {
	User    string    `json:"user"`
	From    string    `json:"from"` // the operator's machine
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`
	Command string    `json:"command"`
	Run     string    `json:"run,omitempty"`
	Message string    `json:"message,omitempty"` // of a manual freeze
}

// Who is user@machine (pid).
func (h Holder) Who() string { return fmt.Sprintf("%s@%s (pid %d)", h.User, h.From, h.PID) }
