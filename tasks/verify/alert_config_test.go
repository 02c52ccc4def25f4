package verify

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"testing"
)

// wholeAPI is Grafana 11.6's call for whole configurations: it gives contact points a
// uid when they are saved, and refuses to change one (k8sApiServiceGuard in
// pkg/services/ngalert/api/api_alertmanager_guards.go).
type wholeAPI struct {
	mu  sync.Mutex
	now amConfig
}

func (a *wholeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.URL.Path != configPath {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if r.Method == http.MethodGet {
		_ = json.NewEncoder(w).Encode(a.now)
		return
	}
	body, _ := io.ReadAll(r.Body)
	var posted amConfig
	_ = json.Unmarshal(body, &posted)
	there := map[string]bool{}
	for _, i := range integrations(posted) {
		there[called(i)+" "+uidOf(i)] = true
	}
	names := map[string]bool{}
	config, _, _ := posted.inner()
	for _, rc := range config["receivers"].([]any) {
		names[called(rc)] = true
	}
	for _, i := range integrations(a.now) {
		if !there[called(i)+" "+uidOf(i)] && names[called(i)] {
			http.Error(w, `{"message":"cannot update receivers using this API"}`, http.StatusBadRequest)
			return
		}
	}
	for _, i := range integrations(posted) {
		if uidOf(i) == "" {
			i["uid"] = "given"
		}
	}
	a.now = posted
	w.WriteHeader(http.StatusAccepted)
}

func uidOf(i map[string]any) string { uid, _ := i["uid"].(string); return uid }

// The contact point that Grafana comes with has no uid until somebody saves: taking the
// test out again must not change it back.
func TestAContactPointThatGotAUIDKeepsIt(t *testing.T) {
	const was = `{"alertmanager_config":{"route":{"receiver":"default","group_by":["alertname"]},
		"receivers":[{"name":"default","grafana_managed_receiver_configs":[{"uid":"","name":"default","type":"email","settings":{"addresses":"a@b"}}]}]}}`
	api := &wholeAPI{now: decoded[amConfig](t, was)}
	w := &wholeConfig{p: proofOn(t, api)}
	if err := w.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.install(t.Context(), ours+"n", "http://127.0.0.1:9/x"); err != nil {
		t.Fatal(err)
	}
	if n := len(integrations(api.now)); n != 2 {
		t.Fatalf("%d contact points with the test's, want 2", n)
	}
	if err := w.restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := integrations(api.now); len(left) != 1 || uidOf(left[0]) != "given" {
		t.Errorf("left: %v", left)
	}
	// What is changed meanwhile is put back where Grafana lets it be: a policy is.
	if err := w.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.install(t.Context(), ours+"n", "http://127.0.0.1:9/x"); err != nil {
		t.Fatal(err)
	}
	_, route, _ := api.now.inner()
	route["group_by"] = []any{"..."}
	if err := w.restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if same, err := w.p.isNow(t.Context(), w.original); err != nil || !same {
		t.Errorf("the policy is not what it was (%v): %v", err, api.now)
	}
}
