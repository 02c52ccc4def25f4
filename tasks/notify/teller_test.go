package notify

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
)

var begun = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func message(e Event) Message {
	m := Message{Event: e, Cluster: "prod", Run: "20261124-120000-abc123", Command: "upgrade", User: "ops", From: "laptop", Version: "12.3.1", Start: begun,
		Hosts: []Host{{Host: "g1", Outcome: "done", Runs: "Grafana 12.3.1, generation 3f2a91c0b7d2"}, {Host: "g2", Outcome: "failed", Detail: "gate health"}}}
	if e != Start {
		m.End, m.Seconds = begun.Add(95*time.Second), 95
	}
	if e == Failure {
		m.Error = "g2: gate health did not open within 2m0s: HTTP 503"
	}
	return m
}

// inbox is a receiver that keeps what it was sent.
type inbox struct {
	*httptest.Server
	mu   sync.Mutex
	got  []string
	head []http.Header
	path []string
	code int
	body string
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{code: http.StatusOK}
	in.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		in.mu.Lock()
		defer in.mu.Unlock()
		in.got, in.head, in.path = append(in.got, string(b)), append(in.head, r.Header), append(in.path, r.Method+" "+r.URL.Path)
		w.WriteHeader(in.code)
		_, _ = io.WriteString(w, in.body)
	}))
	t.Cleanup(in.Close)
	return in
}

func (in *inbox) messages(t *testing.T) (out []Message) {
	t.Helper()
	for _, text := range in.got {
		var m Message
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		out = append(out, m)
	}
	return out
}

func receiver(kind, url string, on ...string) inventory.Notification {
	return inventory.Notification{Type: kind, URL: inventory.NewSecret(url, "env:HOOK"), On: on}
}

// warnings collects what a teller could not deliver.
func warnings(t *Teller) *[]string {
	var all []string
	t.Warn = func(s string) { all = append(all, s) }
	return &all
}

func TestWebhookGetsTheRunAsJSONAtItsStartAndEnd(t *testing.T) {
	in := newInbox(t)
	teller := &Teller{Receivers: []inventory.Notification{receiver("webhook", in.URL+"/hook")}}
	warned := warnings(teller)
	teller.Begin(t.Context(), message(Start))
	teller.End(t.Context(), message(Failure))
	got := in.messages(t)
	if len(got) != 2 || got[0].Event != Start || got[1].Event != Failure || len(*warned) > 0 {
		t.Fatalf("got %+v, warnings %q", got, *warned)
	}
	if m := got[1]; m.Schema != 1 || m.Cluster != "prod" || m.Error == "" || len(m.Hosts) != 2 || m.Seconds != 95 {
		t.Errorf("got %+v", m)
	}
	if in.head[0].Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", in.head[0])
	}
}

func TestReceiversHearOnlyWhatTheyAskedFor(t *testing.T) {
	for _, c := range []struct {
		on   []string
		end  Event
		want []Event
	}{
		{nil, Success, []Event{Start, Success}},
		{[]string{"start"}, Failure, []Event{Start}},
		{[]string{"failure"}, Success, nil},
		{[]string{"failure"}, Failure, []Event{Failure}},
		{[]string{"success", "failure"}, Success, []Event{Success}},
	} {
		in := newInbox(t)
		teller := &Teller{Receivers: []inventory.Notification{receiver("webhook", in.URL, c.on...)}}
		teller.Begin(t.Context(), message(Start))
		teller.End(t.Context(), message(c.end))
		var got []Event
		for _, m := range in.messages(t) {
			got = append(got, m.Event)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("on %v: got %v, want %v", c.on, got, c.want)
		}
	}
}

func TestSlackGetsBlocksWithWhatFailedFirst(t *testing.T) {
	in := newInbox(t)
	m := message(Failure)
	m.Error = "a <b> & ``` c"
	(&Teller{Receivers: []inventory.Notification{receiver("slack", in.URL)}}).End(t.Context(), m)
	var got slackMessage
	if len(in.got) != 1 || json.Unmarshal([]byte(in.got[0]), &got) != nil {
		t.Fatalf("got %q", in.got)
	}
	if !strings.Contains(got.Text, "upgrade of Grafana 12.3.1 on prod failed after 1m35s") {
		t.Errorf("text %q", got.Text)
	}
	var all []string
	for _, b := range got.Blocks {
		switch {
		case b.Type == "section" && b.Text.Type == "mrkdwn":
			all = append(all, b.Text.Text)
		case b.Type == "context" && len(b.Elements) == 1:
			all = append(all, b.Elements[0].Text)
		default:
			t.Errorf("block %+v", b)
		}
	}
	text := strings.Join(all, "\n")
	if strings.Contains(text, "<b>") || !strings.Contains(text, "&lt;b&gt; &amp; '''") {
		t.Errorf("not escaped: %s", text)
	}
	if f, d := strings.Index(text, "g2: failed"), strings.Index(text, "g1: done"); f < 0 || d < f {
		t.Errorf("the failed host does not come first: %s", text)
	}
}

func TestLongMessagesKeepWithinSlacksLimit(t *testing.T) {
	m := message(Failure)
	m.Error = strings.Repeat("ü", 9000)
	for range 200 {
		m.Hosts = append(m.Hosts, Host{Host: "g", Outcome: "not reached", Runs: strings.Repeat("x", 90)})
	}
	for _, b := range slack(m).Blocks {
		if b.Text != nil && len([]rune(b.Text.Text)) > 3000 {
			t.Errorf("a section has %d characters", len([]rune(b.Text.Text)))
		}
	}
	if lines := m.lines(); lines[len(lines)-1] != "and 182 more" {
		t.Errorf("the last line is %q", lines[len(lines)-1])
	}
}

func TestAnnotationMarksTheRunOnTheFirstNodeThatAnswers(t *testing.T) {
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	in := newInbox(t)
	teller := &Teller{
		Receivers: []inventory.Notification{{Type: "annotation"}},
		Nodes:     []Node{{"g1", dead.URL, http.DefaultClient}, {"g2", in.URL + "/grafana", in.Client()}, {"g3", in.URL, in.Client()}},
		Admin:     inventory.Admin{User: "admin", Password: inventory.NewSecret("sesame", "env:P")},
	}
	warned := warnings(teller)
	teller.Begin(t.Context(), message(Start))
	teller.End(t.Context(), message(Failure))
	if !slices.Equal(in.path, []string{"POST /grafana/api/annotations"}) || len(*warned) > 0 {
		t.Fatalf("requests %q, warnings %q", in.path, *warned)
	}
	r := &http.Request{Header: in.head[0]}
	if user, password, _ := r.BasicAuth(); user != "admin" || password != "sesame" {
		t.Errorf("logged in as %q", user)
	}
	var got annotation
	if err := json.Unmarshal([]byte(in.got[0]), &got); err != nil {
		t.Fatal(err)
	}
	if got.Time != begun.UnixMilli() || got.TimeEnd != begun.Add(95*time.Second).UnixMilli() {
		t.Errorf("region %d to %d", got.Time, got.TimeEnd)
	}
	if !slices.Equal(got.Tags, []string{"ghadeploy", "12.3.1", "upgrade", "failed"}) || !strings.Contains(got.Text, "prod") {
		t.Errorf("got %+v", got)
	}
}

func TestAnnotationSaysWhyItCouldNotBeMade(t *testing.T) {
	in := newInbox(t)
	in.code, in.body = http.StatusUnauthorized, `{"message":"Invalid username or password"}`
	node := []Node{{"g1", in.URL, in.Client()}}
	login := inventory.Admin{User: "admin", Password: inventory.NewSecret("sesame", "env:P")}
	for want, teller := range map[string]*Teller{
		"grafana.admin.password":    {Nodes: node},
		"no host is connected":      {Admin: login},
		"the login":                 {Nodes: node, Admin: login},
		"g1: status 401: the login": {Nodes: node, Admin: login},
	} {
		teller.Receivers = []inventory.Notification{{Type: "annotation"}}
		warned := warnings(teller)
		teller.End(t.Context(), message(Success))
		if len(*warned) != 1 || !strings.Contains((*warned)[0], want) || strings.Contains((*warned)[0], "sesame") {
			t.Errorf("want %q in %q", want, *warned)
		}
	}
}

func TestFailuresAreWarningsThatHideTheURL(t *testing.T) {
	in := newInbox(t)
	in.code = http.StatusForbidden
	const token = "T0KEN-B4DC0FFEE"
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	in.body = "no such hook /services/" + token + "?key=" + token
	moved := httptest.NewServer(http.RedirectHandler(in.URL+"/"+token, http.StatusFound))
	t.Cleanup(moved.Close)
	for name, c := range map[string]struct{ url, want string }{
		"refused":    {in.URL + "/services/" + token + "?key=" + token, "status 403"},
		"dead":       {dead.URL + "/services/" + token, "connection refused"},
		"redirect":   {moved.URL + "/" + token, "status 302"},
		"no URL":     {"http://[" + token, "no http or https URL"},
		"scheme":     {"ftp://host/" + token, "no http or https URL"},
		"empty":      {"", "no http or https URL"},
		"user":       {strings.Replace(dead.URL, "http://", "http://user:"+token+"@", 1), "connection refused"},
		"unresolved": {"http://nowhere.invalid/" + token, "nowhere.invalid"},
	} {
		teller := &Teller{Receivers: []inventory.Notification{receiver("slack", c.url)}}
		warned := warnings(teller)
		teller.End(t.Context(), message(Success))
		if len(*warned) != 1 || !strings.Contains((*warned)[0], c.want) {
			t.Errorf("%s: want %q in %q", name, c.want, *warned)
		}
		if text := strings.Join(*warned, ""); strings.Contains(text, token) || !strings.HasPrefix(text, "notify[0] (slack) was not told of the success: ") {
			t.Errorf("%s: %q", name, text)
		}
	}
	for _, p := range in.path {
		if strings.HasPrefix(p, "GET") {
			t.Error("a redirect was followed")
		}
	}
}

func TestReceiverThatHangsCostsItsDeadlineAndNobodyElses(t *testing.T) {
	release := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}))
	t.Cleanup(hangs.Close)
	t.Cleanup(func() { close(release) })
	in := newInbox(t)
	teller := &Teller{
		Receivers: []inventory.Notification{receiver("webhook", hangs.URL), receiver("webhook", in.URL)},
		Deadline:  100 * time.Millisecond,
	}
	warned := warnings(teller)
	teller.End(t.Context(), message(Success))
	if len(in.got) != 1 {
		t.Errorf("the other receiver got %d messages", len(in.got))
	}
	if len(*warned) != 1 || !strings.Contains((*warned)[0], "notify[0]") || !strings.Contains((*warned)[0], "deadline exceeded") {
		t.Errorf("warnings %q", *warned)
	}
}
