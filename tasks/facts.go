package tasks

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks/lock"
)

// Facts are what Observe found on one host.
type Facts struct {
	Arch   string    // "amd64", "arm64": Go's and Grafana's word for it
	Clock  time.Time // the host's, to the second
	Uptime time.Duration
	// Systemd is its version; 0 when unknown.
	Systemd int
	// User tells whether the system user exists; Tools which commands there are.
	User  bool
	Tools map[string]bool
	// Releases are the complete ones, by folder name.
	Releases map[string]bool
	// Generations are the complete ones: id to release folder.
	Generations map[string]string
	// Servers is what [server] of each generation says of where it answers.
	Servers map[string]serverOf
	// Current is the generation that the link names; empty: no link.
	Current string
	// CurrentForeign: something that is not our link stands at <root>/current.
	CurrentForeign bool
	Etc            EtcState
	DataFolders    bool // paths.data and paths.logs are there
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
	// Layout is what a newer ghadeploy says of the files there; empty for the first layout.
	Layout string
	// Drained says who took the host out of the load balancer by hand.
	Drained string
	// Stopped says who stopped Grafana by hand; it may run again since.
	Stopped string
	Freeze  *lock.Holder
	// Account is the service user; GroupGID the number of paths.group, nil where the host
	// has no such group, or none is asked for.
	Account  Account
	GroupGID *int
	// Folders are "data", "logs", "root" and "generations", and below data "below:PATH".
	Folders map[string]*Folder
	// LogClosed is a log file that the service user may not write; empty: none.
	LogClosed string
	// DropIns change our unit; the first one goes before the others. Manager are the GF_
	// variables that systemd hands to every service.
	DropIns []*DropIn
	Manager []string
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
	// OtherRoot and OtherGeneration are where it was started from, when that is a
	// generation below another root than the inventory's.
	OtherRoot, OtherGeneration string
	// Server is what the process's environment says of where it answers, over its file.
	Server serverOf
	// Environ are the GF_ variables of the process, where it could be read.
	Environ     Environ
	EnvironRead bool
	// UID and GID are who the process runs as; nil: not told.
	UID, GID *int
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
		GoodAt: map[string]time.Time{}, Servers: map[string]serverOf{}, Service: ServiceFacts{Server: serverOf{}},
	}, running: regexp.MustCompile(regexp.QuoteMeta(path.Join(root, "generations")) + `/([0-9a-f]+)/`)}
	told := 0
	for line := range strings.Lines(out) {
		if told++; told > mostFacts {
			return nil, fmt.Errorf("the host tells more than %d facts", mostFacts)
		}
		line = strings.TrimSuffix(line, "\n")
		name, rest, _ := strings.Cut(line, "\t")
		if name == "end" {
			if p.f.Service.PID != 0 && p.started != 0 {
				p.f.Service.Age = max(p.f.Uptime-p.started, 0)
			}
			return p.f, nil
		}
		if factTakers[name] == nil {
			p.programLine(line)
		} else if err := factTakers[name](&p, strings.Split(rest, "\t")); err != nil {
			return nil, fmt.Errorf("read fact %q: %w", name, err)
		}
	}
	return nil, fmt.Errorf("the host's answer ends early after %d bytes", len(out))
}

type factsParser struct {
	f       *Facts
	running *regexp.Regexp
	turn    bool // the properties of ghadeploy-turn.service are being read
	started time.Duration
	// unit is the path of our unit file, section the generation and section that grep's
	// lines are in.
	unit, section string
}

// factTakers is what is done with each record of observe.sh; v has one field at least.
var factTakers = map[string]func(p *factsParser, v []string) error{
	"arch": func(p *factsParser, v []string) error {
		if p.f.Arch = arches[v[0]]; p.f.Arch == "" {
			p.f.Arch = v[0]
		}
		return nil
	},
	"clock": func(p *factsParser, v []string) error {
		n, err := strconv.ParseInt(v[0], 10, 64)
		p.f.Clock = time.Unix(n, 0)
		return err
	},
	"uptime": func(p *factsParser, v []string) (err error) {
		p.f.Uptime, err = time.ParseDuration(v[0] + "s")
		return err
	},
	"systemd": func(p *factsParser, v []string) error { p.f.Systemd, _ = strconv.Atoi(v[0]); return nil },
	"user":    (*factsParser).account,
	"group": func(p *factsParser, v []string) error {
		n, err := strconv.Atoi(v[0])
		p.f.GroupGID = &n
		return err
	},
	"folder":     (*factsParser).folder,
	"way":        (*factsParser).way,
	"log-closed": func(p *factsParser, v []string) error { p.f.LogClosed = v[0]; return nil },
	"dropin":     (*factsParser).dropIn,
	"dropline":   (*factsParser).dropLine,
	"dropfile":   (*factsParser).dropFile,
	"manager":    func(p *factsParser, v []string) error { p.f.Manager = append(p.f.Manager, v[0]); return nil },
	"process":    (*factsParser).process,
	"environ-read": func(p *factsParser, _ []string) error {
		p.f.Service.EnvironRead = p.f.Service.EnvironRead || !p.turn
		return nil
	},
	"tool":                  func(p *factsParser, v []string) error { p.f.Tools[v[0]] = true; return nil },
	"release":               func(p *factsParser, v []string) error { p.f.Releases[v[0]] = true; return nil },
	"generation":            func(p *factsParser, v []string) error { p.f.Generations[v[0]] = path.Base(second(v)); return nil },
	"environ":               (*factsParser).environ,
	"current":               func(p *factsParser, v []string) error { p.f.Current = path.Base(v[0]); return nil },
	"current-is-not-a-link": func(p *factsParser, _ []string) error { p.f.CurrentForeign = true; return nil },
	"etc":                   func(p *factsParser, v []string) error { p.f.Etc = EtcState{Kind: v[0], Target: second(v)}; return nil },
	"data-folders":          func(p *factsParser, _ []string) error { p.f.DataFolders = true; return nil },
	"unit":                  (*factsParser).unitFile,
	"show":                  func(p *factsParser, v []string) error { p.property(v[0]); return nil },
	"cmdline":               func(p *factsParser, v []string) error { p.cmdline(v); return nil },
	"good":                  (*factsParser).good,
	"drained":               func(p *factsParser, v []string) error { p.f.Drained = v[0]; return nil },
	"layout":                func(p *factsParser, v []string) error { p.f.Layout = v[0]; return nil },
	"stopped":               func(p *factsParser, v []string) error { p.f.Stopped = v[0]; return nil },
	"freeze": func(p *factsParser, v []string) error {
		p.f.Freeze = &lock.Holder{}
		return json.Unmarshal([]byte(strings.Join(v, "\t")), p.f.Freeze)
	},
	"disk": func(p *factsParser, v []string) error {
		n, err := strconv.ParseInt(v[0], 10, 64)
		p.f.DiskFree = n << 10
		return err
	},
}

// second is a record's second field; empty when it has one only.
func second(v []string) string {
	if len(v) < 2 {
		return ""
	}
	return v[1]
}

// good takes "id seconds-since-1970".
func (p *factsParser) good(v []string) error {
	id, at, _ := strings.Cut(v[0], " ")
	p.f.Good = append(p.f.Good, id)
	if n, err := strconv.ParseInt(at, 10, 64); err == nil {
		p.f.GoodAt[id] = time.Unix(n, 0)
	}
	return nil
}

// property takes one line of systemctl show. The properties of a unit come in no
// fixed order, and an empty line stands between two units: Grafana's, then the
// turn's.
func (p *factsParser) property(line string) {
	key, value, _ := strings.Cut(line, "=")
	switch {
	case line == "":
		p.turn = true
	case p.turn:
		if key == "ActiveState" {
			p.f.Turn = value == "active" || value == "activating" || value == "deactivating"
		}
	default:
		if take := propertyTakers[key]; take != nil {
			take(p, value)
		}
	}
}

var propertyTakers = map[string]func(p *factsParser, value string){
	"LoadState":        func(p *factsParser, v string) { p.f.Service.Load = v },
	"ActiveState":      func(p *factsParser, v string) { p.f.Service.Active = v },
	"SubState":         func(p *factsParser, v string) { p.f.Service.Sub = v },
	"Result":           func(p *factsParser, v string) { p.f.Service.Result = v },
	"UnitFileState":    func(p *factsParser, v string) { p.f.Service.Enabled = v == "enabled" },
	"NeedDaemonReload": func(p *factsParser, v string) { p.f.Service.NeedReload = v == "yes" },
	"MainPID":          func(p *factsParser, v string) { p.f.Service.PID, _ = strconv.Atoi(v) },
	"NRestarts":        func(p *factsParser, v string) { p.f.Service.Restarts, _ = strconv.Atoi(v) },
	"ExecMainStartTimestampMonotonic": func(p *factsParser, v string) {
		n, _ := strconv.ParseInt(v, 10, 64)
		p.started = time.Duration(n) * time.Microsecond
	},
}

// process takes "process Uid: N" and "process Gid: N" of the service's process.
func (p *factsParser) process(v []string) error {
	n, err := strconv.Atoi(second(v))
	if p.turn || err != nil {
		return err
	}
	if v[0] == "Uid:" {
		p.f.Service.UID = &n
	} else {
		p.f.Service.GID = &n
	}
	return nil
}

func (p *factsParser) cmdline(v []string) {
	if p.turn || len(v) < 2 {
		return
	}
	if m := p.running.FindStringSubmatch(v[1]); m != nil {
		p.f.Service.Generation = m[1]
	} else if m := otherRoot.FindStringSubmatch(v[1]); m != nil {
		p.f.Service.OtherRoot, p.f.Service.OtherGeneration = m[1], m[2]
	}
}
