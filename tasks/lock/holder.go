package lock

import (
	"encoding/json"
	"fmt"
	"os"
	"os/user"
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

// NewHolder is this process, which runs a command: "apply". run is the id of the run.
func NewHolder(command, run string) Holder {
	h := Holder{PID: os.Getpid(), Since: time.Now().UTC().Truncate(time.Second), Command: command, Run: run, User: "unknown"}
	if u, err := user.Current(); err == nil {
		h.User = u.Username
	}
	h.From, _ = os.Hostname()
	return h
}

// parseHolder reads a holder file's text. One that says nothing is somebody's.
func parseHolder(text string) Holder {
	var h Holder
	if err := json.Unmarshal([]byte(text), &h); err != nil || h.User == "" {
		h.User, h.From = "somebody", "unknown"
	}
	return h
}
