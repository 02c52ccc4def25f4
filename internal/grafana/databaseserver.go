package grafana

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Product is a database server's make.
type Product string

// The products that are told from each other. What only speaks the language of one
// is none of its versions.
const (
	PostgreSQL  Product = "PostgreSQL"
	MySQL       Product = "MySQL" // Percona and Aurora too, which number as MySQL does
	MariaDB     Product = "MariaDB"
	CockroachDB Product = "CockroachDB"
	YugabyteDB  Product = "YugabyteDB"
	TiDB        Product = "TiDB"
)

// DatabaseServer is what a server says it is; the zero one is not known.
type DatabaseServer struct {
	Product Product
	Number  ServerNumber
	Text    string // as the server said it
}

// ServerNumber is a server's version; what it does not say is 0.
type ServerNumber [3]int

func (n ServerNumber) before(o ServerNumber) bool {
	for i := range n {
		if n[i] != o[i] {
			return n[i] < o[i]
		}
	}
	return false
}

// String is the version with as many numbers as are needed: "8.0", "11.4.5".
func (n ServerNumber) String() string {
	if n[2] == 0 {
		return fmt.Sprintf("%d.%d", n[0], n[1])
	}
	return fmt.Sprintf("%d.%d.%d", n[0], n[1], n[2])
}

// String is for messages: "MariaDB 10.11.6".
func (s DatabaseServer) String() string {
	if s.Product == "" {
		return "an unknown database server"
	}
	return string(s.Product) + " " + s.Number.String()
}

var (
	serverNumber = regexp.MustCompile(`(\d{1,4})(?:\.(\d{1,4}))?(?:\.(\d{1,4}))?`)
	// MariaDB before 11 puts this before its own version, for replicas that would
	// take 10 for 1 (MDEV-4088); proxies still do.
	replicationPrefix = regexp.MustCompile(`^5\.5\.5-(\d+\.)`)
)

// imitators speak another server's language; the word is found in version(), and
// their own number follows the marker.
var imitators = []struct {
	word, marker string
	product      Product
}{
	{"cockroachdb", "v", CockroachDB},
	{"-yb-", "-yb-", YugabyteDB},
	{"-tidb-", "-tidb-v", TiDB},
}

// ParseDatabaseServer reads what SELECT version() answers on a server of a kind,
// "postgres" or "mysql": "PostgreSQL 15.3 (Debian 15.3-1.pgdg120+1) on ...", "16beta1",
// "8.0.36-28", "8.0.mysql_aurora.3.04.1", "5.5.5-10.11.6-MariaDB-log".
func ParseDatabaseServer(kind, version string) DatabaseServer {
	s := DatabaseServer{Text: version}
	lower := strings.ToLower(strings.TrimSpace(version))
	for _, i := range imitators {
		if strings.Contains(lower, i.word) {
			_, own, _ := strings.Cut(lower[strings.Index(lower, i.word):], i.marker)
			s.Product, s.Number = i.product, numberIn(own)
			return s
		}
	}
	switch {
	case kind == "postgres":
		s.Product = PostgreSQL
	case kind == "mysql" && strings.Contains(lower, "mariadb"):
		s.Product, lower = MariaDB, replicationPrefix.ReplaceAllString(lower, "$1")
	case kind == "mysql":
		s.Product = MySQL
	}
	if s.Number = numberIn(lower); s.Number == (ServerNumber{}) {
		return DatabaseServer{Text: version}
	}
	return s
}

func numberIn(text string) (n ServerNumber) {
	m := serverNumber.FindStringSubmatch(text)
	for i := 1; i < len(m); i++ {
		n[i-1], _ = strconv.Atoi(m[i]) // "" is 0
	}
	return n
}
