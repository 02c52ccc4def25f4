package tasks

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Facts are what Observe found on one host.
type Facts struct {
	Arch   string    // "amd64", "arm64": Go's and Grafana's word for it
	Clock  time.Time // the host's, to the second
	Uptime time.Duration
	Boot   string // boot id
	// Systemd is its version; 0 when unknown.
	Systemd int
	// User tells whether the system user exists; Tools which commands there are.
	User  bool
	Tools map[string]bool
	// Releases are the complete ones, by folder name.
	Releases map[string]bool
	// Generations are the complete ones: id to release folder.
	Generations map[string]string
	// Current is the generation that the link names; empty: no link.
	Current string
	// CurrentForeign: something that is not our link stands at <root>/current.
	CurrentForeign bool
	Etc            EtcState
	StateFolder    bool
	// Files of the current generation: path in it to SHA-256.
	Files   map[string]string
	Unit    UnitFacts
	Service ServiceFacts
	// Turn tells that a turn of an earlier run still goes on.
	Turn bool
	// Good are the generations whose gates passed, oldest first, and GoodAt when
	// they last did, by the host's clock.
	Good   []string
	GoodAt map[string]time.Time
	// Drained says who took the host out of the load balancer by hand.
	Drained string
	Freeze  *Holder
	// DiskFree is in bytes, where <root> lies.
	DiskFree int64
}

// EtcState is what stands at /etc/grafana.
type EtcState struct {
	Kind   string // "link", "folder", "empty", "file" or "absent"
	Target string
}

// UnitFacts are about our unit file.
type UnitFacts struct {
	Exists  bool
	SHA256  string
	Managed bool // it says that it is ours
	Path    string
}

// ServiceFacts are what systemd says of Grafana.
type ServiceFacts struct {
	Load, Active, Sub, Result string
	Enabled                   bool
	NeedReload                bool
	PID, Restarts             int
	// Age of the process; 0 when none runs.
	Age time.Duration
	// Generation the process was started from; empty when it cannot be told.
	Generation string
	Cmdline    string
}

// Running tells whether a process serves or is on its way to.
func (s ServiceFacts) Running() bool { return s.PID != 0 && s.Active != "inactive" }

var arches = map[string]string{
	"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64",
	"armv7l": "armv7", "armv6l": "armv6", "riscv64": "riscv64", "s390x": "s390x", "ppc64le": "ppc64le",
}

// parseFacts reads what observe.sh printed. An answer without its end is an
// error: half a picture must not be planned on.
func parseFacts(out, root string) (*Facts, error) {
	p := factsParser{f: &Facts{
		Tools: map[string]bool{}, Releases: map[string]bool{}, Generations: map[string]string{}, Files: map[string]string{},
		GoodAt: map[string]time.Time{},
	}, running: regexp.MustCompile(regexp.QuoteMeta(path.Join(root, "generations")) + `/([0-9a-f]+)/`)}
	for line := range strings.Lines(out) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if name == "end" {
			return p.f, nil
		}
		if err := p.record(name, strings.Split(rest, "\t")); err != nil {
			return nil, fmt.Errorf("read fact %q: %w", name, err)
		}
	}
	return nil, fmt.Errorf("the host's answer ends early after %d bytes", len(out))
}

type factsParser struct {
	f       *Facts
	running *regexp.Regexp
	unit    string // whose properties "show" records give at the moment
	started time.Duration
}

// record takes one fact. It is one switch over independent facts; splitting it
// would only hide the list.
func (p *factsParser) record(name string, v []string) error { //nolint:gocyclo
	f := p.f
	switch name {
	case "arch":
		f.Arch = arches[v[0]]
		if f.Arch == "" {
			f.Arch = v[0]
		}
	case "clock":
		n, err := strconv.ParseInt(v[0], 10, 64)
		f.Clock = time.Unix(n, 0)
		return err
	case "uptime":
		d, err := time.ParseDuration(v[0] + "s")
		f.Uptime = d
		return err
	case "systemd":
		f.Systemd, _ = strconv.Atoi(v[0])
	case "boot":
		f.Boot = v[0]
	case "user":
		f.User = true
	case "tool":
		f.Tools[v[0]] = true
	case "release":
		f.Releases[v[0]] = true
	case "generation":
		release := ""
		if len(v) > 1 {
			release = path.Base(v[1])
		}
		f.Generations[v[0]] = release
	case "current":
		f.Current = path.Base(v[0])
	case "current-is-not-a-link":
		f.CurrentForeign = true
	case "etc":
		f.Etc.Kind = v[0]
		if len(v) > 1 {
			f.Etc.Target = v[1]
		}
	case "state-folder":
		f.StateFolder = true
	case "file":
		if len(v) > 1 {
			f.Files[v[1]] = v[0]
		}
	case "unit":
		f.Unit.Exists = true
		f.Unit.SHA256, _, _ = strings.Cut(v[0], " ")
		f.Unit.Managed = len(v) > 1 && v[1] != ""
	case "show":
		p.property(v[0])
	case "cmdline":
		p.cmdline(v)
	case "good":
		id, at, _ := strings.Cut(v[0], " ")
		f.Good = append(f.Good, id)
		if n, err := strconv.ParseInt(at, 10, 64); err == nil {
			f.GoodAt[id] = time.Unix(n, 0)
		}
	case "drained":
		f.Drained = v[0]
	case "freeze":
		f.Freeze = &Holder{}
		return json.Unmarshal([]byte(strings.Join(v, "\t")), f.Freeze)
	case "disk":
		n, err := strconv.ParseInt(v[0], 10, 64)
		f.DiskFree = n << 10
		return err
	}
	return nil
}

// property takes one line of systemctl show. The properties of a unit come in
// no fixed order, and an empty line stands between two units.
func (p *factsParser) property(line string) {
	key, value, _ := strings.Cut(line, "=")
	s := &p.f.Service
	if line == "" {
		p.unit = "turn"
		return
	}
	if p.unit == "turn" {
		if key == "ActiveState" && (value == "active" || value == "activating" || value == "deactivating") {
			p.f.Turn = true
		}
		return
	}
	switch key {
	case "LoadState":
		s.Load = value
	case "ActiveState":
		s.Active = value
	case "SubState":
		s.Sub = value
	case "Result":
		s.Result = value
	case "UnitFileState":
		s.Enabled = value == "enabled"
	case "NeedDaemonReload":
		s.NeedReload = value == "yes"
	case "FragmentPath":
		p.f.Unit.Path = value
	case "MainPID":
		s.PID, _ = strconv.Atoi(value)
	case "NRestarts":
		s.Restarts, _ = strconv.Atoi(value)
	case "ExecMainStartTimestampMonotonic":
		n, _ := strconv.ParseInt(value, 10, 64)
		p.started = time.Duration(n) * time.Microsecond
	}
	if s.PID != 0 && p.started != 0 {
		s.Age = max(p.f.Uptime-p.started, 0)
	}
}

func (p *factsParser) cmdline(v []string) {
	if p.unit == "turn" || len(v) < 2 {
		return
	}
	p.f.Service.Cmdline = v[1]
	if m := p.running.FindStringSubmatch(v[1]); m != nil {
		p.f.Service.Generation = m[1]
	}
}
