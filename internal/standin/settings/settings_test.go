package settings

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

const defaultsIni = `instance_name = ${HOSTNAME}
[server]
protocol = http
domain = localhost
http_port = 3000
root_url = %(protocol)s://%(domain)s:%(http_port)s/
[database]
type = sqlite3
name = grafana
password = default
locking_attempt_timeout_sec = 0
[paths]
data = data
[unified_alerting]
enabled =
ha_listen_address = "0.0.0.0:9094"
ha_peers = ""
ha_peer_timeout = 15s
[feature_toggles]
enable =
`

func load(t *testing.T, config string, overrides ...string) (*Settings, *File, error) {
	t.Helper()
	home := t.TempDir()
	write(t, filepath.Join(home, "conf/defaults.ini"), defaultsIni)
	path := filepath.Join(home, "grafana.ini")
	write(t, path, config)
	f, err := Load(Args{Home: home, Config: path, Overrides: overrides})
	if err != nil {
		return nil, nil, err
	}
	s, err := f.Settings(home)
	return s, f, err
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPrecedence(t *testing.T) {
	tests := []struct {
		name, config, env string
		overrides         []string
		want              string
	}{
		{name: "defaults.ini", want: "default"},
		{name: "cfg:default over defaults.ini", overrides: []string{"cfg:default.database.password=a"}, want: "a"},
		{name: "file over cfg:default", config: "[database]\npassword = file", overrides: []string{"cfg:default.database.password=a"}, want: "file"},
		{name: "empty value in the file is skipped", config: "[database]\npassword =", want: "default"},
		{name: "environment over file", config: "[database]\npassword = file", env: "env", want: "env"},
		{name: "cfg: over environment", env: "env", overrides: []string{"cfg:database.password=cfg"}, want: "cfg"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("GF_DATABASE_PASSWORD", tt.env)
			s, _, err := load(t, tt.config, tt.overrides...)
			if err != nil || s.Database.Password != tt.want {
				t.Errorf("password = %q, %v, want %q", s.Database.Password, err, tt.want)
			}
		})
	}
}

// The table of facts 1.3: what the parser makes of a password.
func TestQuotingIsTheParsersOwn(t *testing.T) {
	for written, want := range map[string]string{
		"pa#ss": "pa", "`pa#s;s`": "pa#s;s", `"""pa#s;s"""`: "pa#s;s", "p%(name)s": "pgrafana", "#x": "default", "p$ss": "p$ss",
	} {
		s, _, err := load(t, "[database]\npassword = "+written)
		if err != nil || s.Database.Password != want {
			t.Errorf("%s is read as %q, %v, want %q", written, s.Database.Password, err, want)
		}
	}
}

func TestExpanders(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "pw")
	write(t, secret, " from a file\n")
	t.Setenv("STANDIN_PW", "from env")
	for written, want := range map[string]string{
		"$__file{" + secret + "}": "from a file", "${STANDIN_PW}": "from env", "$__env{STANDIN_PW}": "from env", "$__vault{x}": "$__vault{x}",
	} {
		s, _, err := load(t, "[database]\npassword = "+written)
		if err != nil || s.Database.Password != want {
			t.Errorf("%s expands to %q, %v, want %q", written, s.Database.Password, err, want)
		}
	}
	if _, _, err := load(t, "[database]\npassword = $__file{/does/not/exist}"); err == nil {
		t.Error("a missing $__file{} is no error")
	}
}

func TestKeysTheVersionDoesNotKnowAreIgnored(t *testing.T) {
	s, f, err := load(t, "[unified_alerting]\nha_redis_address = redis:6379\n[database]\nmigration_locking = true")
	if err != nil {
		t.Fatal(err)
	}
	if s.Alerting.RedisAddress != "" || s.Database.Locking || f.Knows("unified_alerting", "ha_redis_address") {
		t.Errorf("unknown keys took effect: %q, locking %v", s.Alerting.RedisAddress, s.Database.Locking)
	}
	if s, _, err = load(t, "[feature_toggles]\nenable = a, migrationLocking"); err != nil || !s.Database.Locking {
		t.Errorf("the toggle migrationLocking does not lock (%v)", err)
	}
}

func TestDerivedValues(t *testing.T) {
	s, _, err := load(t, "[server]\nhttp_port = 80\nroot_url = %(protocol)s://g:%(http_port)s/sub/\n[unified_alerting]\nha_peers = a:1, b:2\nha_peer_timeout = 1m")
	if err != nil {
		t.Fatal(err)
	}
	if s.Server.RootURL != "http://g:80/sub/" || s.Server.SubPath != "/sub" || len(s.Alerting.Peers) != 2 || s.Alerting.PeerTimeout != time.Minute || !s.Alerting.Enabled {
		t.Errorf("got %+v, %+v", s.Server, s.Alerting)
	}
	if _, _, err := load(t, "[unified_alerting]\nha_peer_timeout = soon"); err == nil {
		t.Error("a bad duration is no error")
	}
}
