package grafana

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plainDSNName is what both connection strings, xorm's parser and the
// migration lock's own reading of the name (`dbname=(\w+)`) agree on.
var plainDSNName = regexp.MustCompile(`^\w[\w\-]*$`)

// needsQuotes says whether lib/pq would not read v as it stands in
// "key=v key=v".
func needsQuotes(v string) bool {
	return strings.ContainsAny(v, `\'`) || strings.IndexFunc(v, unicode.IsSpace) >= 0
}

// postgresValue spells a value for the connection string that Grafana builds
// with "password=%s" and no quoting (pkg/services/sqlstore, 6.5 to 13). lib/pq
// reads 'quoted' values, so the quotes become part of what Grafana is given,
// with two limits: xorm splits the string at every space beforehand, and the
// unified storage of 11.3 to 12.2 quotes the same value once more.
func postgresValue(v string, version Version) (string, error) {
	switch {
	case strings.ContainsRune(v, 0):
		return "", errValue{"PostgreSQL has no NUL byte in it"}
	case !utf8.ValidString(v):
		return "", errValue{"it is not valid UTF-8"}
	case strings.ContainsRune(v, ' '):
		return "", errValue{"it holds a space, at which Grafana cuts its PostgreSQL connection string"}
	case !needsQuotes(v):
		return v, nil
	case able(version, doubleConnection):
		return "", errValue{"it holds a quote, a backslash or white space, which Grafana 11.3 to 12.2 spell in two ways that exclude each other"}
	}
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v) + "'", nil
}

// FromPostgresValue is what lib/pq makes of a value that [Node.Render] has written into
// grafana.ini.
func FromPostgresValue(v string) string {
	if len(v) < 2 || v[0] != '\'' || v[len(v)-1] != '\'' {
		return v
	}
	return strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(v[1 : len(v)-1])
}

// mysqlUser checks the user of "user:password@tcp(host)/name?...": the driver
// cuts at the first colon.
func mysqlUser(v string) error {
	if strings.Contains(v, ":") {
		return errValue{"it holds a colon, at which Grafana's MySQL connection string is cut"}
	}
	return mysqlPassword(v)
}

// mysqlPassword checks the password: it ends at the last @ before the last /,
// so it may hold both; only line breaks stop xorm's pattern.
func mysqlPassword(v string) error {
	switch {
	case strings.ContainsAny(v, "\n\r\x00"):
		return errValue{"it holds a line break or NUL byte, which Grafana's MySQL connection string cannot carry"}
	case !utf8.ValidString(v):
		return errValue{"it is not valid UTF-8"}
	}
	return nil
}
