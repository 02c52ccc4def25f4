package internal

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What sends a login of Grafana's is listed here with how it knows who is told: all of
// it goes over tasks/listener, which asks the host whose the listener is.
var sendsLogins = []string{
	"internal/grafana/metricslogin.go", // by whoever uses it, see there
	"tasks/notify/annotation.go",       // over the client of its Node
	"tasks/notifies.go",                // makes that client
	"tasks/vitals.go",
	"tasks/warm.go",
	"tasks/listener/runninglogin.go", // over the Transport that its user gives it
	"tasks/verify/node.go",
	"tasks/desired/render.go", // writes it into the generation, sends nothing
}

// unverified is a TLS connection to whoever answers.
var (
	login      = regexp.MustCompile(`SetBasicAuth|MetricsLogin\{|[Aa]dmin\.Password\.Reveal|"/login"`)
	unverified = regexp.MustCompile(`InsecureSkipVerify:\s*true`)
	checked    = regexp.MustCompile(`listener\.(Transport|Dialer)\b`)
)

func TestLoginsGoToListenersThatWereLookedAt(t *testing.T) {
	var senders []string
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(file, ".."+string(filepath.Separator)))
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return fs.SkipDir
		}
		other := slices.ContainsFunc(notTheTool, func(tree string) bool { return below(name, tree) })
		if filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") || other {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if unverified.Match(text) && !below(name, "tasks/listener") {
			t.Errorf("%s: TLS with whoever answers; use package tasks/listener", name)
		}
		if !login.Match(text) {
			return nil
		}
		senders = append(senders, name)
		switch {
		case !slices.Contains(sendsLogins, name):
			t.Errorf("%s sends a login of Grafana's: over which connection? Use listener.Transport and list it here", name)
		case strings.Contains(string(text), "MetricsLogin{Next") && !checked.Match(text) && !below(name, "tasks/listener"):
			t.Errorf("%s sends a login over a connection that nobody has looked at", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(senders) < 4 {
		t.Errorf("only %v seen: the test looks in the wrong place", senders)
	}
}
