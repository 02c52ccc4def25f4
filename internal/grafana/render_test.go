package grafana

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goldenVersions are rendered for every backend; keys names the list of keys
// that such a version knows.
var goldenVersions = []struct {
	version, keys string
	also          []string // known by this version, not in that list
}{
	{version: "6.5.0", keys: "6.5.0"},
	{version: "7.5.17", keys: "7.5.17"},
	{version: "8.5.27", keys: "8.5.15"},
	{version: "9.4.17", keys: "9.4.0"},
	{version: "10.3.1", keys: "10.3.1"},
	{version: "11.6.0", keys: "11.6.2"},
	{version: "12.3.1", keys: "12.3.0"},
	{version: "13.2.0", keys: "12.4.3", also: []string{"unified_alerting.ha_single_node_evaluation"}},
}

type variant struct {
	name string
	node func(Version) Node
}

// variants are {postgres, mysql} x {gossip, redis, legacy} x {live or not}.
func variants() []variant {
	var all []variant
	for _, db := range []string{"postgres", "mysql"} {
		for _, mode := range []string{"gossip", "redis", "legacy"} {
			for _, live := range []bool{false, true} {
				name := db + " " + mode
				if live {
					name += " live"
				}
				all = append(all, variant{name, func(v Version) Node { return variantNode(v, db, mode, live) }})
			}
		}
	}
	return all
}

func variantNode(v Version, db, mode string, live bool) Node {
	n := testNode(v)
	if db == "mysql" {
		n.Database.Type, n.Database.Host = "mysql", "db.example.com:3306"
		n.Cache = RemoteCache{Type: "redis", Redis: Redis{Address: "redis:6379", Prefix: "prod:", Password: "r#dis"}}
	}
	switch mode {
	case "redis":
		n.Alerting.Mode, n.Alerting.Peers = OnRedis, nil
		n.Alerting.Redis = Redis{Address: "redis:6379", Password: "r#dis", DB: 1, Prefix: "prod"}
	case "legacy":
		n.Alerting.Legacy = true
	}
	if live {
		n.Live = Live{Redis: Redis{Address: "redis:6379", Prefix: "prod"}, MaxConnections: 500}
		if LivePassword(v) {
			n.Live.Redis.Password = "r#dis"
		}
	}
	return n
}

func TestRenderGolden(t *testing.T) {
	for _, g := range goldenVersions {
		t.Run(g.version, func(t *testing.T) {
			var all bytes.Buffer
			for _, vr := range variants() {
				fmt.Fprintf(&all, "==== %s\n", vr.name)
				r, err := vr.node(version(t, g.version)).Render()
				if err != nil {
					fmt.Fprintf(&all, "refused: %v\n\n", err)
					continue
				}
				fmt.Fprintf(&all, "%s", r.INI)
				for _, name := range slices.Sorted(maps.Keys(r.Secrets)) {
					fmt.Fprintf(&all, "---- %s\n%s\n", name, r.Secrets[name])
				}
				for _, w := range r.Warnings {
					fmt.Fprintf(&all, "warning: %s\n", w)
				}
				all.WriteByte('\n')
			}
			golden(t, "golden/"+g.version+".txt", all.Bytes())
		})
	}
}

func keyList(t *testing.T, name string) map[string]bool {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "keys", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		known[strings.TrimSpace(line)] = true
	}
	return known
}

func TestRenderWritesNoKeyThatTheVersionDoesNotKnow(t *testing.T) {
	for _, g := range goldenVersions {
		known := keyList(t, g.keys)
		for _, k := range g.also {
			known[k] = true
		}
		rendered := 0
		for _, vr := range variants() {
			n := vr.node(version(t, g.version))
			r, err := n.Render()
			var unknown *UnknownKeyError
			if errors.As(err, &unknown) {
				continue
			}
			if err != nil {
				t.Errorf("%s %s: %v", g.version, vr.name, err)
				continue
			}
			rendered++
			f, err := loadINI(r.INI)
			if err != nil {
				t.Fatal(err)
			}
			for key := range keysOf(f) {
				if !known[key] {
					t.Errorf("%s %s: writes %s", g.version, vr.name, key)
				}
			}
		}
		if rendered < 2 {
			t.Errorf("%s: only %d variants render", g.version, rendered)
		}
	}
}

func TestRenderOfTwoNodesDiffersOnlyInPerNodeKeys(t *testing.T) {
	for _, mode := range []string{"gossip", "redis"} {
		a := variantNode(version(t, "12.3.1"), "postgres", mode, true)
		b := a
		b.PerNode = PerNode{InstanceName: "g2", Address: "10.0.0.12", RedisPeerName: "prod-g2"}
		ra, errA := a.Render()
		rb, errB := b.Render()
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		linesA, linesB := strings.Split(string(ra.INI), "\n"), strings.Split(string(rb.INI), "\n")
		if len(linesA) != len(linesB) {
			t.Fatalf("%s: %d and %d lines", mode, len(linesA), len(linesB))
		}
		section, differ := "DEFAULT", 0
		for i := range linesA {
			if strings.HasPrefix(linesA[i], "[") {
				section = strings.Trim(linesA[i], "[]")
			}
			if linesA[i] == linesB[i] {
				continue
			}
			differ++
			key, _, _ := strings.Cut(linesA[i], " =")
			if !slices.Contains(PerNodeKeys(), section+"."+key) {
				t.Errorf("%s: %s.%s differs", mode, section, key)
			}
		}
		if differ != 2 {
			t.Errorf("%s: %d lines differ, want instance_name and one more", mode, differ)
		}
	}
}

func TestRenderShowsNoSecret(t *testing.T) {
	for _, v := range []string{"6.5.0", "10.3.1", "13.3.0"} {
		n := testNode(version(t, v))
		if v == "6.5.0" {
			n.Alerting = Alerting{Mode: Alone}
		}
		n.Security.SecretKey, n.Security.AdminPassword, n.Database.Password = "CANARY1", "CANARY2", "CANARY3"
		n.Cache = RemoteCache{Type: "redis", Redis: Redis{Address: "r:1", Password: "CANARY4"}}
		if v == "13.3.0" {
			n.Live.Redis = Redis{Address: "r:1", Username: "live", Password: "CANARY5", TLS: true}
		}
		n.Extra = []Section{{Name: "smtp", Keys: []Key{{Name: "password", Value: "CANARY6", Secret: true}}}}
		r, err := n.Render()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(r.Shown, []byte("CANARY")) {
			t.Errorf("%s: a secret in Shown:\n%s", v, r.Shown)
		}
		if !bytes.Contains(r.Shown, []byte("password = <secret "+testFingerprint("CANARY3")+">")) {
			t.Errorf("%s: no fingerprint of the database password in\n%s", v, r.Shown)
		}
		inINI := bytes.Contains(r.INI, []byte("CANARY"))
		if want := v == "6.5.0"; inINI != want {
			t.Errorf("%s: secrets in grafana.ini: %v, want %v", v, inINI, want)
		}
	}
}

func TestRenderErrorsHoldNoSecret(t *testing.T) {
	n := testNode(version(t, "6.5.0"))
	n.Alerting = Alerting{Mode: Alone}
	n.Database.Password = "CANARY space"
	n.Security.AdminPassword = "CANARY ${CANARYVAR}"
	n.Security.SecretKey = "CANARY\n"
	n.Cache = RemoteCache{Type: "redis", Redis: Redis{Address: "r:1", Password: "CANARY,"}}
	_, err := n.Render()
	if err == nil || strings.Contains(err.Error(), "CANARY") {
		t.Errorf("got %v", err)
	}
	for _, what := range []string{"database.password", "security.admin_password", "security.secret_key", "remote_cache"} {
		if !strings.Contains(err.Error(), what) {
			t.Errorf("%s is not named in %v", what, err)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	v, err := ParseVersion("12.3.1")
	if err != nil {
		b.Fatal(err)
	}
	defaults, err := os.ReadFile(filepath.Join("testdata", "golden", "12.3.1.txt"))
	if err != nil {
		b.Fatal(err)
	}
	n := variantNode(v, "postgres", "gossip", true)
	n.Defaults, _, _ = bytes.Cut(defaults[bytes.IndexByte(defaults, '\n'):], []byte("----"))
	for b.Loop() {
		if _, err := n.Render(); err != nil {
			b.Fatal(err)
		}
	}
}
