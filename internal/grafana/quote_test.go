package grafana

import (
	"os"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"
)

func TestQuoteINI(t *testing.T) {
	for _, v := range []string{
		"plain", "pa#ss", "pa;ss", "pa #ss", "#x", ";x", `pa\`, `pa\\`, "pa$ss", "%s", "%%", "100%", `"quoted"`, `'quoted'`, `"half`, `half"`,
		" leading", "trailing ", "\ttab\t", "back`tick", "`", "``", "a=b", "[x]", "=", ":", "é✓", `C:\dir\`, `"""`, "-",
	} {
		s, err := quoteINI(v)
		if err != nil {
			t.Errorf("%q is refused: %v", v, err)
			continue
		}
		if !readsBack(s, v) {
			t.Errorf("%q spelled %q does not read back", v, s)
		}
	}
	for _, v := range []string{"a\nb", "a\rb", "a\x00b", "\xff", "a`b#c\\"} {
		if s, err := quoteINI(v); err == nil && !readsBack(s, v) {
			t.Errorf("%q is spelled %q, which reads back as something else", v, s)
		}
	}
	for _, v := range []string{"a\nb", "a\rb", "a\x00b", "\xff"} {
		if s, err := quoteINI(v); err == nil {
			t.Errorf("%q is spelled %q, want a refusal", v, s)
		}
	}
}

// grafanaReads does to grafana.ini what Grafana does: parse it, put it over
// defaults, expand variables, then files, and interpolate.
func grafanaReads(t testing.TB, r Rendered, section, key string) string {
	t.Helper()
	f, err := loadINI(r.INI)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range f.Sections() {
		for _, k := range s.Keys() {
			k.SetValue(expand(k.Value(), func(kind, arg string) (string, bool) {
				return os.Getenv(arg), kind == "" || kind == "__env"
			}))
		}
	}
	for _, s := range f.Sections() {
		for _, k := range s.Keys() {
			k.SetValue(expand(k.Value(), func(kind, arg string) (string, bool) {
				return strings.TrimSpace(string(r.Secrets[arg[strings.LastIndex(arg, "/")+1:]])), kind == "__file"
			}))
		}
	}
	return f.Section(section).Key(key).String()
}

func expand(s string, with func(kind, arg string) (string, bool)) string {
	for _, m := range expander.FindAllStringSubmatch(s, -1) {
		if v, ok := with(m[1], m[2]); ok {
			s = strings.Replace(s, m[0], v, 1)
		}
	}
	return s
}

// carried renders value as a password, an admin password and a key of the
// operator's, and fails when Grafana would read another value than was given.
func carried(t testing.TB, v Version, value string) {
	t.Helper()
	for _, c := range []struct {
		section, key string
		put          func(*Node)
	}{
		{"security", "admin_password", func(n *Node) { n.Security.AdminPassword = value }},
		{"smtp", "password", func(n *Node) {
			n.Extra = []Section{{Name: "smtp", Keys: []Key{{Name: "password", Value: value, Secret: true}}}}
		}},
		{"smtp", "from_name", func(n *Node) {
			n.Extra = []Section{{Name: "smtp", Keys: []Key{{Name: "from_name", Value: value}, {Name: "user", Value: "next"}}}}
		}},
		{"database", "password", func(n *Node) { n.Database.Type, n.Database.SSLMode, n.Database.Password = "mysql", "", value }},
	} {
		n := testNode(v)
		if !HasUnifiedAlerting(v) {
			n.Alerting = Alerting{Mode: Alone}
		}
		c.put(&n)
		r, err := n.Render()
		if err != nil || value == "" {
			continue
		}
		if n.Extra != nil && len(r.Warnings) > 0 {
			continue // expanded by Grafana, and said so
		}
		if got := grafanaReads(t, r, c.section, c.key); got != value {
			t.Errorf("%s %s.%s: Grafana would read %q, given %q\n%s", v, c.section, c.key, got, value, r.INI)
		}
		if n.Extra != nil && len(n.Extra[0].Keys) > 1 {
			if got := grafanaReads(t, r, "smtp", "user"); got != "next" {
				t.Errorf("%s: %q damaged the next key: %q", v, value, got)
			}
		}
	}
}

var trickyParts = []string{"%(user)s", "%(name)s", "${HOME}", "$__file{/etc/passwd}", "$__env{HOME}", "`", `"""`, `"`, "'", "#", ";", `\`, "=", "[s]", " ", "\t",
	"\n", "a", "%", "$", "{", "}", "(", ")", "é", "\u00a0", "\ufeff", "\x00", "\xff", "key = x", "\r\n"}

func TestEveryValueIsCarriedOrRefused(t *testing.T) {
	versions := []Version{version(t, "6.5.0"), version(t, "10.3.1"), version(t, "12.3.1")}
	t.Setenv("HOME", "/home/x")
	rapid.Check(t, func(rt *rapid.T) {
		value := strings.Join(rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(trickyParts), rapid.String()), 0, 8).Draw(rt, "parts"), "")
		carried(t, rapid.SampledFrom(versions).Draw(rt, "version"), value)
	})
}

func FuzzINIRoundTrip(f *testing.F) {
	for _, p := range trickyParts {
		f.Add(p, true)
		f.Add("a"+p+"b", false)
	}
	modern, err := ParseVersion("12.3.1")
	if err != nil {
		f.Fatal(err)
	}
	old, err := ParseVersion("6.5.0")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value string, recent bool) {
		v := old
		if recent {
			v = modern
		}
		carried(t, v, value)
	})
}

func TestPostgresPasswordsSurviveTheConnectionString(t *testing.T) {
	v := version(t, "10.3.1")
	for _, password := range []string{
		"plain", "it's", `back\slash`, "'quoted'", `\`, "a=b", "tab\there", "new\nline", "p%40", "ünï", `"`, "#;", " nbsp\u00a0"[1:], "\ttabfirst",
	} {
		spelled, err := postgresValue(password, v)
		if err != nil {
			t.Errorf("%q is refused: %v", password, err)
			continue
		}
		if strings.TrimSpace(spelled) != spelled {
			t.Errorf("%q: $__file{} would trim %q", password, spelled)
		}
		// As in buildConnectionString. pgx reads libpq's syntax as lib/pq does.
		c, err := pgconn.ParseConfig("user=grafana host=h port=5432 dbname=grafana sslmode=disable password=" + spelled)
		if err != nil || c.Password != password {
			t.Errorf("%q is spelled %q: %v", password, spelled, err)
		}
	}
	for _, c := range []struct{ version, password, why string }{
		{"10.3.1", "two words", "space"}, {"10.3.1", "nul\x00", "NUL"}, {"10.3.1", "\xff", "UTF-8"}, {"11.6.0", "it's", "11.3 to 12.2"},
	} {
		if _, err := postgresValue(c.password, version(t, c.version)); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s %q: got %v, want a refusal about %s", c.version, c.password, err, c.why)
		}
	}
	if _, err := postgresValue("it's", version(t, "12.3.1")); err != nil {
		t.Errorf("12.3.1: %v", err)
	}
}

func TestMySQLPasswordsSurviveTheConnectionString(t *testing.T) {
	for _, password := range []string{"plain", "a@b", "a/b", "a:b", "a?b", "a@tcp(x)/y?z", "#;", "%41", "two words", `"'\`} {
		if err := mysqlPassword(password); err != nil {
			t.Errorf("%q is refused: %v", password, err)
			continue
		}
		c, err := mysql.ParseDSN("grafana:" + password + "@tcp(db:3306)/grafana?collation=utf8mb4_unicode_ci&allowNativePasswords=true&clientFoundRows=true")
		if err != nil || c.Passwd != password || c.User != "grafana" || c.DBName != "grafana" {
			t.Errorf("%q: %+v, %v", password, c, err)
		}
	}
	for _, user := range []string{"a:b", "a\nb"} {
		if err := mysqlUser(user); err == nil {
			t.Errorf("user %q is not refused", user)
		}
	}
}

func TestSecretsOnTheirWayThroughFiles(t *testing.T) {
	for value, why := range map[string]string{
		" leading": "trims", "trailing\n": "trims", "%(user)s": "another key", "$__vault{x}": "Enterprise", "": "empty", "\x00": "NUL",
	} {
		if err := checkFileSecret(value); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: got %v, want it to say %q", value, err, why)
		}
	}
	for _, value := range []string{"#;`\"", "${HOME}", "line\nbreak", "100%", "%s"} {
		if err := checkFileSecret(value); err != nil {
			t.Errorf("%q: %v", value, err)
		}
	}
}
