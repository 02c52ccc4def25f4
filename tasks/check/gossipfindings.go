package check

import (
	"fmt"
	"slices"
	"strings"
)

const gossipWhy = "Alertmanagers that do not hear each other each notify: duplicates (#55938)"

// findings says for each host which of its ways to the others work, one finding a
// blocked direction and protocol.
func (m *matrix) findings() []Finding {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Finding
	for _, from := range m.r.Hosts {
		var good []string
		for _, to := range m.r.Hosts {
			if from.Name == to.Name {
				continue
			}
			found := m.pair(from.Name, to.Name, m.r.peerAddress(to))
			if found == nil {
				good = append(good, to.Name)
			}
			for _, f := range found {
				f.Host = from.Name
				all = append(all, f)
			}
		}
		if len(good) > 0 {
			f := ok("TCP and UDP %d reach %s", m.port, strings.Join(good, ", "))[0]
			f.Host = from.Name
			all = append(all, f)
		}
	}
	for _, h := range m.r.Cluster.Hosts {
		if !slices.Contains(m.r.hostNames(), h.Name) {
			f := skipped("no way to or from it could be tried: there is no connection to it", gossipWhy,
				"ghadeploy check again once it can be reached")
			f.Host = h.Name
			all = append(all, f)
		}
	}
	return all
}

// pair is what is wrong between two hosts, one direction; nil when nothing is.
func (m *matrix) pair(from, to, address string) []Finding {
	if why := m.cannot[to]; why != "" {
		return []Finding{skipped(fmt.Sprintf("%s -> %s could not be tried: %s", from, to, why), gossipWhy,
			"ghadeploy check again once that is settled")}
	}
	var all []Finding
	tcp, udp := m.said[[3]string{"tcp", from, to}], m.said[[3]string{"udp", from, to}]
	if udp == "sent" || udp == "refused" {
		if m.arrived[[2]string{from, to}] {
			udp = "ok"
		}
	}
	for _, p := range []struct{ proto, said string }{{"tcp", tcp}, {"udp", udp}} {
		switch {
		case p.said == "ok":
		case p.said == "":
			all = append(all, skipped(fmt.Sprintf("%s -> %s over %s could not be tried: no word from the probe", from, to, strings.ToUpper(p.proto)),
				gossipWhy, "ghadeploy check again"))
		case strings.HasPrefix(p.said, "untried: "):
			all = append(all, skipped(fmt.Sprintf("%s -> %s over %s could not be tried: %s", from, to, strings.ToUpper(p.proto),
				strings.TrimPrefix(p.said, "untried: ")), gossipWhy,
				"try it by hand from "+from))
		default:
			all = append(all, m.blocked(from, to, address, p.proto, p.said))
		}
	}
	return all
}

func (m *matrix) blocked(from, to, address, proto, said string) Finding {
	how := said
	switch {
	case said == "sent" || said == "no answer" || said == "ok":
		how = "dropped without a word"
	case strings.Contains(strings.ToLower(said), "refused"):
		how = "rejected"
	case strings.Contains(strings.ToLower(said), "route"), strings.Contains(strings.ToLower(said), "prohibited"):
		how = "rejected (" + said + ")"
	}
	return fail(fmt.Sprintf("%s -> %s (%s): %s %d is %s", from, to, address, strings.ToUpper(proto), m.port, how), gossipWhy,
		fmt.Sprintf("open %d/%s from %s on %s and on what lies between: nft list ruleset, firewall-cmd --add-port=%d/%s", m.port, proto, from, to,
			m.port, proto))
}
