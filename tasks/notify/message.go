package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
)

// Event says at which moment of a run a message is sent.
type Event string

// The events, as `on:` of a notification names them.
const (
	Start   Event = "start"   // the hosts are locked, nothing is changed yet
	Success Event = "success" // the run is over and did all it planned
	Failure Event = "failure" // the run is over and did not, or was interrupted
)

// Message is what is told about a run. Its JSON is the body of a webhook. It never
// holds a secret.
type Message struct {
	Schema  int       `json:"schema"` // 1
	Event   Event     `json:"event"`
	Cluster string    `json:"cluster"`
	Run     string    `json:"run"`     // id, as in history
	Command string    `json:"command"` // "apply"
	User    string    `json:"user"`
	From    string    `json:"from"`    // the machine it is run on
	Version string    `json:"version"` // of Grafana, that the run deploys
	Start   time.Time `json:"start"`
	End     time.Time `json:"end,omitzero"`
	Seconds float64   `json:"seconds,omitempty"`
	Hosts   []Host    `json:"hosts"` // in inventory order
	Error   string    `json:"error,omitempty"`
}

// Host is how a run left a host; before the end only its name is known.
type Host struct {
	Host    string `json:"host"`
	Outcome string `json:"outcome,omitempty"` // "unchanged", "done", "rolled back", "failed", "not reached"
	Runs    string `json:"runs,omitempty"`    // "Grafana 10.3.1, generation 3f2a91c0b7d2"
	Detail  string `json:"detail,omitempty"`
}

// mostDetail bounds what a message quotes of one host or error, in characters: receivers
// refuse large bodies, and a host may have much to say.
const mostDetail = 4000

// cleaned is the message without control characters and marks that turn the direction
// of writing: what it quotes of hosts ends in chats, logs and terminals of others.
func (m Message) cleaned() Message {
	for _, s := range []*string{&m.Cluster, &m.Run, &m.Command, &m.User, &m.From, &m.Version, &m.Error} {
		*s = fit(*s)
	}
	m.Hosts = slices.Clone(m.Hosts)
	for i := range m.Hosts {
		h := &m.Hosts[i]
		h.Host, h.Outcome, h.Runs, h.Detail = fit(h.Host), fit(h.Outcome), fit(h.Runs), fit(h.Detail)
	}
	return m
}

func fit(text string) string {
	if len(text) > mostDetail {
		if r := []rune(text); len(r) > mostDetail {
			text = string(r[:mostDetail]) + "…"
		}
	}
	return remote.Clean(text)
}

// headline is the message in one line, for people.
func (m Message) headline() string {
	what := fmt.Sprintf("%s of Grafana %s on %s", m.Command, m.Version, m.Cluster)
	switch m.Event {
	case Start:
		return fmt.Sprintf("%s begins on %d hosts", what, len(m.Hosts))
	case Success:
		return fmt.Sprintf("%s is done after %s", what, m.took())
	}
	return fmt.Sprintf("%s failed after %s", what, m.took())
}

func (m Message) took() time.Duration { return m.End.Sub(m.Start).Round(time.Second) }

// who is where and by whom the run was started.
func (m Message) who() string { return fmt.Sprintf("%s@%s, run %s", m.User, m.From, m.Run) }

// shownHosts is how many hosts a message for people names; the rest is counted.
const shownHosts = 20

// lines tell how each host was left, those that need attention first.
func (m Message) lines() []string {
	hosts := slices.Clone(m.Hosts)
	slices.SortStableFunc(hosts, func(a, b Host) int { return urgency(b) - urgency(a) })
	var out []string
	for i, h := range hosts {
		if i == shownHosts {
			out = append(out, fmt.Sprintf("and %d more", len(hosts)-i))
			break
		}
		line := h.Host
		for _, part := range []string{h.Outcome, h.Runs, h.Detail} {
			if part != "" {
				line += ": " + part
			}
		}
		out = append(out, strings.Join(strings.Fields(line), " "))
	}
	return out
}

func urgency(h Host) int {
	return slices.Index([]string{"unchanged", "done", "not reached", "rolled back", "failed"}, h.Outcome)
}
