package verify

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// provisioningAPI is Grafana's, without the call for whole configurations.
type provisioningAPI struct {
	mu     sync.Mutex
	policy string
	points []map[string]any
	posts  int // refused posts of a whole configuration
	wrote  []string
}

func (a *provisioningAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	if r.Method != http.MethodGet && r.URL.Path != configPath {
		a.wrote = append(a.wrote, fmt.Sprintf("%s %s %s", r.Method, r.URL.Path, r.Header.Get("X-Disable-Provenance")))
	}
	uid, one := strings.CutPrefix(r.URL.Path, pointsPath+"/")
	switch {
	case r.Method == http.MethodPost && r.URL.Path == configPath:
		a.posts++
		w.WriteHeader(http.StatusMethodNotAllowed)
	case r.Method == http.MethodGet && r.URL.Path == policyPath:
		_, _ = io.WriteString(w, a.policy)
	case r.Method == http.MethodPut && r.URL.Path == policyPath:
		a.policy = string(body)
	case r.Method == http.MethodGet && r.URL.Path == pointsPath:
		_ = json.NewEncoder(w).Encode(a.points)
	case r.Method == http.MethodPost && r.URL.Path == pointsPath:
		var point map[string]any
		_ = json.Unmarshal(body, &point)
		a.points = append(a.points, point)
		for _, p := range a.points {
			if p["uid"] == "" {
				p["uid"] = "given by the save"
			}
		}
	case one && strings.Contains(a.policy, uid):
		w.WriteHeader(http.StatusInternalServerError) // it is used by a policy
	case one:
		a.points = slices.DeleteFunc(a.points, func(p map[string]any) bool { return p["uid"] == uid })
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func proofOn(t *testing.T, h http.Handler) *proof {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	p := &proof{nonce: "N", in: Input{Cluster: &inventory.Cluster{Name: "prod"}}}
	for _, name := range []string{"h1", "h2"} {
		p.nodes = append(p.nodes, &node{host: fleet.Host{Host: &inventory.Host{Name: name}}, base: srv.URL, client: srv.Client(), cookies: cookies{}})
	}
	return p
}

func TestACallThatGrafanaDoesNotHaveIsNotRepeated(t *testing.T) {
	api := &provisioningAPI{}
	p := proofOn(t, api)
	err := postConfig(t.Context(), p.nodes[0], amConfig{})
	if !refused(err) || api.posts != 1 {
		t.Errorf("posted %d times: %v", api.posts, err)
	}
}

func TestAnAlertmanagerThatIsStillStartingIsWaitedFor(t *testing.T) {
	posts := 0
	p := proofOn(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if posts++; posts == 1 {
			w.WriteHeader(http.StatusConflict)
		}
	}))
	if err := postConfig(t.Context(), p.nodes[0], amConfig{}); err != nil || posts != 2 {
		t.Errorf("posted %d times: %v", posts, err)
	}
}

// The provisioning API adds contact point and route and takes both out again, with
// what a killed run left; whoever manages the policies still does.
func TestTheProvisioningAPIGivesBackWhatWasThere(t *testing.T) {
	const mine = `{"receiver":"team","routes":[{"receiver":"oncall","object_matchers":[["severity","=","high"]]}]%s}`
	const left = `{"receiver":"team","routes":[{"receiver":"ghadeploy-verify-old"},{"receiver":"oncall","object_matchers":[["severity","=","high"]]}]%s}`
	for _, tc := range []struct{ name, provenance, header string }{
		{"managed by people", "", "true"},
		{"managed by the API", `,"provenance":"api"`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			api := &provisioningAPI{policy: fmt.Sprintf(left, tc.provenance), points: []map[string]any{
				{"uid": "", "name": "team", "type": "email"},
				{"uid": "u1", "name": "oncall", "type": "webhook"},
				{"uid": "ghadeploy-verify-old", "name": "ghadeploy-verify-old", "type": "webhook"},
			}}
			w := &provisioned{p: proofOn(t, api)}
			if err := w.read(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := w.install(t.Context(), ours+"n", "http://127.0.0.1:9/x"); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(api.policy, `"routes":[{"group_by":["alertname"],"group_interval":"10m0s","group_wait":"1s","object_matchers":[["`+alertLabel+`","=","N"]]`) {
				t.Errorf("the test's route is not the first: %s", api.policy)
			}
			if last := api.points[len(api.points)-1]; len(api.points) != 3 || last["uid"] != ours+"n" {
				t.Errorf("contact points %v", api.points)
			}
			if err := w.restore(t.Context()); err != nil {
				t.Error(err)
			}
			var got, want any
			if err := json.Unmarshal([]byte(api.policy), &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(fmt.Appendf(nil, mine, tc.provenance), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the policies are not what they were:\n%s", diff)
			}
			if len(api.points) != 2 {
				t.Errorf("contact points %v", api.points)
			}
			puts := "PUT " + policyPath + " " + tc.header
			wrote := []string{puts, "DELETE " + pointsPath + "/ghadeploy-verify-old true", "POST " + pointsPath + " true", puts, puts, "DELETE " + pointsPath + "/" + ours + "n true"}
			if diff := cmp.Diff(wrote, api.wrote); diff != "" {
				t.Errorf("requests:\n%s", diff)
			}
		})
	}
}

func TestThatSomethingElseIsLeftIsSaid(t *testing.T) {
	api := &provisioningAPI{policy: `{"receiver":"team"}`, points: []map[string]any{{"uid": "u1", "name": "team", "type": "email"}}}
	w := &provisioned{p: proofOn(t, api)}
	if err := w.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	api.points[0]["type"] = "webhook"
	if err := w.restore(t.Context()); err == nil || !strings.Contains(err.Error(), "contact points") {
		t.Errorf("got %v", err)
	}
}

func TestPoliciesFromFilesAreLeftAlone(t *testing.T) {
	api := &provisioningAPI{policy: `{"receiver":"team","provenance":"file"}`}
	w := &provisioned{p: proofOn(t, api)}
	if err := w.read(t.Context()); err == nil || err.Error() != fromFiles || len(api.wrote) > 0 {
		t.Errorf("got %v, wrote %v", err, api.wrote)
	}
}

func TestThePollIntervalIsTheSlowestNodes(t *testing.T) {
	w := &provisioned{p: three()}
	if got := w.wait(); got != time.Minute {
		t.Errorf("without the key: %s", got)
	}
	for i, text := range []string{"10s", "20s", "15s"} {
		w.p.nodes[i].host.Config = inventory.Config{{Name: "unified_alerting", Keys: []inventory.Key{{Name: "alertmanager_config_poll_interval", Value: inventory.PlainValue(text)}}}}
	}
	if got := w.wait(); got != 20*time.Second {
		t.Errorf("the slowest is 20s, got %s", got)
	}
}
