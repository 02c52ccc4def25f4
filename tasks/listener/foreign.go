package listener

import (
	"fmt"
	"strings"

	"github.com/ghadeploy/ghadeploy/remote"
)

// maxNamed is how many foreign processes an error names.
const maxNamed = 3

// Process is one that holds a socket at Grafana's address without being Grafana's. What
// it says of itself is cleaned.
type Process struct{ PID, User, Command string }

// ForeignError is another process at Grafana's address. Nothing was sent to it.
type ForeignError struct {
	Host, Address string
	Service       string // Grafana's unit, without suffix
	Down          bool   // Grafana itself does not run
	By            []Process
}

// Error names host, address, the other process and the command that shows it.
func (e *ForeignError) Error() string {
	who, look := "a process that cannot be told", "sudo ss -tnlp"
	if len(e.By) > 0 {
		var names, pids []string
		for _, p := range e.By {
			names = append(names, fmt.Sprintf("process %s (user %s, command %s)", p.PID, p.User, p.Command))
			pids = append(pids, p.PID)
		}
		who, look = strings.Join(names, ", "), "sudo ps -fp "+strings.Join(pids, ",")
	}
	down := ""
	if e.Down {
		down = "Grafana does not run on " + e.Host + ", and "
	}
	return fmt.Sprintf("%s: %s%s answers at %s, which is not of %s.service; no login was sent; next: ssh %s %s",
		e.Host, down, who, e.Address, e.Service, e.Host, look)
}

// readProcesses reads what processesScript prints: pid, user, command.
func readProcesses(text string) (all []Process) {
	for line := range strings.Lines(text) {
		f := strings.Fields(remote.Clean(line))
		if len(f) < 2 || !digits(f[0]) || len(all) == maxNamed {
			continue
		}
		p := Process{PID: f[0], User: cut(f[1]), Command: cut(strings.Join(f[2:], " "))}
		if p.Command == "" {
			p.Command = "unknown"
		}
		all = append(all, p)
	}
	return all
}

func cut(s string) string {
	if r := []rune(s); len(r) > 32 {
		return string(r[:32]) + "..."
	}
	return s
}

func digits(s string) bool { return s != "" && len(s) <= 20 && strings.Trim(s, "0123456789") == "" }
