package grafana

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func testUnit(t testing.TB) Unit {
	return Unit{
		Version: version(t, "12.3.1"), Systemd: 252, Binary: "grafana", Root: "/opt/grafana", User: "grafana", Port: 3000,
		DataPath: "/var/lib/grafana", LogPath: "/var/log/grafana",
	}
}

func TestUnitGolden(t *testing.T) {
	for name, change := range map[string]func(*Unit){
		"debian12":    func(*Unit) {},
		"rhel7":       func(u *Unit) { u.Systemd = 219 },
		"rhel8":       func(u *Unit) { u.Systemd = 239 },
		"grafana-6.5": func(u *Unit) { u.Version, u.Binary = release(6, 5, 0), "grafana-server" },
		"port-443":    func(u *Unit) { u.Port = 443 },
		"environment": func(u *Unit) { u.Environment = true },
		"data-in-usr": func(u *Unit) { u.DataPath = "/usr/share/grafana/data" },
		"home":        func(u *Unit) { u.Root = "/home/it's 100%/$x" },
	} {
		t.Run(name, func(t *testing.T) {
			u := testUnit(t)
			change(&u)
			b, err := u.Render()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "unit/"+name+".service", b)
		})
	}
}

func TestUnitRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Unit)
		why    string
	}{
		"relative root":       {func(u *Unit) { u.Root = "opt" }, "absolute"},
		"line break":          {func(u *Unit) { u.Root = "/opt\nExecStart=/bin/evil" }, "control"},
		"data with a space":   {func(u *Unit) { u.DataPath = "/var/lib/my grafana" }, "spaces"},
		"user":                {func(u *Unit) { u.User = "Grafana User" }, "user"},
		"binary":              {func(u *Unit) { u.Binary = "sh" }, "binary"},
		"low port on RHEL 7":  {func(u *Unit) { u.Port, u.Systemd = 443, 219 }, "capability"},
		"systemd of the past": {func(u *Unit) { u.Systemd = 44 }, "too old"},
	} {
		u := testUnit(t)
		c.change(&u)
		if _, err := u.Render(); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: got %v, want it to say %q", name, err, c.why)
		}
	}
}

// The generation that runs must be visible in the command line, and the shell
// must find it under any root.
func TestUnitStartsTheCurrentGeneration(t *testing.T) {
	for _, root := range []string{"opt", "it's", "100%s", "a b", "$HOME", `back\slash`, `q"uote`} {
		dir := filepath.Join(t.TempDir(), root)
		bin := filepath.Join(dir, "generations/g1/release/bin")
		if err := os.MkdirAll(bin, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(bin, "grafana"), []byte("#!/bin/sh\nprintf '%s\\n' \"$0\" \"$@\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("generations/g1", filepath.Join(dir, "current")); err != nil {
			t.Fatal(err)
		}
		u := testUnit(t)
		u.Root = dir
		out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", u.script()).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", root, err, out)
		}
		g := dir + "/generations/g1"
		want := g + "/release/bin/grafana\nserver\n--homepath=" + g + "/release\n--config=" + g + "/etc/grafana.ini\n"
		if string(out) != want {
			t.Errorf("%s: got\n%swant\n%s", root, out, want)
		}
	}
}

func TestSystemdAcceptsTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("needs systemd-analyze")
	}
	for _, port := range []int{3000, 443} {
		u := testUnit(t)
		u.Port, u.User, u.Environment = port, "root", true
		b, err := u.Render()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "grafana-server.service")
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), analyze, "verify", file).CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "grafana-server.service") {
				t.Errorf("port %d: %s", port, line)
			}
		}
		if err != nil && strings.Contains(string(out), "grafana-server.service") {
			t.Errorf("port %d: %v", port, err)
		}
	}
}

// unquoteSystemd reads one double-quoted word of ExecStart= as systemd does:
// C escapes, then specifiers and variables.
func unquoteSystemd(t *testing.T, word string) string {
	if len(word) < 2 || word[0] != '"' || word[len(word)-1] != '"' {
		t.Fatalf("%q is not one quoted word", word)
	}
	var b strings.Builder
	body := word[1 : len(word)-1]
	for i := 0; i < len(body); i++ {
		c := body[i]
		switch c {
		case '"':
			t.Fatalf("%q ends early", word)
		case '\\':
			i++
			if i == len(body) || body[i] != '\\' && body[i] != '"' {
				t.Fatalf("%q: bad escape", word)
			}
			c = body[i]
		case '%', '$':
			i++
			if i == len(body) || body[i] != c {
				t.Fatalf("%q: an expansion is left", word)
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}

func FuzzUnitQuoting(f *testing.F) {
	for _, s := range []string{"", "a b", `"`, `\`, "%h", "$HOME", "${x}", `'`, `\"`, `\\`, "%%", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := unquoteSystemd(t, systemdQuote(s)); got != s {
			t.Errorf("systemd reads %q, given %q", got, s)
		}
		u := testUnit(t)
		u.Root = "/opt/" + s
		b, err := u.Render()
		if err != nil {
			return
		}
		if n := strings.Count(string(b), "\n[Service]\n"); n != 1 || strings.Count(string(b), "\nExecStart=") != 1 {
			t.Errorf("root %q adds lines to the unit:\n%s", s, b)
		}
	})
}

func TestRenderEnvironment(t *testing.T) {
	b, err := RenderEnvironment(map[string]string{"HTTP_PROXY": "http://p:3128", "A": "it's \"50%\" $HOME `x` \\ #"})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "unit/environment", b)
	for name, env := range map[string]map[string]string{
		"name": {"1A": "x"}, "name with =": {"A=B": "x"}, "line break": {"A": "CANARY\nB=y"}, "NUL": {"A": "CANARY\x00"},
	} {
		if _, err := RenderEnvironment(env); err == nil || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
