package database

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// opened is a login that ends with the test.
func opened(t *testing.T, h fleet.Host, db inventory.Database) *DB {
	t.Helper()
	open, err := Open(t.Context(), h, db, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = open.Close() })
	return open
}

func identityOf(t *testing.T, h fleet.Host, db inventory.Database) Identity {
	t.Helper()
	open, err := Open(t.Context(), h, db, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close() // or the database could not be dropped
	id, err := open.Identity(t.Context())
	if err != nil || id == "" {
		t.Fatalf("identity %q, %v", id, err)
	}
	return id
}

func TestLabADatabaseIsKnownByAnyName(t *testing.T) {
	servers(t, func(t *testing.T, h fleet.Host, db inventory.Database) {
		if _, err := Create(t.Context(), h, db); err != nil {
			t.Fatal(err)
		}
		mustExec(t, h, db, "CREATE TABLE user_auth (user_id BIGINT, auth_module VARCHAR(40))")
		admin := db // another login, to the same tables
		admin.User, admin.Password = db.Create.User, db.Create.Password
		if a, b := identityOf(t, h, db), identityOf(t, h, admin); a != b {
			t.Errorf("one database is %q and %q", a, b)
		}
		other := db
		other.Name = db.Name + "_b"
		other.Backup.Dir = db.Backup.Dir + "_b"
		open, err := Open(t.Context(), h, db, db.Create)
		if err != nil {
			t.Fatal(err)
		}
		defer open.Close()
		drop := "DROP DATABASE IF EXISTS " + other.Name
		t.Cleanup(func() {
			if o, err := Open(t.Context(), h, db, db.Create); err == nil {
				_, _ = o.ExecContext(t.Context(), drop)
				_ = o.Close()
			}
		})
		if _, err := open.ExecContext(t.Context(), drop); err != nil {
			t.Fatal(err)
		}
		if _, err := Create(t.Context(), h, other); err != nil {
			t.Fatal(err)
		}
		if a, b := identityOf(t, h, db), identityOf(t, h, other); a == b {
			t.Errorf("two databases of one server are both %q", a)
		}
		if _, err := open.ExecContext(t.Context(), drop); err != nil {
			t.Error(err)
		}
	})
}

func TestLabWhatIsAtStakeIsCounted(t *testing.T) {
	servers(t, func(t *testing.T, h fleet.Host, db inventory.Database) {
		if _, err := Create(t.Context(), h, db); err != nil {
			t.Fatal(err)
		}
		asked := StakesAsked{Modules: []string{"oauth_github"}, Plugins: []string{"zabbix", "x' OR 1=1 --"}}
		s, err := opened(t, h, db).Stakes(t.Context(), asked)
		if err != nil || s.Sessions+s.SourceSecrets+s.OtherSecrets != 0 || len(s.Sources) > 1 {
			t.Fatalf("of an empty database: %+v, %v", s, err)
		}
		now := time.Now().Unix()
		mustExec(t, h, db,
			"CREATE TABLE data_source (id BIGINT, type VARCHAR(100), secure_json_data TEXT)",
			`INSERT INTO data_source VALUES (1, 'zabbix', '{"password":"x"}'), (2, 'zabbix', '{}'), (3, 'prometheus', NULL), (4, 'loki', '')`,
			"CREATE TABLE user_auth (user_id BIGINT, auth_module VARCHAR(40), o_auth_access_token TEXT)",
			"INSERT INTO user_auth VALUES (1, 'oauth_github', 'enc'), (1, 'oauth_github', ''), (2, 'oauth_github', NULL), (3, 'ldap', '')",
			"CREATE TABLE user_auth_token (rotated_at BIGINT)",
			"INSERT INTO user_auth_token VALUES ("+fmt.Sprint(now)+"), ("+fmt.Sprint(now-8*24*3600)+")",
			"CREATE TABLE dashboard (id BIGINT, is_folder "+boolean(db)+", data TEXT)",
			`INSERT INTO dashboard VALUES (1, `+no(db)+`, '{"panels":[{"type":"zabbix"}]}'), (2, `+no(db)+`, '{"panels":[{"type":"zabbix-app"}]}')`)
		s, err = opened(t, h, db).Stakes(t.Context(), asked)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int64{"sessions": s.Sessions, "sources": s.SourceSecrets, "other": s.OtherSecrets, "github": s.Users["oauth_github"], "of zabbix": s.Sources["zabbix"], "with zabbix": s.Dashboards["zabbix"]}
		if diff := cmp.Diff(map[string]int64{"sessions": 1, "sources": 1, "other": 1, "github": 2, "of zabbix": 2, "with zabbix": 1}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func boolean(db inventory.Database) string {
	if db.Type == "postgres" {
		return "BOOLEAN"
	}
	return "TINYINT(1)"
}

func no(db inventory.Database) string {
	if db.Type == "postgres" {
		return "false"
	}
	return "0"
}
