package main

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/verify"
)

const testPlugin = "ghadeploy-test-panel"

// pluginEntry writes a small panel plugin and is its entry in an inventory.
func pluginEntry(t *testing.T) map[string]any {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plugin.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for name, text := range map[string]string{
		"plugin.json": `{"type":"panel","name":"Test","id":"` + testPlugin + `","info":{"version":"1.0.0","author":{"name":"t"},"logos":{"small":"l.svg","large":"l.svg"}},"dependencies":{"grafanaDependency":">=6.0.0","plugins":[]}}`,
		"module.js":   "define([],function(){return{plugin:{}}})\n",
		"l.svg":       `<svg xmlns="http://www.w3.org/2000/svg"/>`,
	} {
		w, err := z.Create(testPlugin + "/" + name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := firstError(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return map[string]any{"id": testPlugin, "version": "1.0.0", "source": path, "sha256": hex.EncodeToString(sum[:]), "unsigned": true}
}

// verified runs verify and gives its document.
func verified(t *testing.T, inv *labtest.Inventory, code int, args ...string) verify.Report {
	t.Helper()
	ran := labtest.Ghadeploy(t, append([]string{"verify", inv.Path, "-o", "json"}, args...)...)
	var r verify.Report
	if err := json.Unmarshal([]byte(ran.Stdout), &r); err != nil {
		t.Fatalf("exit %d: %v\n%s\n%s", ran.Code, err, ran.Stdout, ran.Stderr)
	}
	if ran.Code != code {
		t.Errorf("exit %d, want %d\n%s", ran.Code, code, failedSteps(r))
	}
	return r
}

func failedSteps(r verify.Report) string {
	var b strings.Builder
	for _, s := range r.Failed() {
		b.WriteString(s.Name + " " + s.From + " -> " + s.To + ": " + s.Cause + "\n    fix: " + s.Fix + "\n")
	}
	return b.String()
}

// restarted starts Grafana anew on a host and waits until it answers.
func restarted(t *testing.T, lab *labtest.Lab, host string) {
	t.Helper()
	lab.Sh(t, host, "systemctl restart grafana-server")
	labtest.Wait(t, 30*time.Second, host+"'s health", func() (bool, string) {
		resp, err := http.Get("http://" + lab.Host(host) + ":3000/api/health")
		if err != nil {
			return false, err.Error()
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK, resp.Status
	})
}

// deployed is a cluster of three hosts with a plugin behind HAProxy.
func deployed(t *testing.T, lab *labtest.Lab, o labtest.Options) *labtest.Inventory {
	t.Helper()
	lab.Wipe(t, "h1", "h2", "h3")
	o.Balancer = "haproxy"
	inv := lab.Inventory(t, o)
	ran := labtest.Ghadeploy(t, "apply", inv.Path, "--yes")
	if ran.Code != exitDone {
		t.Fatalf("apply: exit %d\n%s\n%s", ran.Code, ran.Stdout, ran.Stderr)
	}
	return inv
}

// defect is one way in which a node silently is no part of the cluster.
type defect struct {
	name, host string
	// script breaks the host before Grafana is started anew there.
	script string
	// step is the proof that has to fail, with all words in its cause.
	step  string
	words []string
	// next is the command that its fix says.
	next string
}

const (
	currentDir = "/opt/grafana/current"
	iniFile    = currentDir + "/etc/grafana.ini"
)

// defects are five of them on two hosts: each has to be named though there are
// others.
func defects() []defect {
	return []defect{
		{"another secret_key", "h2", "echo another >" + currentDir + "/etc/secrets/security.secret_key",
			"session", []string{"h2", "different secret_keys"}, "ghadeploy apply"},
		{"no Live Redis", "h3", "sed -i '/^ha_engine/d' " + iniFile, "live-nodes", []string{"Live on h3 is alone"}, "ghadeploy restart"},
		{"a missing plugin", "h3", "rm -r " + currentDir + "/plugins/" + testPlugin, "plugins", []string{"h3", testPlugin}, "ghadeploy apply"},
		{"a blocked gossip port", "h2", "true", "members", []string{"alerting on h2 is alone", "9094"}, "ghadeploy check"},
		{"a drained host", "h3", "true", "balancer", []string{"h3 is drained"}, "ghadeploy undrain"},
	}
}

func mustRun(t *testing.T, args ...string) labtest.Ran {
	t.Helper()
	ran := labtest.Ghadeploy(t, args...)
	if ran.Code != exitDone {
		t.Fatalf("ghadeploy %v: exit %d\n%s\n%s", args, ran.Code, ran.Stdout, ran.Stderr)
	}
	return ran
}

// The proof passes on what was deployed, and for every way in which one node can
// silently be no part of the cluster it fails and names the cause and the node.
func TestVerifyProvesAClusterAndNamesWhatBreaksIt(t *testing.T) {
	lab := labtest.Need(t)
	lab.Lock(t)
	inv := deployed(t, lab, labtest.Options{Edit: func(doc map[string]any) {
		g := doc["grafana"].(map[string]any)
		g["plugins"] = []any{pluginEntry(t)}
		g["config"].(map[string]any)["unified_alerting"] = map[string]any{"alertmanager_config_poll_interval": "10s"}
		doc["alerting"].(map[string]any)["peer_timeout"] = "3s"
	}})
	saw := alertsOnce(t, lab, inv)
	if !strings.Contains(saw, "told to each node") {
		t.Errorf("the contact point was not posted to each node: %s", saw)
	}
	if os.Getenv(labtest.RealEnv) == "" {
		// What the node that is asked first says from 12.1 on.
		lab.Sh(t, "h1", "echo 'no_config_post: true' >"+currentDir+"/release/conf/standin.yaml")
		restarted(t, lab, "h1")
		if saw := alertsOnce(t, lab, inv); !strings.Contains(saw, "by the provisioning API") || !strings.Contains(saw, "every 10s") {
			t.Errorf("it is not said that nodes take 10s to look: %s", saw)
		}
	}
	keep := "rm -rf /root/whole && cp -a " + currentDir + "/ /root/whole"
	whole := "g=$(readlink -f " + currentDir + ") && rm -rf $g && cp -a /root/whole $g"
	lab.Sh(t, "h2", keep)
	lab.Sh(t, "h3", keep)

	// A database of its own explains everything else, so it is alone.
	lab.Do(t, "db", inv.Database+"_other")
	lab.Sh(t, "h3", "sed -i 's/^name = .*/name = "+inv.Database+"_other/' "+iniFile)
	restarted(t, lab, "h3")
	expectFailure(t, verified(t, inv, exitGate), defect{"another database", "h3", "", "session", []string{"h3", "different databases"}, "ghadeploy plan"})
	lab.Sh(t, "h3", whole)

	for _, other := range []string{"h1", "h3"} {
		for _, proto := range []string{"tcp", "udp"} {
			lab.BlockPort(t, "h2", other, proto, 9094)
			lab.BlockPort(t, other, "h2", proto, 9094)
		}
	}
	mustRun(t, "drain", inv.Path, "h3", "--yes")
	for _, d := range defects() {
		lab.Sh(t, d.host, d.script)
	}
	restarted(t, lab, "h2")
	restarted(t, lab, "h3")
	r := verified(t, inv, exitGate)
	for _, d := range defects() {
		expectFailure(t, r, d)
	}
}

// alertsOnce verifies with alerts and asks the nodes themselves whether they notified
// once and have nothing of it afterwards. It is what the report says of the way.
func alertsOnce(t *testing.T, lab *labtest.Lab, inv *labtest.Inventory) (setUp string) {
	t.Helper()
	before, was := notified(t, lab), alerting(t, lab, inv)
	for _, s := range verified(t, inv, exitDone, "--with-alerts").Steps {
		if s.Skipped {
			t.Errorf("%s was not tried: %s", s.Name, s.Cause)
		}
		if s.Name == "alert-setup" {
			setUp = s.Explanation
		}
	}
	if n := notified(t, lab) - before; n != 1 {
		t.Errorf("the nodes notified %v times", n)
	}
	// Only the uid that Grafana's own contact point gets from any save is new.
	uids := regexp.MustCompile(`"uid": ?"[^"]*"`)
	if now := alerting(t, lab, inv); uids.ReplaceAllString(now, "") != uids.ReplaceAllString(was, "") {
		t.Errorf("alerting was\n%s\nand is\n%s", was, now)
	}
	return setUp
}

// notified is how many webhooks the nodes have sent since they were started.
func notified(t *testing.T, lab *labtest.Lab) (n float64) {
	t.Helper()
	for _, h := range []string{"h1", "h2", "h3"} {
		for line := range strings.Lines(fetched(t, "http://"+lab.Host(h)+":3000/metrics", "")) {
			if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(name, "grafana_alerting_notifications_total{") && strings.Contains(name, `"webhook"`) {
				v, err := strconv.ParseFloat(value, 64)
				if err != nil {
					t.Fatal(err)
				}
				n += v
			}
		}
	}
	return n
}

// alerting is everything of alerting that verify touches, as h2 has it.
func alerting(t *testing.T, lab *labtest.Lab, inv *labtest.Inventory) string {
	t.Helper()
	var all strings.Builder
	for _, path := range []string{"/api/v1/provisioning/policies", "/api/v1/provisioning/contact-points", "/api/ruler/grafana/api/v1/rules", "/api/folders"} {
		all.WriteString(path + " " + fetched(t, "http://"+lab.Host("h2")+":3000"+path, inv.AdminPassword) + "\n")
	}
	return all.String()
}

// fetched is what a URL answers, to admin where a password is given.
func fetched(t *testing.T, url, password string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if password != "" {
		req.SetBasicAuth("admin", password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	return string(body)
}

func expectFailure(t *testing.T, r verify.Report, d defect) {
	t.Helper()
	for _, s := range r.Failed() {
		named := s.Name == d.step && strings.Contains(s.Fix, d.next)
		for _, w := range d.words {
			named = named && strings.Contains(s.Cause, w)
		}
		if named {
			return
		}
	}
	t.Errorf("%s on %s: no failed step %s that names %q with the fix %q; failed:\n%s", d.name, d.host, d.step, d.words, d.next, failedSteps(r))
}
