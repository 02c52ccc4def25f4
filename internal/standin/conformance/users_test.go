package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

func (s *suite) sessions(t *testing.T) {
	if _, status := s.nodes[0].login(t, "wrong"); status != http.StatusUnauthorized {
		t.Errorf("login with a wrong password is %d", status)
	}
	for _, a := range s.nodes {
		jar, status := a.login(t, "adminpw")
		if status != http.StatusOK {
			t.Fatalf("%s: login is %d", a.name, status)
		}
		for _, b := range s.nodes {
			if got := b.get(t, "/api/user", jar); got != http.StatusOK {
				t.Errorf("session of %s is %d on %s", a.name, got, b.name)
			}
			if got := b.get(t, "/api/user", nil); got != http.StatusUnauthorized {
				t.Errorf("no session is %d on %s", got, b.name)
			}
		}
	}
	jar, _ := s.nodes[0].login(t, "adminpw")
	u := s.nodes[0].url("/logout")
	req, err := http.NewRequest(http.MethodGet, u, nil)
	if err != nil {
		t.Fatal(err)
	}
	kept := jar.Cookies(req.URL)
	s.nodes[0].get(t, "/logout", jar)
	req2, err := http.NewRequest(http.MethodGet, s.nodes[1].url("/api/user"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range kept {
		req2.AddCookie(c)
	}
	res, err := client(nil).Do(req2)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a session that was logged out is %d on another node", res.StatusCode)
	}
}

func (s *suite) otherSecret(t *testing.T) {
	n := newNode(t, s.rel, "other", s.pg, s.database, map[string]string{"security.secret_key": "another one"})
	n.start(t)
	jar, status := s.nodes[0].login(t, "adminpw")
	if status != http.StatusOK {
		t.Fatalf("login is %d", status)
	}
	if got := n.get(t, "/api/user", jar); got != http.StatusUnauthorized {
		t.Errorf("session under another secret_key is %d, want 401", got)
	}
	n.waitHealth(t, http.StatusOK)
	if _, names, err := n.metrics(); err != nil || names[n.alerting("cluster_members")] {
		t.Errorf("a node without peers exports cluster metrics (%v)", err)
	}
}

// expression is the data of a rule that fires always.
const expression = `[{"refId":"A","datasourceUid":"__expr__","relativeTimeRange":{"from":600,"to":0},"model":{"refId":"A","type":"math","expression":"1 == 1"}}]`

func (s *suite) counts(t *testing.T) {
	a := s.nodes[0]
	want := func(status int, got int, what string) {
		if got != status {
			t.Errorf("%s is %d, want %d", what, got, status)
		}
	}
	want(200, a.call(t, "POST", "/api/folders", map[string]string{"uid": "f1", "title": "Folder"}, nil), "making a folder")
	want(200, a.call(t, "POST", "/api/dashboards/db", map[string]any{"folderUid": "f1", "dashboard": map[string]any{"uid": "d1", "title": "Board"}}, nil), "saving a dashboard")
	want(412, a.call(t, "POST", "/api/dashboards/db", map[string]any{"folderUid": "f1", "dashboard": map[string]any{"uid": "d1", "title": "Board", "version": 9}}, nil), "saving over a newer one")
	want(200, a.call(t, "POST", "/api/datasources", map[string]any{"name": "ds", "uid": "ds1", "type": "grafana-testdata-datasource", "access": "proxy", "secureJsonData": map[string]string{"x": "y"}}, nil), "adding a data source")
	want(200, a.call(t, "POST", "/api/admin/users", map[string]string{"login": "bob", "email": "bob@localhost", "password": "bobspassword"}, nil), "adding a user")
	want(200, a.call(t, "POST", "/api/annotations", map[string]any{"text": "rollout", "tags": []string{"ghadeploy"}}, nil), "annotating")
	for _, n := range s.nodes {
		counted := map[string]int{"/api/search?type=dash-db": 1, "/api/folders": 1, "/api/datasources": 1, "/api/users": 2, "/api/org/users": 2}
		if s.rel.atLeast(9, 4) {
			counted["/api/v1/provisioning/alert-rules"] = 0
		}
		for path, count := range counted {
			var list []json.RawMessage
			if got := n.call(t, "GET", path, nil, &list); got != http.StatusOK || len(list) != count {
				t.Errorf("%s: %s is %d with %d elements, want %d", n.name, path, got, len(list), count)
			}
		}
		var stats struct{ Users, Datasources int }
		if got := n.call(t, "GET", "/api/admin/stats", nil, &stats); got != http.StatusOK || stats.Users != 2 || stats.Datasources != 1 {
			t.Errorf("%s: /api/admin/stats is %d: %+v", n.name, got, stats)
		}
	}
}

func (s *suite) silence(t *testing.T) {
	var made struct{ SilenceID string }
	got := s.nodes[0].call(t, "POST", "/api/alertmanager/grafana/api/v2/silences", map[string]any{
		"comment": "c", "createdBy": "me", "startsAt": time.Now().Format(time.RFC3339), "endsAt": time.Now().Add(time.Hour).Format(time.RFC3339),
		"matchers": []map[string]any{{"name": "x", "value": "y", "isRegex": false, "isEqual": true}},
	}, &made)
	if got != http.StatusAccepted || made.SilenceID == "" {
		t.Fatalf("making a silence is %d: %+v", got, made)
	}
	path := "/api/alertmanager/grafana/api/v2/silence/" + made.SilenceID
	for _, n := range s.nodes {
		until(t, "silence on "+n.name, patience, func() error {
			if status, err := n.try("GET", path, nil, nil); err != nil || status != http.StatusOK {
				return fmt.Errorf("answers %d (%v)", status, err)
			}
			return nil
		})
	}
	if got := s.nodes[1].call(t, "DELETE", path, nil, nil); got != http.StatusOK {
		t.Errorf("ending a silence is %d", got)
	}
}

// alert makes a rule that fires and counts what a webhook gets, for longer than
// the last node in line waits.
func (s *suite) alert(t *testing.T) {
	var mu sync.Mutex
	var got []string
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m struct{ Status string }
		err := json.NewDecoder(r.Body).Decode(&m)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprint(m.Status, err))
	}))
	defer hook.Close()
	seen := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(got)
	}
	a := s.nodes[2]
	if st := a.call(t, "POST", "/api/v1/provisioning/contact-points", map[string]any{"uid": "hook1", "name": "hook", "type": "webhook", "settings": map[string]string{"url": hook.URL}}, nil); st != http.StatusAccepted {
		t.Fatalf("adding a contact point is %d", st)
	}
	policy := map[string]any{"receiver": "hook", "group_by": []string{"alertname"}, "group_wait": "15s", "group_interval": "60s", "repeat_interval": "1h"}
	if st := a.call(t, "PUT", "/api/v1/provisioning/policies", policy, nil); st != http.StatusAccepted {
		t.Fatalf("setting policies is %d", st)
	}
	time.Sleep(12 * time.Second) // every node polls the configuration each 10 s and tells nobody
	rule := map[string]any{"uid": "r1", "orgID": 1, "title": "Always", "ruleGroup": "g", "folderUID": "f1", "condition": "A", "for": "0s", "noDataState": "NoData", "execErrState": "Error", "data": json.RawMessage(expression)}
	if st := a.call(t, "POST", "/api/v1/provisioning/alert-rules", rule, nil); st != http.StatusCreated {
		t.Fatalf("adding a rule is %d", st)
	}
	group := map[string]any{"title": "g", "folderUid": "f1", "interval": 10, "rules": []any{rule}}
	if st := a.call(t, "PUT", "/api/v1/provisioning/folder/f1/rule-groups/g", group, nil); st != http.StatusOK {
		t.Fatalf("setting the group's interval is %d", st)
	}
	until(t, "the first notification", patience, func() error {
		if seen() == 0 {
			return fmt.Errorf("none came")
		}
		return nil
	})
	time.Sleep(20 * time.Second) // the other nodes' turn: position x 5 s, and a tick between
	if n := seen(); n != 1 {
		t.Errorf("%d notifications: %v, want 1", n, got)
	}
	if st := a.call(t, "DELETE", "/api/v1/provisioning/alert-rules/r1", nil, nil); st != http.StatusNoContent {
		t.Errorf("deleting a rule is %d", st)
	}
}
