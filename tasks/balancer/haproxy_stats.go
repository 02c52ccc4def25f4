package balancer

import (
	"encoding/csv"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// The bits of srv_admin_state (management guide, "show servers state").
const (
	adminMaint = 0x01 | 0x02 | 0x04 | 0x20 // forced, inherited, by configuration, by resolution
	adminDrain = 0x08 | 0x10               // forced, inherited
)

// serverRuns is the srv_op_state of a server that its checks find healthy, or that has none.
const serverRuns = 2

// serverState is one server in `show servers state` and `show stat`.
type serverState struct {
	backend             string // number of the backend
	name, address, fqdn string // address is host:port
	admin               int    // bits of srv_admin_state
	opState             int    // 0 stopped, 1 starting, 2 running, 3 stopping
	status              string // of show stat: "UP", "UP 1/3", "DOWN", "DRAIN", "MAINT", "no check"
	check               string // last check: "L7OK 200"
	sessions            int
	since               time.Time
}

// parseServers reads the answer to `show servers state BACKEND`.
func parseServers(answer string) ([]serverState, error) {
	lines := strings.Split(strings.TrimSpace(answer), "\n")
	if len(lines) < 2 || strings.TrimSpace(lines[0]) != "1" || !strings.HasPrefix(lines[1], "# ") {
		return nil, fmt.Errorf("unexpected answer to show servers state: %q", firstLine(answer))
	}
	columns := map[string]int{}
	for i, c := range strings.Fields(lines[1][2:]) {
		columns[c] = i
	}
	var servers []serverState
	for _, line := range lines[2:] {
		fields := strings.Fields(line)
		get := func(column string) string {
			if i, ok := columns[column]; ok && i < len(fields) && fields[i] != "-" {
				return fields[i]
			}
			return ""
		}
		if get("srv_name") == "" {
			continue
		}
		admin, _ := strconv.Atoi(get("srv_admin_state"))
		op, _ := strconv.Atoi(get("srv_op_state"))
		s := serverState{backend: get("be_id"), name: get("srv_name"), admin: admin, opState: op, fqdn: get("srv_fqdn"),
			address: net.JoinHostPort(get("srv_addr"), get("srv_port"))}
		if s.fqdn != "" {
			s.fqdn = net.JoinHostPort(s.fqdn, get("srv_port"))
		}
		servers = append(servers, s)
	}
	return servers, nil
}

// addStats fills in what `show stat ID 4 -1` says.
func addStats(servers []serverState, answer string, now time.Time) error {
	answer = strings.TrimPrefix(strings.TrimSpace(answer), "# ")
	r := csv.NewReader(strings.NewReader(answer))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil || len(rows) == 0 {
		return fmt.Errorf("unexpected answer to show stat: %q", firstLine(answer))
	}
	columns := map[string]int{}
	for i, c := range rows[0] {
		columns[c] = i
	}
	// By name, which a backend has once: a balancer that lists a hundred thousand of both
	// must not cost their product.
	named := map[string]*serverState{}
	for i := range servers {
		named[servers[i].name] = &servers[i]
	}
	for _, row := range rows[1:] {
		get := func(column string) string {
			if i, ok := columns[column]; ok && i < len(row) {
				return row[i]
			}
			return ""
		}
		if s := named[get("svname")]; s != nil {
			s.status = get("status")
			s.check = strings.TrimSpace(strings.TrimPrefix(get("check_status"), "* ") + " " + get("check_code"))
			// A keep-alive connection that waits for its next request is not in scur.
			s.sessions, _ = strconv.Atoi(get("scur"))
			if seconds, err := strconv.Atoi(get("lastchg")); err == nil {
				s.since = now.Add(-time.Duration(seconds) * time.Second)
			}
		}
	}
	return nil
}

// state is the server in our words.
func (s serverState) state(balancer string) State {
	st := State{Sessions: s.sessions, Since: s.since, CheckedBy: balancer + ": " + s.status}
	if s.check != "" {
		st.CheckedBy += ", " + s.check
	}
	switch {
	case s.admin&adminMaint != 0:
		st.Status, st.Drained = Maint, true
	case s.admin&adminDrain != 0:
		st.Status, st.Drained = Drain, true
	case s.opState == serverRuns && (strings.HasPrefix(s.status, "UP") || s.status == "no check"):
		st.Status = Up
	case strings.HasPrefix(s.status, "DRAIN"), strings.HasPrefix(s.status, "NOLB"):
		// By its agent or by a weight of 0 in the configuration.
		st.Status = Drain
	default:
		st.Status = Down
	}
	return st
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
