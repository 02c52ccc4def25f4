package remote

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

func TestSSHConfig(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	first := remotetest.WriteFile(t, filepath.Join(home, "first"), `
Host g1 g2
  HostName %h.example.com
  User first
  ProxyJump jump@bastion:2222,[::1]
Match exec "true"
  User never
Match host g1
  IdentityFile ~/.ssh/%n_%r
Host alias
  HostKeyAlias known
  ProxyJump none
  IdentityFile none
Host old
  ProxyCommand nc %h %p
`, 0o600)
	second := remotetest.WriteFile(t, filepath.Join(home, "second"), `
Host *
  User second
  Port 2200
  UserKnownHostsFile ~/known ~/more
  GlobalKnownHostsFile /g
`, 0o600)
	broken := home // a folder
	var notes []string
	c := loadConfig([]string{first, second, broken, filepath.Join(home, "none")}, func(s string) { notes = append(notes, s) })

	route, err := c.route(Target{Name: "g1"})
	if err != nil {
		t.Fatal(err)
	}
	if len(route) != 3 || route[0].addr() != "bastion:2222" || route[0].user != "jump" || route[1].addr() != "[::1]:2200" {
		t.Errorf("route %+v", route)
	}
	last := route[2]
	if last.addr() != "g1.example.com:2200" || last.user != "first" {
		t.Errorf("got %s, %s", last.addr(), last.user)
	}
	if want := []string{filepath.Join(home, ".ssh/g1_first")}; !reflect.DeepEqual(last.identityFiles, want) {
		t.Errorf("keys %q", last.identityFiles)
	}
	if want := []string{home + "/known", home + "/more", "/g"}; !reflect.DeepEqual(last.knownHosts, want) {
		t.Errorf("known hosts %q", last.knownHosts)
	}

	// What the inventory says wins.
	route, err = c.route(Target{Address: "g2", User: "u", Port: 23, IdentityFiles: []string{"~/k"}, KnownHosts: []string{"/k"}, Jumps: []string{"j"}})
	if err != nil {
		t.Fatal(err)
	}
	last = route[len(route)-1]
	if len(route) != 2 || last.addr() != "g2.example.com:23" || last.user != "u" || last.identityFiles[0] != home+"/k" || last.knownHosts[0] != "/k" {
		t.Errorf("got %+v", last)
	}
	route, err = c.route(Target{Address: "alias"})
	if err != nil || len(route) != 1 || route[0].knownName() != "known:22" || len(route[0].identityFiles) != 0 {
		t.Errorf("got %+v %v", route, err)
	}
	if route, err = c.route(Target{Address: "old"}); err != nil || route[0].proxyCommand != "nc old 2200" {
		t.Errorf("got %+v %v", route, err)
	}
	all := strings.Join(notes, "\n")
	for _, want := range []string{"first:6:", "Match exec", "is a directory, not a regular file"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in the notes:\n%s", want, all)
		}
	}
}

func TestSSHConfigErrors(t *testing.T) {
	dir := t.TempDir()
	file := remotetest.WriteFile(t, filepath.Join(dir, "config"), "Host a\n ProxyJump b\nHost b\n ProxyJump a\nHost p\n Port x\nHost q\n ProxyJump p\n", 0o600)
	c := loadConfig([]string{file}, nil)
	for _, test := range []struct {
		target Target
		want   string
	}{
		{Target{Address: "a"}, "circle"},
		{Target{Address: "p"}, `Port "x" is no port`},
		{Target{Address: "q"}, `Port "x" is no port`},
		{Target{Address: "c", Jumps: []string{"h:0"}}, `port "0" is no port`},
		{Target{Address: "c", Jumps: []string{""}}, "[user@]host[:port]"},
	} {
		_, err := c.route(test.target)
		mustContain(t, err, test.want)
	}
	_, err := (&Dialer{ConfigFiles: []string{file}}).Dial(t.Context(), Target{Address: "a"})
	mustContain(t, err, "a: unreachable", "circle")
}

func TestDefaults(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.Mkdir(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	key := remotetest.WriteFile(t, filepath.Join(home, ".ssh", "id_rsa"), "", 0o600)
	route, err := loadConfig(nil, nil).route(Target{Address: "h"})
	if err != nil {
		t.Fatal(err)
	}
	e := route[0]
	if e.port != 22 || e.user == "" || !reflect.DeepEqual(e.identityFiles, []string{key}) || e.knownHosts[0] != home+"/.ssh/known_hosts" {
		t.Errorf("got %+v", e)
	}
}
