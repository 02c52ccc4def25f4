package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

func show(t *testing.T, r Report) {
	t.Helper()
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Error(err)
	}
	t.Log("\n" + b.String())
}

func TestAHealthyClusterIsProved(t *testing.T) {
	l := newLab(t, nil)
	in := l.input(t)
	before := l.policies(t)
	in.Options = Options{WithAlerts: true, Chaos: true}
	in.Stop = func(_ context.Context, h *inventory.Host) error {
		n := l.node(h.Name)
		if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		_ = n.cmd.Wait()
		return nil
	}
	in.Start = func(_ context.Context, h *inventory.Host) error {
		l.startNode(t, l.node(h.Name))
		return nil
	}
	r, err := Run(t.Context(), in)
	show(t, r)
	if err != nil || !r.OK {
		t.Errorf("not proved: %v", err)
	}
	for _, s := range r.Steps {
		if s.Skipped {
			t.Errorf("%s was not tried: %s", s.title(), s.Cause)
		}
	}
	// 3 health, 6+3 sessions, 6 live, 3 silences, 4 of the alert, 3 of chaos, 6 of the cluster.
	if len(r.Steps) != 34 {
		t.Errorf("%d steps", len(r.Steps))
	}
	// Only the uid that the built-in contact point gets from any save is new.
	if after := regexp.MustCompile(`"uid":"[^"]*"`).ReplaceAllString(l.policies(t), `"uid":""`); after != before {
		t.Errorf("the policies were\n%s\nand are\n%s", before, after)
	}
	for _, path := range []string{"/api/folders", "/api/ruler/grafana/api/v1/rules"} {
		if got := l.get(t, l.nodes[1], path); strings.Contains(got, ours) {
			t.Errorf("left behind at %s: %s", path, got)
		}
	}
}

// Policies that Terraform manages, and Ctrl-C while the alert fires.
func TestACancelledRunLeavesNothingBehind(t *testing.T) {
	l := newLab(t, nil)
	var route json.RawMessage
	if err := json.Unmarshal([]byte(l.get(t, l.nodes[0], policyPath)), &route); err != nil {
		t.Fatal(err)
	}
	l.send(t, http.MethodPut, policyPath, route)
	before := l.policies(t)
	if !strings.Contains(before, `"provenance":"api"`) {
		t.Fatalf("the policies are not the API's: %s", before)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	in := l.input(t)
	in.Options = Options{WithAlerts: true}
	log := in.Sink
	in.Sink = func(e event.Event) {
		log(e)
		if strings.HasPrefix(e.Message, "it fires on all 3 nodes") {
			cancel()
		}
	}
	r, err := Run(ctx, in)
	show(t, r)
	if !errors.Is(err, context.Canceled) || r.OK {
		t.Errorf("a cancelled run: %v, ok %v", err, r.OK)
	}
	last := r.Steps[len(r.Steps)-1]
	if last.Name != "alert-cleanup" || !last.OK {
		t.Errorf("the clean-up: %+v", last)
	}
	if after := regexp.MustCompile(`"uid":"[^"]*"`).ReplaceAllString(l.policies(t), `"uid":""`); after != before {
		t.Errorf("the policies were\n%s\nand are\n%s", before, after)
	}
	for _, path := range []string{"/api/folders", "/api/ruler/grafana/api/v1/rules", "/api/alertmanager/grafana/api/v2/alerts"} {
		if got := l.get(t, l.nodes[1], path); strings.Contains(got, ours) {
			t.Errorf("left behind at %s: %s", path, got)
		}
	}
}

// A Grafana of today whose call for whole configurations is taken away, as 12.1 did:
// it notifies once all the same, and has afterwards what it had before.
func TestAClusterWithoutTheCallForWholeConfigurationsIsProved(t *testing.T) {
	l := newLab(t, nil)
	in := l.input(t)
	in.Options = Options{WithAlerts: true}
	for i, n := range l.nodes {
		proxy := withoutConfigPost(t, n)
		in.Hosts[i].Conn.(*labConn).DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == fmt.Sprintf("127.0.0.1:%d", n.port) {
				address = proxy
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
	}
	paths := []string{policyPath, pointsPath, "/api/folders", "/api/ruler/grafana/api/v1/rules"}
	var before []string
	for _, path := range paths {
		before = append(before, l.get(t, l.nodes[1], path))
	}
	r, err := Run(t.Context(), in)
	show(t, r)
	if err != nil || !r.OK {
		t.Errorf("not proved: %v", err)
	}
	if !slices.ContainsFunc(r.Steps, func(s Step) bool {
		return s.Name == "alert-setup" && strings.Contains(s.Explanation, "by the provisioning API")
	}) {
		t.Error("it was not the provisioning API that did it")
	}
	uid := regexp.MustCompile(`"uid":"[^"]*"`)
	for i, path := range paths {
		if now := l.get(t, l.nodes[1], path); uid.ReplaceAllString(now, "") != uid.ReplaceAllString(before[i], "") {
			t.Errorf("%s was\n%s\nand is\n%s", path, before[i], now)
		}
	}
}

// withoutConfigPost is the address of a proxy before a node that refuses what newer
// releases do not have.
func withoutConfigPost(t *testing.T, n *labNode) string {
	t.Helper()
	node := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", n.port)})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == configPath || strings.HasPrefix(r.URL.Path, rulerPath) && r.Method != http.MethodGet {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		node.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

func (l *lab) send(t *testing.T, method, path string, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, fmt.Sprintf("http://127.0.0.1:%d%s", l.nodes[0].port, path), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", "lab password")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s", method, path, resp.Status)
	}
}

func (l *lab) node(name string) *labNode {
	for _, n := range l.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

func (l *lab) get(t *testing.T, n *labNode, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", n.port, path), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", "lab password")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", path, resp.Status, err)
	}
	return string(body)
}

func (l *lab) policies(t *testing.T) string { return l.get(t, l.nodes[0], configPath) }

// TestEachFaultIsNamed breaks one thing of h2 at a time.
func TestEachFaultIsNamed(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*lab)
		// want: step name -> words of its cause. Every other step may fail too.
		want    map[string][]string
		never   string // words that no cause may have
		options Options
	}{
		{"secret_key", func(l *lab) { l.nodes[1].secretKey = "another" },
			map[string][]string{"session h1 -> h2": {"different secret_keys", "h2"}, "session h2 -> h3": {"different secret_keys", "h2"}}, "different databases", Options{}},
		{"database", func(l *lab) { l.nodes[1].database = "other" },
			map[string][]string{"session h1 -> h2": {"different databases", "h2"}}, "different secret_keys", Options{}},
		{"Live without Redis", func(l *lab) { l.nodes[1].noLive = true },
			map[string][]string{"live h1 -> h2": {"Live on h2 is not on the Redis"}, "live h2 -> h3": {"Live on h2"}, "live-nodes": {"Live on h2 is alone"}}, "database", Options{}},
		{"not in the gossip", func(l *lab) { l.nodes[1].noGossip = true },
			map[string][]string{"members": {"alerting on h2 is alone", "not in the gossip cluster"}, "silence h1 -> h2": {"h2 does not know of it"},
				"alert": {"2 notifications for one alert", "does not know of each other"}}, "database", Options{WithAlerts: true}},
		{"a plugin is missing", func(l *lab) {
			l.cluster.Grafana.Plugins = []inventory.Plugin{{ID: "lab-panel", Version: "1.0.0"}}
			for _, i := range []int{0, 2} {
				l.addPlugin(i)
			}
		}, map[string][]string{"plugins": {"h2 does not have plugin lab-panel 1.0.0"}}, "h1 does not", Options{}},
		{"drained", func(l *lab) { l.balancer.drained["h2"] = true },
			map[string][]string{"balancer": {"h2 is drained"}}, "database", Options{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLab(t, tc.change)
			in := l.input(t)
			in.Options = tc.options
			r, err := Run(t.Context(), in)
			show(t, r)
			if err != nil || r.OK {
				t.Fatalf("the fault was not seen (%v)", err)
			}
			causes := map[string]Step{}
			for _, s := range r.Failed() {
				causes[s.title()] = s
				if strings.Contains(s.Cause, tc.never) {
					t.Errorf("%s blames the wrong thing: %s", s.title(), s.Cause)
				}
				if s.Fix == "" {
					t.Errorf("%s does not say what to do", s.title())
				}
			}
			for step, words := range tc.want {
				for _, w := range words {
					if !strings.Contains(causes[step].Cause, w) {
						t.Errorf("%s: cause %q does not say %q", step, causes[step].Cause, w)
					}
				}
			}
		})
	}
}

// addPlugin gives a node a panel. It is not signed, which development allows.
func (l *lab) addPlugin(i int) {
	dir := filepath.Join(l.dir, l.nodes[i].name, "plugins", "lab-panel")
	_ = os.MkdirAll(dir, 0o755)
	_ = os.WriteFile(filepath.Join(dir, "plugin.json"), []byte(`{"type":"panel","name":"Lab","id":"lab-panel","info":{"version":"1.0.0","author":{"name":"lab"},"logos":{"small":"","large":""}},"dependencies":{"grafanaDependency":">=9.0.0","plugins":[]}}`), 0o644)
	_ = os.WriteFile(filepath.Join(dir, "module.js"), []byte("define([],function(){return {}})"), 0o644)
}
