package grafana

import (
	"strings"
	"testing"
)

func TestParseDatabaseServer(t *testing.T) {
	for _, c := range []struct{ kind, version, want string }{
		{"mysql", "10.11.6-MariaDB-0+deb12u1", "MariaDB 10.11.6"},
		{"mysql", "5.5.5-10.11.6-MariaDB-1:10.11.6+maria~ubu2204", "MariaDB 10.11.6"},
		{"mysql", "5.5.5-10.6.12-MariaDB-log", "MariaDB 10.6.12"},
		{"mysql", "5.5.5-MariaDB", "MariaDB 5.5.5"}, // the release of 2012 itself
		{"mysql", "11.4.5-MariaDB-ubu2404", "MariaDB 11.4.5"},
		{"mysql", "8.0.36", "MySQL 8.0.36"},
		{"mysql", "8.0.36-28", "MySQL 8.0.36"},   // Percona
		{"mysql", "8.0.35-27.1", "MySQL 8.0.35"}, // Percona XtraDB Cluster
		{"mysql", "8.0.31-google", "MySQL 8.0.31"},
		{"mysql", "8.0.mysql_aurora.3.04.1", "MySQL 8.0"},
		{"mysql", "5.7.mysql_aurora.2.11.4", "MySQL 5.7"},
		{"mysql", "8.0.11-TiDB-v7.5.1", "TiDB 7.5.1"},
		{"postgres", "15.3 (Debian 15.3-1.pgdg120+1)", "PostgreSQL 15.3"},
		{"postgres", "PostgreSQL 15.14 (Debian 15.14-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc 12.2.0", "PostgreSQL 15.14"},
		{"postgres", "16beta1", "PostgreSQL 16.0"},
		{"postgres", "9.6.24", "PostgreSQL 9.6.24"},
		{"postgres", "CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu, built 2023/09/27)", "CockroachDB 23.1.11"},
		{"postgres", "PostgreSQL 11.2-YB-2.18.4.0-b0 on x86_64-pc-linux-gnu", "YugabyteDB 2.18.4"},
		{"mysql", "", "an unknown database server"},
		{"postgres", "server", "an unknown database server"},
		{"sqlite3", "3.40.1", "an unknown database server"},
	} {
		if got := ParseDatabaseServer(c.kind, c.version).String(); got != c.want {
			t.Errorf("%s %q: %s, want %s", c.kind, c.version, got, c.want)
		}
	}
}

func FuzzParseDatabaseServer(f *testing.F) {
	for _, s := range []string{"5.5.5-10.11.6-MariaDB", "CockroachDB CCL v", "-tidb-", "99999999999999999999.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []string{"postgres", "mysql"} {
			_ = ParseDatabaseServer(kind, text).String()
		}
	})
}

func given(pairs ...string) Settings {
	return func(section, key string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == section+"."+key {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestKnownBad(t *testing.T) {
	mysql := func(v string) DatabaseServer { return ParseDatabaseServer("mysql", v) }
	postgres := ParseDatabaseServer("postgres", "PostgreSQL 15.14 on x86_64")
	cockroach := ParseDatabaseServer("postgres", "CockroachDB CCL v23.1.11")
	percona, unlocked := mysql("8.0.35-27.1"), given("database.migration_locking", "false")
	for name, c := range map[string]struct {
		from, to string
		server   DatabaseServer
		settings Settings
		take     string // empty: nothing is known
	}{
		"the outage of 10.4.0 to 12.4.0":        {"10.4.0", "12.4.0", mysql("10.11.6-MariaDB"), nil, "12.4.1"},
		"a first deployment":                    {"", "12.4.0", mysql("10.11.6-MariaDB"), nil, "12.4.1"},
		"behind the prefix for replicas":        {"12.3.1", "12.4.0", mysql("5.5.5-10.11.6-MariaDB-log"), nil, "12.4.1"},
		"a security build of a bad release":     {"12.3.1", "12.4.0+security-01", mysql("10.11.6-MariaDB"), nil, "12.4.1"},
		"mended in the patch":                   {"12.3.1", "12.4.1", mysql("10.11.6-MariaDB"), nil, ""},
		"across the bad release":                {"10.3.1", "12.4.3", mysql("10.11.6-MariaDB"), nil, ""},
		"MariaDB that has the collation":        {"12.3.1", "12.4.0", mysql("11.4.5-MariaDB"), nil, ""},
		"MariaDB just before it":                {"12.3.1", "12.4.0", mysql("11.4.4-MariaDB"), nil, "12.4.1"},
		"a MariaDB series that ended before it": {"12.3.1", "12.4.0", mysql("11.5.2-MariaDB"), nil, "12.4.1"},
		"MySQL that has the collation":          {"12.3.1", "12.4.0", mysql("8.0.36"), nil, ""},
		"Percona that has it":                   {"12.3.1", "12.4.0", mysql("8.0.36-28"), nil, ""},
		"MySQL that has it not":                 {"12.3.1", "12.4.0", mysql("5.7.44-log"), nil, "12.4.1"},
		"Aurora 2":                              {"12.3.1", "12.4.0", mysql("5.7.mysql_aurora.2.11.4"), nil, "12.4.1"},
		"Aurora 3":                              {"12.3.1", "12.4.0", mysql("8.0.mysql_aurora.3.04.1"), nil, ""},
		"PostgreSQL":                            {"12.3.1", "12.4.0", postgres, nil, ""},
		"a server nobody could ask":             {"12.3.1", "12.4.0", DatabaseServer{}, nil, ""},
		"what runs already has survived":        {"12.4.0", "12.4.0", mysql("10.11.6-MariaDB"), nil, ""},

		"orphaned permissions":                      {"10.4.10", "10.4.11", mysql("10.11.6-MariaDB"), nil, "10.4.13"},
		"orphaned permissions in another branch":    {"10.4.10", "11.2.3", mysql("11.4.5-MariaDB"), nil, "11.2.4"},
		"orphaned permissions, its security build":  {"11.2.2", "11.3.0+security-01", mysql("10.6.1-MariaDB"), nil, "11.3.1"},
		"MariaDB with aliases in DELETE":            {"11.2.2", "11.3.0", mysql("11.6.2-MariaDB"), nil, ""},
		"a new database has no permissions at all":  {"", "11.3.0", mysql("10.11.6-MariaDB"), nil, ""},
		"from one bad release to the next":          {"11.2.3", "11.3.0", mysql("10.11.6-MariaDB"), nil, ""},
		"TLS that unified storage leaves out":       {"11.2.2", "11.3.0", postgres, given("database.ssl_mode", "require"), "11.3.1"},
		"no TLS to leave out":                       {"11.2.2", "11.3.0", postgres, given("database.ssl_mode", "disable"), ""},
		"TLS of another server":                     {"11.2.2", "11.3.0", mysql("8.0.36"), given("database.ssl_mode", "true"), ""},
		"a lock that is turned off":                 {"11.4.0", "11.6.2", percona, unlocked, "11.6.3"},
		"a lock that is turned off, next major":     {"11.4.0", "12.0.1", percona, unlocked, "12.0.2"},
		"a lock that is turned off and stays off":   {"11.4.0", "12.0.2", percona, unlocked, ""},
		"a lock that is left on":                    {"11.4.0", "11.6.2", percona, given(), ""},
		"CockroachDB is not a PostgreSQL of 23.1":   {"11.2.2", "11.3.0", cockroach, given("database.ssl_mode", "require"), ""},
		"TiDB does not have MySQL's own collations": {"12.3.1", "12.4.0", mysql("8.0.11-TiDB-v7.5.1"), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := Situation{To: version(t, c.to), Database: c.server, Settings: c.settings}
			if c.from != "" {
				s.From = version(t, c.from)
			}
			found := KnownBad(s)
			switch {
			case c.take == "" && len(found) > 0:
				t.Errorf("found %v", found)
			case c.take != "" && (len(found) != 1 || found[0].Take.String() != c.take):
				t.Errorf("found %v, want one that names %s", found, c.take)
			}
			for _, b := range found {
				for _, want := range []string{"Grafana " + c.to, "take " + c.take, "#"} {
					if !strings.Contains(b.String(), want) {
						t.Errorf("%q does not say %q", b, want)
					}
				}
			}
		})
	}
}

func TestEveryBadPairIsWhole(t *testing.T) {
	for _, p := range badPairs() {
		if p.happens == "" || !strings.HasPrefix(p.source, "#") || !strings.ContainsAny(p.source, ",;") || len(p.releases) == 0 {
			t.Errorf("%q: source %q, %d releases", p.happens, p.source, len(p.releases))
		}
		if p.product == "" && p.setting == nil || (p.setting != nil) != (p.with != "") {
			t.Errorf("%q concerns everybody, or has a setting without a name", p.happens)
		}
		for _, r := range p.releases {
			if r.since.Compare(r.until) >= 0 || !MindsDatabase(r.since) && p.product != "" {
				t.Errorf("%q: from %s to %s", p.happens, r.since, r.until)
			}
			// What is advised must not be bad itself, with any server of this row.
			for _, q := range badPairs() {
				if _, bad := q.release(r.until); bad && q.product == p.product && q.setting == nil {
					t.Errorf("%s is advised and is bad itself: %s", r.until, q.happens)
				}
			}
		}
	}
	if MindsDatabase(release(10, 3, 1)) || MindsDatabase(release(12, 4, 1)) {
		t.Error("the server is asked although no row needs it")
	}
}
