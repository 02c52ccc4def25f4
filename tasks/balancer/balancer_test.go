package balancer

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-multierror"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
)

func hosts(names ...string) []*inventory.Host {
	var all []*inventory.Host
	for i, n := range names {
		all = append(all, &inventory.Host{Name: n, Address: "10.0.0.1" + string(rune('1'+i))})
	}
	return all
}

func TestMergeTakesTheWorstOpinionAndKeepsDrained(t *testing.T) {
	got := State{}.
		merge("lb1", State{Status: Drain, Drained: true, Sessions: 2, CheckedBy: "lb1: DRAIN"}).
		merge("lb2", State{Status: Down, Sessions: 3, CheckedBy: "lb2: DOWN"}).
		merge("lb3", State{Status: Up, Sessions: 1, CheckedBy: "lb3: UP"})
	want := State{Status: Down, Drained: true, Sessions: 6, CheckedBy: "lb2: DOWN",
		Balancers: map[string]Status{"lb1": Drain, "lb2": Down, "lb3": Up}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	blob, err := json.Marshal(got)
	if err != nil || !strings.Contains(string(blob), `"status":"down","drained":true,"sessions":6,"checked_by"`) {
		t.Errorf("JSON %s, %v", blob, err)
	}
}

func TestABalancerWithoutConnectionIsKeptAsItsOwnError(t *testing.T) {
	c := &inventory.Cluster{Hosts: hosts("h1"), LoadBalancer: inventory.LoadBalancer{Type: "haproxy",
		Hosts: []*inventory.Host{{Name: "lb1"}, {Name: "lb2"}}}}
	b, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = b.Drain(t.Context(), c.Hosts[0])
	many, ok := errors.AsType[*multierror.Error](err)
	if !ok || len(many.Errors) != 2 {
		t.Fatalf("want one error per balancer, got %v", err)
	}
	for i, name := range []string{"lb1", "lb2"} {
		lost, ok := errors.AsType[*remote.UnreachableError](many.Errors[i])
		if !ok || lost.Host != name || !strings.Contains(many.Errors[i].Error(), "drain h1") {
			t.Errorf("error %d: %v", i, many.Errors[i])
		}
	}
	states, err := b.State(t.Context())
	if err == nil || states["h1"].Status != Unknown {
		t.Errorf("state %+v, %v", states, err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, lb := range []inventory.LoadBalancer{{Type: "f5"}, {Type: "haproxy"}, {Type: "nginx"}} {
		if b, err := New(&inventory.Cluster{LoadBalancer: lb}, nil); err == nil {
			t.Errorf("%+v: no error, %s", lb, b.Describe())
		}
	}
}

func TestNoneWaitsForTheCheckInterval(t *testing.T) {
	c := &inventory.Cluster{Hosts: hosts("h1"), LoadBalancer: inventory.LoadBalancer{Type: "none", CheckInterval: 50 * time.Millisecond}}
	b, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := b.WaitIdle(t.Context(), c.Hosts[0], time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if waited := time.Since(start); waited < 50*time.Millisecond {
		t.Errorf("waited %s only", waited)
	}
	if err := b.WaitUp(t.Context(), c.Hosts[0], time.Second); err != nil {
		t.Error(err)
	}
}

func TestCommandGetsTheHostAndItsStatusIsRead(t *testing.T) {
	dir := t.TempDir()
	c := &inventory.Cluster{Name: "prod", Dir: dir, Hosts: hosts("h1", "h2"), LoadBalancer: inventory.LoadBalancer{Type: "command",
		Drain:   `echo "$GHADEPLOY_ACTION $GHADEPLOY_CLUSTER $GHADEPLOY_HOST $GHADEPLOY_ADDRESS $GHADEPLOY_PORT" >>log; echo drain >$GHADEPLOY_HOST`,
		Undrain: `echo up >$GHADEPLOY_HOST`,
		Status:  `cat $GHADEPLOY_HOST`}}
	c.Hosts[0].Config = inventory.Config{{Name: "server", Keys: []inventory.Key{{Name: "http_port", Value: inventory.PlainValue("3001")}}}}
	b, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range c.Hosts {
		if err := b.Undrain(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Drain(t.Context(), c.Hosts[0]); err != nil {
		t.Fatal(err)
	}
	log, _ := os.ReadFile(filepath.Join(dir, "log"))
	if got, want := string(log), "drain prod h1 10.0.0.11 3001\n"; got != want {
		t.Errorf("environment %q, want %q", got, want)
	}
	states, err := b.State(t.Context())
	if err != nil || states["h1"].Status != Drain || !states["h1"].Drained || states["h2"].Status != Up {
		t.Errorf("states %+v, %v", states, err)
	}
	if err := b.WaitUp(t.Context(), c.Hosts[1], 5*time.Second); err != nil {
		t.Error(err)
	}
	if err := b.WaitUp(t.Context(), c.Hosts[0], 300*time.Millisecond); err == nil || !strings.Contains(err.Error(), "it is drain there") {
		t.Errorf("a drained host is not up: %v", err)
	}
}

func TestAFailingCommandIsQuoted(t *testing.T) {
	c := &inventory.Cluster{Dir: t.TempDir(), Hosts: hosts("h1"), LoadBalancer: inventory.LoadBalancer{Type: "command", Drain: "echo no such pool >&2; exit 7"}}
	b, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = b.Drain(t.Context(), c.Hosts[0])
	if err == nil || !strings.Contains(err.Error(), "exit status 7: no such pool") {
		t.Errorf("%v", err)
	}
	if err = b.Undrain(t.Context(), c.Hosts[0]); err == nil || !strings.Contains(err.Error(), "load_balancer.undrain is not set") {
		t.Errorf("%v", err)
	}
}

func TestWebHook(t *testing.T) {
	var got map[string]any
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		switch got["action"] {
		case "status":
			_, _ = w.Write([]byte(`{"status":"maint","sessions":4}`))
		case "undrain":
			http.Error(w, "pool is locked", http.StatusConflict)
		}
	}))
	defer srv.Close()
	c := &inventory.Cluster{Name: "prod", Hosts: hosts("h1"), LoadBalancer: inventory.LoadBalancer{Type: "command", Drain: srv.URL, Undrain: srv.URL, Status: srv.URL}}
	b, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Drain(t.Context(), c.Hosts[0]); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"action": "drain", "cluster": "prod", "host": "h1", "address": "10.0.0.11", "port": 3000.0}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	states, err := b.State(t.Context())
	if err != nil || states["h1"].Status != Maint || states["h1"].Sessions != 4 {
		t.Errorf("%+v, %v", states, err)
	}
	if err := b.Undrain(t.Context(), c.Hosts[0]); err == nil || !strings.Contains(err.Error(), "409 Conflict: pool is locked") {
		t.Errorf("%v", err)
	}
}
