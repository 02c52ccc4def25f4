package tasks

import "time"

// Status is the state of a cluster at one moment.
type Status struct {
	Schema  int          `json:"schema"` // 1
	Cluster string       `json:"cluster"`
	Time    time.Time    `json:"time"`
	Healthy bool         `json:"healthy"`
	Verdict string       `json:"verdict"` // "3 of 3 hosts healthy, members 3/3, Live 3/3"
	Hosts   []HostStatus `json:"hosts"`
}

// HostStatus is the state of one host. Numbers that could not be read are nil.
type HostStatus struct {
	Host       string    `json:"host"`
	Address    string    `json:"address"`
	Reachable  bool      `json:"reachable"`
	Healthy    bool      `json:"healthy"`
	Version    string    `json:"version,omitempty"` // that runs
	Generation string    `json:"generation,omitempty"`
	Current    string    `json:"current,omitempty"` // generation that the link names
	Service    string    `json:"service"`           // "running", "stopped", "failed", "starting", "absent"
	PID        int       `json:"pid,omitempty"`
	Restarts   int       `json:"restarts"` // by systemd, since the unit was loaded
	Since      time.Time `json:"since,omitzero"`
	// Database is "ok", "failing" or empty when unknown.
	Database        string   `json:"database,omitempty"`
	DatabaseLatency *float64 `json:"database_latency_seconds,omitempty"`
	// Connections to the database, of all pools of the node: open, and the most that may
	// be; 0: some pool has no limit.
	Connections      *int `json:"database_connections,omitempty"`
	ConnectionsLimit *int `json:"database_connections_limit,omitempty"`
	Position         *int `json:"alerting_position,omitempty"`
	Members          *int `json:"alerting_members,omitempty"`
	LiveNodes        *int `json:"live_nodes,omitempty"`
	// Balancer is the state that the load balancer sees: "up", "down", "drain", "maint".
	Balancer string   `json:"balancer,omitempty"`
	Drained  string   `json:"drained,omitempty"` // who drained it by hand, and when
	DiskFree int64    `json:"disk_free_bytes,omitempty"`
	Drift    []string `json:"drift,omitempty"` // files that are not what was deployed
	Problems []string `json:"problems,omitempty"`
	Notes    []string `json:"notes,omitempty"` // what looks odd and is well
	Error    string   `json:"error,omitempty"` // why it is not reachable
}
