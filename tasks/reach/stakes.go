package reach

import (
	"fmt"
	"strings"
)

// The counts of [Stakes.Now] besides those of the content.
const (
	Sessions      = "sessions"
	SourceSecrets = "data sources with secrets"
	OtherSecrets  = "other encrypted settings"
	// UsersOf, PanelsOf and SourcesOf go before the id of what they count.
	UsersOf   = "users of "
	PanelsOf  = "dashboards with "
	SourcesOf = "data sources of "
)

// Stakes are what the databases say of what a change puts at stake.
type Stakes struct {
	// Now is counted in the database that the hosts are on; a kind that could not be
	// counted is absent. Unread is why nothing could.
	Now    map[string]int64
	Unread string
	// Target is the database that hosts shall move to, where it is another one.
	Target Target
}

// Target is a database that hosts shall move to.
type Target struct {
	// Asked tells whether it was looked at.
	Asked bool
	// Same: it is the database that the hosts are on, by another name.
	Same bool
	// Unread is why it could not be read; New: no Grafana has started on it yet.
	Unread string
	New    bool
	// Now is counted as in the old one.
	Now map[string]int64
}

// contentKinds are what makes a content, in the order in which it is told.
var contentKinds = []string{"users", "dashboards", "folders", "alert rules", "data sources"}

// content is "12 users, 40 dashboards": all that was counted.
func content(counts map[string]int64) string {
	var out []string
	for _, k := range contentKinds {
		if n, there := counts[k]; there {
			out = append(out, number(n, k))
		}
	}
	if len(out) == 0 {
		return "things that could not be counted"
	}
	return strings.Join(out, ", ")
}

// Content is what a database holds, in words: "12 users, 40 dashboards".
func Content(counts map[string]int64) string { return content(counts) }

// Differences lists what is counted differently in two databases, or at two times.
func Differences(a, b map[string]int64, aWord, bWord string) (out []string) {
	for _, k := range contentKinds {
		n, there := a[k]
		m, here := b[k]
		if there && here && n != m {
			out = append(out, fmt.Sprintf("%s: %s%d, %s%d", k, aWord, n, bWord, m))
		}
	}
	return out
}

// number is "1 user", "12 users": the first plural of a kind is what is counted.
func number(n int64, kind string) string {
	if n != 1 {
		return fmt.Sprintf("%d %s", n, kind)
	}
	words := strings.Fields(kind)
	for i, w := range words {
		if one, plural := strings.CutSuffix(w, "s"); plural {
			words[i] = one
			break
		}
	}
	return "1 " + strings.Join(words, " ")
}

// counted is the number of something, or that it could not be counted.
func (s Stakes) counted(kind string) string {
	if n, there := s.Now[kind]; there {
		return number(n, kind)
	}
	return kind + " (not counted" + s.why() + ")"
}

func (s Stakes) why() string {
	if s.Unread == "" {
		return ""
	}
	return ": " + s.Unread
}
