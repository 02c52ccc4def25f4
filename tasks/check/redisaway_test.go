package check

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

// answering is a Redis of before HELLO that has one answer to PING.
func answering(answer string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer func() { _ = theirs.Close() }()
			for in := bufio.NewReader(theirs); ; {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				switch strings.ToLower(strings.TrimSpace(line)) {
				case "hello":
					go func() { _, _ = io.WriteString(theirs, "-ERR unknown command 'HELLO'\r\n") }()
				case "ping":
					go func() { _, _ = io.WriteString(theirs, answer+"\r\n") }()
				}
			}
		}()
		return ours, nil
	}
}

func failing(err error) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) { return nil, err }
}

// A Redis is away when waiting may help: not when it refuses us, and not when it is the
// host that is lost.
func TestRedisIsAwayWhenWaitingMayHelp(t *testing.T) {
	for _, tt := range []struct {
		name string
		dial func(context.Context, string, string) (net.Conn, error)
		away bool
	}{
		{"nobody listens", failing(errors.New("connect to 10.0.0.9:6379: connection refused")), true},
		{"it loads its data", answering("-LOADING Redis is loading the dataset in memory"), true},
		{"it answers", answering("+PONG"), false},
		{"it wants a password", answering("-NOAUTH Authentication required."), false},
		{"the host is lost", failing(&remote.UnreachableError{Host: "h1", Cause: errors.New("connection lost")}), false},
		{"the host does not forward", failing(remote.ErrForwardingRefused), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := fleet.Host{Host: &inventory.Host{Name: "h1"}, Conn: &fleettest.Local{Name: "h1", DialFunc: tt.dial}}
			if err := RedisAway(t.Context(), h, inventory.Redis{Address: "10.0.0.9:6379"}); (err != nil) != tt.away {
				t.Errorf("%v, want away %v", err, tt.away)
			}
		})
	}
}

// Redis has no login that hides the password: that is told, where somebody can listen.
func TestAPasswordThatTravelsInClearIsTold(t *testing.T) {
	secret := inventory.NewSecret("x", "literal")
	for name, tt := range map[string]struct {
		cfg  inventory.Redis
		told bool
	}{
		"in clear":     {inventory.Redis{Address: "redis:6379", Password: secret}, true},
		"to whoever":   {inventory.Redis{Address: "redis:6379", Password: secret, TLS: &inventory.RedisTLS{InsecureSkipVerify: true}}, true},
		"TLS":          {inventory.Redis{Address: "redis:6379", Password: secret, TLS: &inventory.RedisTLS{}}, false},
		"on the host":  {inventory.Redis{Address: "127.0.0.1:6379", Password: secret}, false},
		"no password":  {inventory.Redis{Address: "redis:6379"}, false},
		"several ones": {inventory.Redis{Address: "127.0.0.1:6379,redis:6379", Password: secret, Cluster: true}, true},
	} {
		if got := len(openPassword(tt.cfg)) > 0; got != tt.told {
			t.Errorf("%s: told %v, want %v", name, got, tt.told)
		}
	}
}

// A database that wants Grafana's own password in clear is a warning: Grafana gives it.
// One that wants the administrator's is the end of the run.
func TestADatabaseThatWantsAPasswordInClear(t *testing.T) {
	hosts := fakeHosts(goodFacts())
	in := &database.InsecureError{Type: "postgres", Wanted: "the password in clear"}
	r := &run{Input: Input{Cluster: cluster(hosts...)}}
	f := r.loginFailure(t.Context(), hosts[0], &database.LoginError{Kind: database.Insecure, Cause: in})
	if f.Severity != Warning || !strings.Contains(f.Fix, "verify-full") {
		t.Errorf("got %+v", f)
	}
	r.Cluster.Database.Create = &inventory.Credentials{User: "postgres"}
	if fix := r.createFix(&database.LoginError{Kind: database.Insecure, Cause: &database.InsecureError{Type: "postgres", Admin: true}}); !strings.Contains(fix, "leave database.create out") {
		t.Errorf("fix %q", fix)
	}
}
