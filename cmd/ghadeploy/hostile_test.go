package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/skeema/knownhosts"
	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

// hostileRecipe is how a command is called in an attack; INVENTORY, HOST (one that
// attacks) and DUMP stand for what they are called. A command that only looks is expected to tell of
// the honest host what it tells without attackers.
type hostileRecipe struct {
	args     []string
	looks    bool
	each     bool // what it tells of a host does not depend on the others
	database bool // it talks to the database or Redis
}

// hostileRecipes has every command that talks to hosts.
var hostileRecipes = map[string]hostileRecipe{
	"apply":         {args: []string{"apply", "INVENTORY", "--yes", "--skip-check", "all", "--report", "report.html"}, database: true},
	"backup":        {args: []string{"backup", "INVENTORY"}, database: true},
	"check":         {args: []string{"check", "INVENTORY"}, looks: true, database: true},
	"database copy": {args: []string{"database", "copy", "--from", "sqlite:grafana.db", "--to", "INVENTORY", "--yes"}, database: true},
	"diff":          {args: []string{"diff", "INVENTORY"}, looks: true},
	"drain":         {args: []string{"drain", "INVENTORY", "HOST", "--yes"}},
	"exec":          {args: []string{"exec", "INVENTORY", "--timeout", "8s", "--", "cat", "opt/generations/aaaaaaaaaaaa/etc/grafana.ini"}, looks: true, each: true},
	"history":       {args: []string{"history", "INVENTORY"}, looks: true, each: true},
	"import":        {args: []string{"import", "--from-host", "HOST:/proc/self/fd/47/grafana.ini", "-O", "imported.yaml"}},
	"lock":          {args: []string{"lock", "INVENTORY"}, looks: true, each: true},
	"logs":          {args: []string{"logs", "INVENTORY"}, looks: true, each: true},
	"plan":          {args: []string{"plan", "INVENTORY"}, looks: true, database: true},
	"rehearse":      {args: []string{"rehearse", "INVENTORY", "--to", "10.3.1"}, database: true},
	"releases":      {args: []string{"releases", "INVENTORY"}, looks: true, each: true},
	"remove":        {args: []string{"remove", "INVENTORY", "HOST", "--yes"}},
	"restart":       {args: []string{"restart", "INVENTORY", "--yes"}},
	"restore":       {args: []string{"restore", "INVENTORY", "--dump", "DUMP", "--yes"}, database: true},
	"rollback":      {args: []string{"rollback", "INVENTORY", "--yes"}, database: true},
	"start":         {args: []string{"start", "INVENTORY", "--yes"}},
	"status":        {args: []string{"status", "INVENTORY"}, looks: true, each: true},
	"stop":          {args: []string{"stop", "INVENTORY", "--yes"}},
	"trust":         {args: []string{"trust", "INVENTORY", "--yes"}},
	"undrain":       {args: []string{"undrain", "INVENTORY", "--yes"}},
	"unlock":        {args: []string{"unlock", "INVENTORY", "--yes"}},
	"upgrade":       {args: []string{"upgrade", "INVENTORY", "--to", "10.3.1", "--yes", "--skip-check", "all"}, database: true},
	"verify":        {args: []string{"verify", "INVENTORY"}, database: true},
}

// localCommands talk to no host, and why nobody has to believe that: they are given none.
var localCommands = []string{"init", "validate", "docs", "man", "schema", "secrets keygen", "secrets encrypt", "secrets decrypt", "targets", "monitoring rules",
	"monitoring dashboard", "completion", "version"}

// runnable gives all commands of the tree that can be run, by their words.
func runnable(cmd *cobra.Command, prefix string) (all []string) {
	for _, c := range cmd.Commands() {
		name := strings.TrimSpace(prefix + " " + c.Name())
		if c.Name() == "help" {
			continue
		}
		if c.Runnable() && !c.HasSubCommands() {
			all = append(all, name)
		}
		all = append(all, runnable(c, name)...)
	}
	return all
}

func TestEveryCommandIsAttackedOrTalksToNoHost(t *testing.T) {
	a := &app{streams: ui.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}, getenv: func(string) string { return "" }}
	all := runnable(a.root(), "")
	for _, name := range all {
		if _, ok := hostileRecipes[name]; !ok && !slices.Contains(localCommands, name) {
			t.Errorf("the command %q has no recipe: add to hostileRecipes (hostile_test.go) how it is called on INVENTORY, or to localCommands that it talks to no host", name)
		}
	}
	for _, name := range append(slices.Collect(maps.Keys(hostileRecipes)), localCommands...) {
		if !slices.Contains(all, name) {
			t.Errorf("there is no command %q any more: take it out of hostile_test.go", name)
		}
	}
}

// Secrets of the inventory, by the name of their variable. Each is long and unlike any other.
var hostileCanaries = map[string]string{
	"CANARY_GOOD": "canaryOfTheGoodHost7GQ2", "CANARY_KEY": "canarySecretKeyX81Pw", "CANARY_ADMIN": "canaryAdmin0w9LmZ",
	"CANARY_DB": "canaryDatabaseUserK33v", "CANARY_DBADMIN": "canaryDatabaseAdmin5hhW", "CANARY_REDIS": "canaryRedisT9c2Jb",
}

// spellings are the forms in which a secret may be on its way.
func spellings(secret string) []string {
	out := []string{secret, url.QueryEscape(secret)}
	for _, user := range []string{"", "admin:", "grafana:", "root:", "\x00grafana\x00", "\x00root\x00"} {
		out = append(out, base64.StdEncoding.EncodeToString([]byte(user+secret)))
	}
	return out
}

func namesIn(text string, names ...string) (found []string) {
	for _, n := range names {
		if slices.ContainsFunc(spellings(hostileCanaries[n]), func(s string) bool { return strings.Contains(text, s) }) {
			found = append(found, n)
		}
	}
	return found
}

// siege is a cluster of an honest host and others, and what it is worth to them.
type siege struct {
	g    *grounds
	name string
	good *hostileHost
	evil []*hostileHost
	// balancers stand before the hosts; without any, commands of the operator's do.
	balancers []*hostileHost
	listener  *recorder // what Grafana's port was sent on hosts where another one listens
	database  *recorder
	dbType    string
	dbPort    int
	redis     int
	looks     bool // only what looks meets it
	goodEnv   []string
	services  bool // it is a database or Redis that attacks
}

type siegeBuilder struct {
	t      *testing.T
	honest func(net.Conn)
	all    []*siege
}

// add makes a siege; evil hosts are made by name.
func (b *siegeBuilder) add(name string, names []string, answer func(s *siege, name string) func(net.Conn), arm func(h *hostileHost)) *siege {
	g := newGrounds(b.t)
	s := &siege{g: g, name: name, listener: &recorder{}, database: &recorder{}, dbType: "postgres", dbPort: 1, redis: 1}
	s.good = g.host("good", b.honest).start(b.t)
	slices.Sort(names)
	for _, n := range names {
		serve := b.honest
		if answer != nil {
			serve = s.listener.hearing(answer(s, n))
		}
		h := g.host(n, serve)
		if arm != nil {
			arm(h)
		}
		if h.port == 0 {
			h.start(b.t)
		}
		s.evil = append(s.evil, h)
	}
	b.all = append(b.all, s)
	return s
}

func (s *siege) hosts() []*hostileHost { return append([]*hostileHost{s.good}, s.evil...) }

// addBalancers adds a siege by load balancers.
func (b *siegeBuilder) addBalancers(name string, names []string, arm func(*hostileHost)) {
	s := b.add(name, []string{"second"}, nil, nil)
	slices.Sort(names)
	for _, n := range names {
		h := s.g.host(n, b.honest)
		arm(h)
		s.balancers = append(s.balancers, h.start(b.t))
	}
}

// withGood is the same siege with an honest host of its own, which no other run changes.
func (s *siege) withGood(t *testing.T, folder string, honest func(net.Conn)) *siege {
	out := *s
	out.good = s.g.hostIn(folder, "good", honest)
	out.good.ssh.Env = append(out.good.ssh.Env, s.goodEnv...)
	out.good.start(t)
	return &out
}

func keysOf[V any](m map[string]V) []string { return slices.Collect(maps.Keys(m)) }

func allSieges(t *testing.T) []*siege {
	b := &siegeBuilder{t: t, honest: honestGrafana(t)}
	raw, streams, said, files := rawAttacks(), streamAttacks(), lies(), sftpAttacks()
	b.add("no attack", []string{"evil"}, nil, nil)
	b.add("before SSH", keysOf(raw), nil, func(h *hostileHost) { h.port = listenFor(t, h.address, raw[h.name]) })
	for _, n := range []int32{0, 2, 4} {
		b.add(fmt.Sprintf("streams after %d", n), keysOf(streams), nil, func(h *hostileHost) { h.ssh.Session = after(n, h, streams[h.name]) })
		b.add(fmt.Sprintf("lies after %d", n), keysOf(said), nil, func(h *hostileHost) { h.ssh.Output = lying(n, said[h.name]) })
	}
	b.add("a turn that goes on", []string{"evil"}, nil, func(h *hostileHost) { h.ssh.Output = lying(0, claimsATurn) }).looks = true
	b.add("SFTP", keysOf(files), nil, func(h *hostileHost) {
		h.ssh.NoSFTP = false
		h.ssh.Session = sftpOr(h, files[h.name])
	})
	web := listenerAttacks()
	b.add("Grafana's port", keysOf(web), func(_ *siege, name string) func(net.Conn) { return web[name] }, nil)
	b.add("Grafana's port, by others", keysOf(web), func(_ *siege, name string) func(net.Conn) { return web[name] }, func(h *hostileHost) {
		h.ssh.Env = append(h.ssh.Env, "GRAFANA_PID=1") // it runs, and somebody else has the port
	})
	for kind, attacks := range map[string]map[string]func(net.Conn){"postgres": postgresAttacks(), "mysql": mysqlAttacks()} {
		for name, do := range attacks {
			s := b.add("database: "+name, []string{"evil"}, nil, nil)
			s.goodEnv = []string{"GRAFANA_PID=0"} // a first deploy asks the database
			for _, h := range s.evil {
				h.ssh.Env = append(h.ssh.Env, s.goodEnv...)
			}
			s.services, s.dbType, s.dbPort = true, kind, listenFor(t, "127.0.0.1", s.database.hearing(do))
		}
	}
	for _, n := range []int32{0, 2} {
		b.addBalancers(fmt.Sprintf("balancers' streams after %d", n), keysOf(streams), func(h *hostileHost) { h.ssh.Session = after(n, h, streams[h.name]) })
		b.addBalancers(fmt.Sprintf("balancers' lies after %d", n), keysOf(said), func(h *hostileHost) { h.ssh.Output = lying(n, said[h.name]) })
	}
	for name, do := range redisAttacks() {
		s := b.add("Redis: "+name, []string{"evil"}, nil, nil)
		s.services, s.redis = true, listenFor(t, "127.0.0.1", do)
	}
	return b.all
}

// sftpOr attacks where a file is sent, and is honest otherwise.
func sftpOr(h *hostileHost, attack execAttack) func(ssh.NewChannel) {
	return func(nc ssh.NewChannel) { h.ssh.ServeSession(&subsystemTrap{nc, attack}) }
}

// subsystemTrap hands out a channel whose subsystem requests end at an attack.
type subsystemTrap struct {
	ssh.NewChannel
	attack execAttack
}

func (n *subsystemTrap) Accept() (ssh.Channel, <-chan *ssh.Request, error) {
	ch, reqs, err := n.NewChannel.Accept()
	if err != nil {
		return nil, nil, err
	}
	out := make(chan *ssh.Request)
	go func() {
		defer close(out)
		for req := range reqs {
			if req.Type == "subsystem" {
				_ = req.Reply(true, nil)
				n.attack(ch, reqs)
				return
			}
			out <- req
		}
	}()
	return ch, out, nil
}

// besiegedRun is one command in one siege.
type besiegedRun struct {
	stdout, stderr string
	code           int
	took           time.Duration // of the clock that calmClock describes where it ran alone
	memory         int64         // most of it that was resident, in bytes
	files          map[string]string
}

// command is one that runs as a process of its own in dir, which gets what it needs.
func (s *siege) command(t *testing.T, dir, hook string, args []string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) { remotetest.WriteFile(t, filepath.Join(dir, name), text, 0o600) }
	hosts := s.hosts()
	write("inventory.yaml", s.g.inventoryText(s.dbType, s.dbPort, s.redis, hosts, s.balancers))
	known, config := "", ""
	for _, h := range slices.Concat(hosts, s.balancers) {
		known += hostLine(h)
		config += fmt.Sprintf("Host %s\n  HostName %s\n  Port %d\n  User root\n  IdentityFile %s\n  UserKnownHostsFile %s\n  ConnectTimeout 1\n",
			h.name, h.address, h.port, s.g.key, filepath.Join(dir, "known_hosts"))
	}
	write("known_hosts", known)
	if err := os.Mkdir(filepath.Join(dir, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(".ssh/config", config)
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Args[0], cmd.Dir = "ghadeploy", dir
	cmd.Env = []string{"HOME=" + dir, "PATH=/usr/bin:/bin", "TERM=dumb", "CANARY_HOOK=" + hook, "GORACE=exitcode=66"}
	for k, v := range hostileCanaries {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	return cmd
}

// hostLine is what known_hosts says of a host.
func hostLine(h *hostileHost) (lines string) {
	for _, k := range h.ssh.HostKeys {
		lines += knownhosts.Line([]string{fmt.Sprintf("%s:%d", h.address, h.port)}, k.PublicKey()) + "\n"
	}
	return lines
}

// besieged runs a command to its end, for a minute at most.
func (s *siege) besieged(t *testing.T, dir, hook string, args []string) besiegedRun {
	t.Helper()
	cmd := s.command(t, dir, hook, args)
	if slices.Contains(args, "copy") {
		emptySQLite(t, filepath.Join(dir, "grafana.db"))
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	start := time.Now()
	err := cmd.Start()
	var memory func() int64
	if err == nil {
		memory = residentOf(cmd.Process.Pid)
		late := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
		err = cmd.Wait()
		late.Stop()
	}
	o := besiegedRun{stdout: out.String(), stderr: errs.String(), took: time.Since(start), files: map[string]string{}}
	if memory != nil {
		o.memory = memory()
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	o.code = cmd.ProcessState.ExitCode()
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			b, _ := os.ReadFile(path)
			rel, _ := filepath.Rel(dir, path)
			o.files[rel] = string(b)
		}
		return nil
	})
	return o
}

// shown is clean when every character of it shows what it is.
func unclean(text string) string {
	for i, r := range text {
		if !remote.Harmless(r) {
			return fmt.Sprintf("%q", text[max(0, i-60):min(len(text), i+40)])
		}
	}
	return ""
}

// mostMemory is what they may cost, in bytes: 64 MB for one, and a third of that for each
// where many attack at once.
func (s *siege) mostMemory() int64 {
	return max(64, int64(len(s.evil)+len(s.balancers))*64/3) << 20
}

// A host, a database or a listener that means harm spoils its own outcome and nothing else,
// whatever command meets it.
func TestHostileHosts(t *testing.T) {
	onDemand(t)
	hook, bodies := hookReceiver(t)
	honest := honestGrafana(t)
	sieges := allSieges(t)
	calm := sieges[0]
	usual := map[string]besiegedRun{}
	for i, name := range slices.Sorted(maps.Keys(hostileRecipes)) {
		r := hostileRecipes[name]
		if !anyWanted(sieges[1:], name) {
			continue
		}
		s := calm.withGood(t, fmt.Sprintf("calm%d", i), honest)
		usual[name] = s.besieged(t, t.TempDir(), hook, recipeArgs(r, s, "evil", false))
	}
	at := make(chan struct{}, 6)
	var wg sync.WaitGroup
	var alone sync.RWMutex
	share := hostileShare()
	n, made := 0, 0
	for i, s := range sieges[1:] {
		for j, name := range slices.Sorted(maps.Keys(hostileRecipes)) {
			r := hostileRecipes[name]
			if !r.database && s.services || !r.looks && s.looks {
				continue
			}
			if n++; !share(n, s.name+": "+name) {
				continue
			}
			made++
			text := !r.looks && (i+j)%2 == 1
			target := s.evil[(i+j)%len(s.evil)].name
			at <- struct{}{}
			dirs := []string{t.TempDir(), t.TempDir(), t.TempDir()}
			s := s.withGood(t, fmt.Sprintf("good%d", n), honest)
			wg.Go(func() {
				defer func() { <-at }()
				args := recipeArgs(r, s, target, text)
				alone.RLock()
				o := s.besieged(t, dirs[0], hook, args)
				alone.RUnlock()
				for tries := 0; s.late(r, o, usual[name]) && tries < 2; tries++ { // without the others' attacks on this machine
					alone.Lock()
					clock := startCalmClock()
					o = s.besieged(t, dirs[1+tries], hook, args)
					o.took = clock.stop()
					alone.Unlock()
				}
				s.judge(t, name+" "+target, r, o, usual[name])
			})
		}
	}
	wg.Wait()
	for _, s := range sieges {
		s.secrets(t)
	}
	text := bodies.take()
	if bad := unclean(strings.ReplaceAll(text, "\r\n", "\n")); bad != "" {
		t.Errorf("a webhook was told %s", bad)
	}
	if found := namesIn(text, keysOf(hostileCanaries)...); len(found) > 0 {
		t.Errorf("a webhook was told %v", found)
	}
	t.Logf("%d of %d runs", made, n)
}

func hookReceiver(t *testing.T) (string, *recorder) {
	t.Helper()
	bodies := &recorder{}
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(bodies, r.Body) }))
	t.Cleanup(srv.Close)
	return srv.URL + "/canaryHookToken6Yp", bodies
}

// emptySQLite is a database to copy from, with hardly anything in it.
func emptySQLite(t *testing.T, file string) {
	t.Helper()
	db, err := sqlite3.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Exec("CREATE TABLE migration_log (id INTEGER PRIMARY KEY, migration_id TEXT, sql TEXT, success INTEGER, error TEXT, timestamp DATETIME)"); err != nil {
		t.Fatal(err)
	}
}

func recipeArgs(r hostileRecipe, s *siege, host string, text bool) []string {
	fill := strings.NewReplacer("INVENTORY", "inventory.yaml", "DUMP", s.g.here()+"/state/backups/prod-20261124T120000Z-10.2.0.dump")
	var out []string
	for _, a := range r.args {
		if a == "HOST" || strings.HasPrefix(a, "HOST:") {
			a = host + strings.TrimPrefix(a, "HOST")
		}
		out = append(out, fill.Replace(a))
	}
	flags := []string{"-v"}
	if !text {
		flags = append(flags, "-o", "json")
	}
	return slices.Insert(out, 1, flags...)
}

// onDemand leaves out what takes minutes of both cores unless it is asked for.
func onDemand(t *testing.T) {
	t.Helper()
	if os.Getenv("GHADEPLOY_HOSTILE") == "" {
		t.Skip("GHADEPLOY_HOSTILE is not set: some makes a fourth of the runs, another one each day, all makes all, and words (this|that) those whose siege or command has one")
	}
}

// hostileShare tells which runs are made.
func hostileShare() func(n int, name string) bool {
	day := time.Now().YearDay()
	want := os.Getenv("GHADEPLOY_HOSTILE")
	return func(n int, name string) bool {
		return want == "all" || want == "some" && (n+day)%4 == 0 || slices.ContainsFunc(strings.Split(want, "|"), func(w string) bool { return strings.Contains(name, w) })
	}
}

// anyWanted tells whether a word asks for a command in any siege.
func anyWanted(sieges []*siege, command string) bool {
	share := hostileShare()
	return slices.ContainsFunc(sieges, func(s *siege) bool {
		return share(0, s.name+": "+command) || share(1, "") || share(2, "") || share(3, "")
	})
}

// mostTime is connect_timeout, ten seconds, and what a machine that has other work needs.
const mostTime = (4 + 10 + 4) * time.Second

// late tells that a run took long, or did not reach the honest host.
func (s *siege) late(r hostileRecipe, o, usual besiegedRun) bool {
	return o.took > mostTime || !s.tellsTheSame(r, o, usual)
}

func (s *siege) judge(t *testing.T, name string, r hostileRecipe, o, usual besiegedRun) {
	fail := func(format string, args ...any) {
		t.Errorf("%s: %s: %s\nexit %d after %s, %d MB\n%.3000s\n%.3000s", s.name, name, fmt.Sprintf(format, args...), o.code, o.took, o.memory>>20, o.stdout, o.stderr)
	}
	if o.took > mostTime {
		fail("took %s, may take %s", o.took, mostTime)
	}
	if grown := o.memory - usual.memory; grown > s.mostMemory() && !withRace {
		fail("took %d MB more than without an attack", grown>>20)
	}
	if bad := unclean(o.stdout); bad != "" {
		fail("stdout is not clean: %s", bad)
	}
	if bad := unclean(o.stderr); bad != "" {
		fail("stderr is not clean: %s", bad)
	}
	if all := o.stdout + o.stderr; strings.Contains(all, "internal error") || strings.Contains(all, "DATA RACE") || strings.Contains(all, "goroutine ") || o.code == 66 || o.code == 2 {
		fail("it broke down")
	}
	for file, text := range o.files {
		if strings.Contains(file, "owned") {
			fail("it wrote the file %q", file)
		}
		if strings.HasSuffix(file, ".html") || strings.HasSuffix(file, ".jsonl") {
			if bad := unclean(text); bad != "" {
				fail("%s is not clean: %s", file, bad)
			}
		}
	}
	if found := namesIn(o.stdout+o.stderr, keysOf(hostileCanaries)...); len(found) > 0 {
		fail("it shows %v", found)
	}
	if !s.tellsTheSame(r, o, usual) {
		fail("of the honest host it tells\n%s\nand without an attack\n%s", strings.Join(ofGood(o.stdout), "\n"), strings.Join(ofGood(usual.stdout), "\n"))
	}
}

// tellsTheSame compares what is told of the honest host.
func (s *siege) tellsTheSame(r hostileRecipe, o, usual besiegedRun) bool {
	if !r.looks || s.services || len(s.balancers) > 0 {
		return true
	}
	have, want := ofGood(o.stdout), ofGood(usual.stdout)
	if r.each {
		return slices.Equal(have, want)
	}
	// All or nothing: a plan is of all hosts, or of none.
	return !slices.ContainsFunc(have, func(line string) bool { return !slices.Contains(want, line) })
}

// changing is what differs from one run, or one honest host, to the next.
var changing = regexp.MustCompile(`\b[0-9a-f]{12}\b|[0-9]+(\.[0-9]+)?(e-[0-9]+)?`)

// ofGood gives what a document says of the honest host, without what differs from run to run.
func ofGood(stdout string) (all []string) {
	dec := json.NewDecoder(strings.NewReader(stdout))
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			// What other hosts tell of it is theirs.
			if source, ok := v["source"]; v["host"] == "good" && (!ok || source == "good") {
				for k := range v {
					if slices.Contains([]string{"time", "seconds", "since", "clock", "started", "age", "source"}, k) {
						delete(v, k)
					}
				}
				b, _ := json.Marshal(v)
				all = append(all, changing.ReplaceAllString(string(b), "N"))
				return
			}
			for _, k := range slices.Sorted(maps.Keys(v)) {
				walk(v[k])
			}
		}
	}
	for {
		var v any
		if err := dec.Decode(&v); err != nil {
			slices.Sort(all)
			return slices.Compact(all)
		}
		walk(v)
	}
}

// secrets looks for what hosts and others must not have been sent.
func (s *siege) secrets(t *testing.T) {
	for _, h := range slices.Concat(s.evil, s.balancers) {
		if found := namesIn(h.heard.take(), "CANARY_GOOD", "CANARY_DBADMIN"); len(found) > 0 {
			t.Errorf("%s: %s was sent %v", s.name, h.name, found)
		}
	}
	allowed := []string{}
	if !strings.Contains(s.name, "by others") {
		allowed = append(allowed, "CANARY_ADMIN") // it is the host's own, which has it in grafana.ini
	}
	all := slices.DeleteFunc(keysOf(hostileCanaries), func(n string) bool { return slices.Contains(allowed, n) })
	if found := namesIn(s.listener.take(), all...); len(found) > 0 {
		t.Errorf("%s: who listens on Grafana's port was sent %v", s.name, found)
	}
	if found := namesIn(s.database.take(), keysOf(hostileCanaries)...); len(found) > 0 {
		t.Errorf("%s: the database was sent %v", s.name, found)
	}
}
