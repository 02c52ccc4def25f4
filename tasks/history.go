package tasks

import "time"

// RunRecord is one run as the journals of the hosts tell it.
type RunRecord struct {
	Run           string            `json:"run"`
	Cluster       string            `json:"cluster"`
	Command       string            `json:"command"`
	User          string            `json:"user"`
	From          string            `json:"from"`
	Start         time.Time         `json:"start"`
	End           time.Time         `json:"end,omitzero"`
	Outcome       string            `json:"outcome"` // "done", "failed", "interrupted", "paused", or "unfinished"
	Hosts         map[string]string `json:"hosts,omitempty"`
	PlanHash      string            `json:"plan_hash,omitempty"`
	InventoryHash string            `json:"inventory_hash,omitempty"`
	Entries       []JournalEntry    `json:"entries,omitempty"`
}

// JournalEntry is one line of a journal.
type JournalEntry struct {
	Time    time.Time `json:"time"`
	Run     string    `json:"run"`
	Cluster string    `json:"cluster,omitempty"`
	Host    string    `json:"host,omitempty"`
	// Step is "run", "stage", "drain", "stop", "flip", "start", "gate:health", ...
	Step string `json:"step"`
	// Result is "started", "done" or "failed".
	Result  string            `json:"result"`
	Message string            `json:"message,omitempty"`
	Seconds float64           `json:"seconds,omitempty"`
	Data    map[string]string `json:"data,omitempty"` // of the first line of a run
}

// GenerationInfo is one generation on a host.
type GenerationInfo struct {
	ID       string    `json:"id"`
	Version  string    `json:"version"`
	Release  string    `json:"release"`
	Created  time.Time `json:"created"`
	Current  bool      `json:"current"`
	Previous bool      `json:"previous"` // what a rollback goes to
	Running  bool      `json:"running"`
}

// HostReleases are the generations of one host, newest first.
type HostReleases struct {
	Host        string           `json:"host"`
	Generations []GenerationInfo `json:"generations"`
}

// Drift is one file on a host that is not what was deployed.
type Drift struct {
	Host    string `json:"host"`
	Path    string `json:"path"`
	What    string `json:"what"` // "changed", "missing", "unexpected"
	Unified string `json:"unified,omitempty"`
}

// LogLine is one line of a host's journal.
type LogLine struct {
	Host  string    `json:"host"`
	Time  time.Time `json:"time"`
	Level string    `json:"level,omitempty"`
	Text  string    `json:"text"`
}

// ExecResult is what a command left behind on one host.
type ExecResult struct {
	Host   string `json:"host"`
	Stdout string `json:"stdout"`
	Stderr string `json:"stderr"`
	Status int    `json:"status"`
	Error  string `json:"error,omitempty"`
}

// HostLock is who holds a host.
type HostLock struct {
	Host   string  `json:"host"`
	Held   *Holder `json:"held,omitempty"`
	Frozen *Holder `json:"frozen,omitempty"`
}

// HostKey is a host's SSH key.
type HostKey struct {
	Host        string `json:"host"`
	Type        string `json:"type"`
	Fingerprint string `json:"fingerprint"`
	Known       bool   `json:"known"`
}
