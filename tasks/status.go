package tasks

import "time"

// Status is the state of a cluster at one moment.
type Status struct {
	Schema  int       `json:"schema"` // 1
	Cluster string    `json:"cluster"`
	Time    time.Time `json:"time"`
	Healthy bool      `json:"healthy"`
	Verdict string    `json:"verdict"` // "3 of 3 hosts healthy, members 3/3, Live 3/3", "degraded: 2 of 3 serve, h2 down"
	// Level is "healthy", "degraded": somebody serves and not all is well, or "down": nobody serves.
	Level   string       `json:"level"`
	Serving int          `json:"serving"`           // hosts that users are served by
	AtWork  string       `json:"at_work,omitempty"` // who runs what on the cluster: "ops@laptop (pid 4711) runs apply since 12:00:05"
	Hosts   []HostStatus `json:"hosts"`
}

// The states of a host, as status names them.
const (
	StateHealthy     = "healthy"
	StateUnhealthy   = "unhealthy" // it serves, and something is not as it should be
	StateStarting    = "starting"
	StateDrained     = "drained"         // by hand, out of the load balancer
	StateByHand      = "stopped by hand" // by ghadeploy stop
	StateRollout     = "in rollout"      // somebody's run is at work on it
	StateDown        = "down"            // it does not serve, and nobody meant that
	StateUnreachable = "unreachable"
)

// HostStatus is the state of one host. Numbers that could not be read are nil.
type HostStatus struct {
	Host      string `json:"host"`
	Address   string `json:"address"`
	Reachable bool   `json:"reachable"`
	Healthy   bool   `json:"healthy"`
	// "healthy", "unhealthy", "starting", "drained", "stopped by hand", "in rollout", "down", "unreachable"
	State string `json:"state"`
	// users are served by it: it is healthy by its own word, and the load balancer sends them there
	Serves     bool      `json:"serves"`
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
	Stopped  string   `json:"stopped,omitempty"` // who stopped it by hand, and when
	AtWork   string   `json:"at_work,omitempty"` // whose run holds its lock
	DiskFree int64    `json:"disk_free_bytes,omitempty"`
	Drift    []string `json:"drift,omitempty"` // files that are not what was deployed
	Problems []string `json:"problems,omitempty"`
	Notes    []string `json:"notes,omitempty"` // what looks odd and is well
	Error    string   `json:"error,omitempty"` // why it is not reachable

	turn bool // a turn is under way
}
