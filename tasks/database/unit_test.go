package database

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

func TestQuoting(t *testing.T) {
	for _, tt := range []struct {
		kind      Kind
		got, want string
	}{
		{Postgres, quoteName(Postgres, `a"b`), `"a""b"`},
		{MySQL, quoteName(MySQL, "a`b"), "`a``b`"},
		{Postgres, quoteText(Postgres, `a'b`), `'a''b'`},
		{Postgres, quoteText(Postgres, `a\b'`), ` E'a\\b'''`},
		{MySQL, quoteText(MySQL, `a\b'c`), `'a\\b\'c'`},
		{MySQL, grantPattern("graf_a%", false), `graf\_a\%`},
		{MySQL, grantPattern("graf_a", true), `graf_a`},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %s, want %s", tt.kind, tt.got, tt.want)
		}
	}
}

func TestFamilyPatternIsOneClusters(t *testing.T) {
	if got, want := familyPattern("a.b"), `a\.b-[0-9]{8}T[0-9]{6}Z-[^/]*\.dump`; got != want {
		t.Errorf("pattern %s, want %s", got, want)
	}
}

func TestSecretsTravelOnStdinOnly(t *testing.T) {
	for _, kind := range []string{"postgres", "mysql"} {
		db := inventory.Database{Type: kind, Host: "db.example.com", Name: "g", User: "u", Password: inventory.NewSecret(`can:ary\"1`, "literal")}
		args, stdin, err := toolInput(db, nil)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.Join(args, " "), "ary") {
			t.Errorf("%s: the password is in argv: %q", kind, args)
		}
		first, _, _ := strings.Cut(stdin.String(), "\n")
		text, err := base64.StdEncoding.DecodeString(first)
		want := map[string]string{"postgres": `*:*:*:*:can\:ary\\"1`, "mysql": `password="can:ary\\\"1"`}[kind]
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: login file %q, want %s", kind, text, want)
		}
	}
}

func TestTLSModes(t *testing.T) {
	for _, tt := range []struct {
		mode           string
		none, insecure bool
		chain, refused bool
	}{
		{mode: "", none: true}, {mode: "disable", none: true}, {mode: "false", none: true},
		{mode: "require", insecure: true}, {mode: "skip-verify", insecure: true},
		{mode: "verify-ca", insecure: true, chain: true}, {mode: "verify-full"}, {mode: "true"}, {mode: "prefer", refused: true},
	} {
		cfg, err := tlsConfig(inventory.Database{SSLMode: tt.mode}, "db")
		if (err != nil) != tt.refused {
			t.Errorf("%q: %v", tt.mode, err)
			continue
		}
		if err != nil {
			continue
		}
		if (cfg == nil) != tt.none || cfg != nil && (cfg.InsecureSkipVerify != tt.insecure || (cfg.VerifyConnection != nil) != tt.chain || cfg.ServerName != "db") {
			t.Errorf("%q: %+v", tt.mode, cfg)
		}
	}
	if err := verifyChain(nil)(tls.ConnectionState{}); err == nil {
		t.Error("no certificate passes")
	}
}

func TestVersionNumbers(t *testing.T) {
	for text, want := range map[string][2]int{"15.20 (Debian)": {15, 20}, "8.0.36": {8, 0}, "10.11.19-MariaDB-0+deb12u1": {10, 11}, "": {}} {
		if major, minor := numbers(text); [2]int{major, minor} != want {
			t.Errorf("%s: %d.%d", text, major, minor)
		}
	}
}

func TestLostComparesOnlyWhatIsOnBothSides(t *testing.T) {
	before := Counts{Dashboards: 5, Users: 2, AlertRules: 1}
	if lost := before.Lost(Counts{Dashboards: 4, Users: 3, Folders: 0}); len(lost) != 1 || lost[0] != "dashboards: 5, now 4" {
		t.Errorf("lost %v", lost)
	}
}

// refusing is a host from which nothing can be reached.
type refusing struct {
	fleet.Conn
	err error
}

// Dial implements fleet.Conn.
func (r refusing) Dial(context.Context, string, string) (net.Conn, error) { return nil, r.err }

func TestOpenSaysWhyItCannotReachTheServer(t *testing.T) {
	for _, kind := range []string{"postgres", "mysql"} {
		db := inventory.Database{Type: kind, Host: "db.example.com", User: "u", Name: "g", Password: inventory.NewSecret("canary", "literal")}
		_, err := Open(t.Context(), refusing{err: errors.New("h1: dial tcp db.example.com from the host: connection refused")}, db, nil)
		failed, ok := errors.AsType[*LoginError](err)
		if !ok || failed.Kind != Unreachable || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", kind, err)
		}
		_, err = Open(t.Context(), refusing{err: remote.ErrForwardingRefused}, db, nil)
		if !errors.Is(err, remote.ErrForwardingRefused) {
			t.Errorf("%s: a sshd that does not forward is hidden: %v", kind, err)
		}
	}
	if _, err := Open(t.Context(), refusing{}, inventory.Database{Type: "sqlite3"}, nil); err == nil {
		t.Error("sqlite3 opens")
	}
}

func TestOperatorsEnvironmentDoesNotMatter(t *testing.T) {
	for name, value := range map[string]string{"PGHOST": "elsewhere", "PGUSER": "other", "PGSSLMODE": "verify-full", "PGOPTIONS": "-c search_path=x", "PGTARGETSESSIONATTRS": "read-only", "PGPASSFILE": "/nowhere"} {
		t.Setenv(name, value)
	}
	db := inventory.Database{Type: "postgres", Host: "db.example.com:5555", User: "u", Name: "g"}
	var dialled []string
	_, err := Open(t.Context(), recording{dialled: &dialled}, db, nil)
	if err == nil || len(dialled) == 0 || dialled[0] != "db.example.com:5555" {
		t.Errorf("dialled %v, %v", dialled, err)
	}
}

// recording remembers what is dialled.
type recording struct {
	fleet.Conn
	dialled *[]string
}

// Dial implements fleet.Conn.
func (r recording) Dial(_ context.Context, _, address string) (net.Conn, error) {
	*r.dialled = append(*r.dialled, address)
	return nil, errors.New("connection refused")
}

func TestPickHost(t *testing.T) {
	h := fleet.Host{Host: &inventory.Host{Name: "h1"}}
	db := inventory.Database{Type: "postgres", Backup: inventory.Backup{On: "h9"}}
	if _, err := PickHost(t.Context(), []fleet.Host{h}, db); err == nil || !strings.Contains(err.Error(), "h9") {
		t.Errorf("a host that is not there: %v", err)
	}
	db.Backup = inventory.Backup{Command: "true"}
	if got, err := PickHost(t.Context(), []fleet.Host{h}, db); err != nil || got.Name != "h1" {
		t.Errorf("with a command: %v, %v", got, err)
	}
	if _, err := PickHost(t.Context(), nil, db); err == nil {
		t.Error("no hosts are enough")
	}
}

// A handshake that fails is no server that cannot be reached, whatever the driver
// puts around it.
func TestErrorsOfTLSAreToldApart(t *testing.T) {
	for _, text := range []string{
		"failed to connect to `user=u database=g`: 10.0.0.1:5432 (db): tls error: tls: failed to verify certificate: x509: certificate signed by unknown authority",
		"failed to connect to `user=u database=g`: 10.0.0.1:5432 (db): server refused TLS connection",
		"TLS requested but server does not support TLS",
		"remote error: tls: certificate required",
	} {
		failed, ok := errors.AsType[*LoginError](classify(login{user: "u"}, errors.New(text)))
		if !ok || failed.Kind != BadTLS {
			t.Errorf("%s: %v", text, failed)
		}
	}
	for _, err := range []error{
		&pgconn.PgError{Code: "28000", Message: `no pg_hba.conf entry for host "h", user "u", database "g", no encryption`},
		&pgconn.PgError{Code: "28000", Message: "connection requires a valid client certificate"},
		&mysql.MySQLError{Number: 3159, Message: "Connections using insecure transport are prohibited while --require_secure_transport=ON."},
	} {
		if failed, ok := errors.AsType[*LoginError](classify(login{user: "u"}, err)); !ok || failed.Kind != BadTLS {
			t.Errorf("%v: %v", err, failed)
		}
	}
}

// Grafana knows server_cert_name for MySQL only; PostgreSQL's driver compares with
// the host, and so must what tries it beforehand.
func TestServerNameIsMySQLs(t *testing.T) {
	for kind, want := range map[string]string{"mysql": "name", "postgres": "db"} {
		cfg, err := tlsConfig(inventory.Database{Type: kind, SSLMode: "require", ServerName: "name"}, "db")
		if err != nil || cfg.ServerName != want {
			t.Errorf("%s: %v, %v", kind, cfg, err)
		}
	}
}

func TestLongestInterval(t *testing.T) {
	for configuration, want := range map[string]time.Duration{
		`{"alertmanager_config": {"route": {"receiver": "x"}}}`:                                                                                   5 * time.Minute,
		`{"alertmanager_config": {"route": {"group_interval": "1m"}}}`:                                                                            time.Minute,
		`{"alertmanager_config": {"route": {"group_interval": "30s", "routes": [{"routes": [{"group_interval": "1h30m"}]}, {}]}}}`:                90 * time.Minute,
		`{"alertmanager_config": {"route": {"group_interval": "2m", "routes": [{"group_interval": "10s"}]}}, "template_files": {"a": "b"}}`:       2 * time.Minute,
		`{"alertmanager_config": {"route": {"group_interval": "soon"}, "receivers": [{"grafana_managed_receiver_configs": [{"settings": {}}]}]}}`: 5 * time.Minute,
	} {
		if got, err := longestInterval([]byte(configuration)); err != nil || got != want {
			t.Errorf("%s: %s %v, want %s", configuration, got, err, want)
		}
	}
	if _, err := longestInterval([]byte(`{"alertmanager_config": {"receivers": "canary`)); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
}
