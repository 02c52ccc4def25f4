package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/verify"
)

// realTable is the variable that .ci/test-real sets: the page that the table is
// written into.
const realTable = "GHADEPLOY_REAL_TABLE"

// realOnly names versions, the only ones to begin with; the others' rows stay.
const realOnly = "GHADEPLOY_REAL_ONLY"

// Every real release at hand is deployed, proved, restarted under load and
// upgraded into the next, with content that has to be there afterwards.
func TestRealReleases(t *testing.T) {
	page := os.Getenv(realTable)
	if page == "" {
		t.Skip("takes minutes for each release: run `make test-real`")
	}
	all, err := labtest.Archives()
	if err != nil || len(all) == 0 {
		t.Fatalf("no archives in %s (%v)", os.Getenv(labtest.RealEnv), err)
	}
	paths := map[string]string{}
	for _, a := range all {
		paths[a.Version] = a.Path
	}
	source := labSource(t, paths)
	only := strings.Fields(os.Getenv(realOnly))
	if len(all) > 1 && (len(only) == 0 || slices.Contains(only, "ladder")) {
		defer t.Run("ladder", func(t *testing.T) {
			said := climb(t, all, source)
			if err := writeLadder(page, said+" ("+time.Now().UTC().Format(time.DateOnly)+")."); err != nil {
				t.Error(err)
			}
		})
	}
	for i, a := range all {
		if len(only) > 0 && !slices.Contains(only, a.Version) {
			continue
		}
		next := ""
		if i+1 < len(all) {
			next = all[i+1].Version
		}
		journeys := []*journey{{version: a.Version, source: source, database: "postgres", next: next}}
		if i+2 >= len(all) && labtest.CompareVersions(a.Version, "10.1.0") >= 0 { // the newest two
			journeys = append(journeys,
				&journey{version: a.Version, source: source, database: "postgres", alerting: "redis"},
				&journey{version: a.Version, source: source, database: "mysql", alerting: "redis"})
		}
		for _, j := range journeys {
			t.Run(a.Version+" "+j.database+" "+j.alerting, func(t *testing.T) {
				j.run(t)
				if err := writeSeen(page, j.row); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// journey is what one version goes through on fresh hosts.
type journey struct {
	version, source, database, alerting string
	// next is the version to upgrade to; empty for none.
	next string
	row  seenRow
	c    *labCluster
}

// since tells whether the version is this one or a later one.
func (j *journey) since(version string) bool {
	return labtest.CompareVersions(j.version, version) >= 0
}

// with names database and alerting, as the table has them.
func (j *journey) with() string {
	alerting := "gossip"
	if j.alerting != "" {
		alerting = j.alerting
	} else if !j.since("8.2.0") {
		alerting = "legacy alerting"
	}
	return map[string]string{"postgres": "PostgreSQL", "mysql": "MariaDB"}[j.database] + ", " + alerting
}

func (j *journey) run(t *testing.T) {
	j.row = seenRow{version: j.version, with: j.with(), date: time.Now().UTC().Format(time.DateOnly)}
	c := j.cluster(t)
	j.row.deploy = j.step(t, "deploy", func(t *testing.T) (string, error) {
		took, err := c.ran(t, "apply", "--yes")
		if _, refused := errors.AsType[*refusedError](err); refused {
			return refusedRightly, nil
		}
		if err == nil {
			j.c = c
		}
		return seconds(took), err
	})
	if j.c == nil {
		return
	}
	j.row.verify = j.step(t, "verify", func(t *testing.T) (string, error) { return j.verify(t) })
	j.row.restart = j.step(t, "restart", j.restart)
	if j.next != "" {
		j.row.upgrade = j.step(t, "upgrade to "+j.next, j.upgrade)
	}
}

// step is a subtest whose outcome is a cell of the table, good or bad.
func (j *journey) step(t *testing.T, name string, do func(*testing.T) (string, error)) string {
	cell := "**failed**"
	t.Run(name, func(t *testing.T) {
		said, err := do(t)
		if err != nil {
			said = "**failed**: " + short(err.Error())
			t.Error(err)
		}
		cell = said
	})
	return cell
}

// short is one line of a message, for a cell.
func short(message string) string {
	line := strings.Join(strings.Fields(strings.ReplaceAll(message, "|", "/")), " ")
	if len(line) > 160 {
		line = line[:160] + "…"
	}
	return line
}

// cluster is what the inventory describes, on fresh hosts; it is there until the
// journey ends.
func (j *journey) cluster(t *testing.T) *labCluster {
	t.Helper()
	hosts := []string{"h1", "h2", "h3"}
	lab := labtest.Need(t, append([]string{"svc"}, hosts...)...)
	lab.Lock(t)
	lab.Wipe(t, hosts...)
	o := labtest.Options{Version: j.version, Source: j.source, Database: j.database, Alerting: j.alerting, Balancer: "haproxy"}
	if !j.since("8.2.0") { // no gossip, no Live over Redis
		o.Alerting, o.NoLive = "legacy", true
	}
	return &labCluster{Lab: lab, inv: lab.Inventory(t, o), hosts: hosts, home: t.TempDir(), patience: realPatience}
}

// realPatience is how long a command on real releases may take: a hundred megabytes to
// each host and hundreds of migrations, all of it on the cores of one busy machine.
const realPatience = 20 * time.Minute

// ran runs a command to its end; an error has its exit code and its words.
func (c *labCluster) ran(t *testing.T, args ...string) (time.Duration, error) {
	t.Helper()
	r := c.begin(t, args...)
	if code := r.wait(); code != 0 {
		t.Log(r.story())
		if r.late != nil {
			return r.took, fmt.Errorf("%w; last: %s", r.late, r.doing(time.Now()))
		}
		return r.took, outcome(code, r.cause())
	}
	return r.took, nil
}

// refusedError is the end of a command that would not touch the hosts: the version
// is known to fail there, and a later one is named.
type refusedError struct{ cause string }

func (e *refusedError) Error() string { return e.cause }

// refusedRightly is the cell of a pair that must not be deployed.
const refusedRightly = "refused, as it should be: known to fail on this database"

// outcome is what a command's exit code and words mean for the table.
func outcome(code int, cause string) error {
	if code == exitUsage && strings.Contains(cause, "--allow-known-bad") && strings.Contains(cause, "nothing was touched") {
		return &refusedError{cause}
	}
	return fmt.Errorf("exit %d: %s", code, cause)
}

// cause is what each host failed with, and what to do next, in the order told.
func (r *toolRun) cause() string {
	if r.last.Error == nil {
		return r.stderr.String()
	}
	var all []string
	for _, f := range r.last.Error.Failures {
		for _, d := range f.Diagnostics {
			f.Message += ": " + d.Message
		}
		if f.Next != "" {
			f.Message += "; next: " + f.Next
		}
		all = append(all, strings.TrimSpace(f.Host+" "+f.Message))
	}
	return strings.Join(all, "; ")
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) }

func (j *journey) verify(t *testing.T) (string, error) {
	args := []string{"verify", j.c.inv.Path, "-o", "json"}
	if j.since("8.2.0") {
		args = append(args, "--with-alerts")
	}
	ran := labtest.Ghadeploy(t, args...)
	var r verify.Report
	if err := json.Unmarshal([]byte(ran.Stdout), &r); err != nil {
		t.Log(ran.Stdout, ran.Stderr)
		return "", fmt.Errorf("exit %d: %s", ran.Code, ran.Stderr)
	}
	skipped := map[string]bool{}
	for _, s := range r.Steps {
		if s.Skipped {
			skipped[s.Name] = true
			t.Logf("%s was not proved: %s", s.Name, s.Cause)
		}
	}
	if ran.Code != 0 {
		t.Log(failedSteps(r))
		var names []string
		for _, s := range r.Failed() {
			names = append(names, s.Name+": "+s.Cause)
		}
		return "", fmt.Errorf("exit %d, %d of %d steps: %s", ran.Code, len(r.Failed()), len(r.Steps), strings.Join(names, "; "))
	}
	out := fmt.Sprintf("ok, %d steps, %.0f s", len(r.Steps), r.Seconds)
	if len(skipped) > 0 {
		var names []string
		for name := range skipped {
			names = append(names, name)
		}
		slices.Sort(names)
		out += ", not proved: " + strings.Join(names, ", ")
	}
	return out, nil
}

// loadEvery is how far apart requests of the load are.
const loadEvery = 20 * time.Millisecond

// underLoad runs a command while users ask through the balancer.
func (j *journey) underLoad(t *testing.T, args ...string) (took time.Duration, failed, of int, gap time.Duration, err error) {
	cookies := j.c.login(t)
	l := j.c.load(t, cookies, "/api/user", loadEvery)
	time.Sleep(2 * time.Second) // the load is under way
	from := time.Now()
	took, err = j.c.ran(t, args...)
	time.Sleep(2 * time.Second) // what the last turn did to others is seen now
	of, errs, p99, gap := sums(l.end(), from, time.Now())
	t.Logf("%v: %d requests, %d failed, p99 %s, longest gap %s: %v", args, of, len(errs), p99, gap, errs)
	return took, len(errs), of, gap, err
}

func (j *journey) restart(t *testing.T) (string, error) {
	took, failed, of, _, err := j.underLoad(t, "restart", "--yes")
	j.row.failed = fmt.Sprintf("%d of %d", failed, of)
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d of %d requests failed", failed, of)
	}
	return seconds(took), err
}

// upgrade goes to the next version with content, and proves the cluster again.
func (j *journey) upgrade(t *testing.T) (string, error) {
	j.c.fill(t)
	before, err := j.c.content(t)
	if err != nil {
		return "", err
	}
	took, failed, of, gap, err := j.underLoad(t, "upgrade", "--to", j.next, "--no-backup", "--yes")
	if _, refused := errors.AsType[*refusedError](err); refused {
		return j.next + ": " + refusedRightly, nil
	}
	j.row.outage = fmt.Sprintf("%.1f s, %d of %d failed", gap.Seconds(), failed, of)
	if err != nil {
		return "", err
	}
	for _, v := range j.c.versions(t) {
		if v != j.next {
			return "", fmt.Errorf("a host runs %s", v)
		}
	}
	after, err := j.c.content(t)
	if err != nil {
		return "", err
	}
	if after != before {
		t.Errorf("content was\n%s\nand is\n%s", before, after)
		return "", errors.New("content is not what it was")
	}
	old := j.version
	j.version = j.next
	said, err := j.verify(t)
	j.version = old
	if err != nil {
		return "", fmt.Errorf("%s, verify after it: %w", seconds(took), err)
	}
	return fmt.Sprintf("%s: %s, content kept, verify %s", j.next, seconds(took), said), nil
}

// climb takes one cluster through all versions and says how far its content came.
func climb(t *testing.T, all []labtest.Archive, source string) string {
	j := &journey{version: all[0].Version, source: source, database: "postgres"}
	c := j.cluster(t)
	if _, err := c.ran(t, "apply", "--yes"); err != nil {
		t.Error(err)
		return "**failed** at " + j.version + ": " + short(err.Error())
	}
	c.fill(t)
	before, err := c.content(t)
	said := "One cluster went through them with its content kept: " + j.version
	for i, a := range all[1:] {
		if err == nil {
			j.unified(t, c, all[i].Version, a.Version)
			_, err = c.ran(t, "upgrade", "--to", a.Version, "--no-backup", "--yes")
		}
		var after string
		if err == nil {
			after, err = c.content(t)
		}
		if err == nil && after != before {
			t.Errorf("content was\n%s\nand is\n%s", before, after)
			err = errors.New("content is not what it was")
		}
		if err != nil {
			t.Error(err)
			return said + ", then **failed** on the way to " + a.Version + ": " + short(err.Error())
		}
		said += " → " + a.Version
	}
	return said
}

// unified leaves the alerting of before 8 on the way to 9: 11 has it no more, and an
// operator would not wait that long.
func (j *journey) unified(t *testing.T, c *labCluster, from, to string) {
	t.Helper()
	if labtest.CompareVersions(to, "9.0.0") >= 0 && !j.since("8.2.0") {
		c.inv.Edit(t, func(doc map[string]any) {
			doc["grafana"].(map[string]any)["version"] = from // which the last upgrade wrote into the file
			doc["alerting"] = map[string]any{"ha": "gossip"}
		})
		j.version = to
	}
}

// fill makes content: a folder, dashboards, users, a data source.
func (c *labCluster) fill(t *testing.T) {
	t.Helper()
	c.post(t, "/api/folders", map[string]string{"title": "ops", "uid": "ops"})
	for i := range 5 {
		c.post(t, "/api/dashboards/db", map[string]any{"dashboard": map[string]any{
			"title": fmt.Sprintf("board %d", i), "uid": fmt.Sprintf("board%d", i), "tags": []string{"kept"},
			"panels": []any{map[string]any{"id": 1, "type": "text", "title": fmt.Sprintf("panel %d", i), "gridPos": map[string]int{"h": 4, "w": 8}}},
		}})
	}
	for i := range 4 {
		c.post(t, "/api/admin/users", map[string]string{"login": fmt.Sprintf("user%d", i), "name": fmt.Sprintf("User %d", i), "email": fmt.Sprintf("u%d@localhost", i), "password": "a-long-password"})
	}
	c.post(t, "/api/datasources", map[string]any{"name": "kept", "type": "prometheus", "access": "proxy", "url": "http://127.0.0.1:9090", "basicAuth": true, "basicAuthUser": "u", "secureJsonData": map[string]string{"basicAuthPassword": "p"}})
}

// content is what fill made, as the API shows it on every version.
func (c *labCluster) content(t *testing.T) (string, error) {
	t.Helper()
	var b strings.Builder
	note := func(path string, into any) error {
		if err := c.get(path, into); err != nil {
			return err
		}
		text, err := json.Marshal(into)
		fmt.Fprintf(&b, "%s %s\n", path, text)
		return err
	}
	for i := range 5 {
		var d struct {
			Dashboard struct {
				UID, Title string
				Tags       []string
				Panels     []struct{ Type, Title string }
			}
		}
		if err := note(fmt.Sprintf("/api/dashboards/uid/board%d", i), &d); err != nil {
			return "", err
		}
	}
	lists := map[string]any{
		"/api/search?type=dash-db": &[]struct{ UID, Title string }{},
		"/api/folders":             &[]struct{ UID, Title string }{},
		"/api/users":               &[]struct{ Login, Email, Name string }{},
		"/api/datasources":         &[]struct{ Name, Type, URL, BasicAuthUser string }{},
	}
	for _, path := range []string{"/api/search?type=dash-db", "/api/folders", "/api/users", "/api/datasources"} {
		if err := note(path, lists[path]); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// get asks through the balancer as the admin.
func (c *labCluster) get(path string, into any) error {
	req, err := http.NewRequest(http.MethodGet, "http://"+c.Host("svc")+path, nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth("admin", c.inv.AdminPassword)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: HTTP %d", path, resp.StatusCode)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
