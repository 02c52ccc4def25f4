package grafana

import (
	"fmt"
	"strings"
)

// badPair is one row of the table of what strands a cluster: releases of Grafana
// that do not start, or do not get through their migrations, with a database
// server or a setting.
type badPair struct {
	// releases are affected from Since on; Until is mended, and what to take instead.
	releases []span
	// product and servers: the database servers concerned, all where servers is
	// empty; no product: any.
	product Product
	servers []servers
	// setting says whether the settings are those concerned; nil: any.
	setting func(Settings) bool
	with    string // the setting in words: "database.ssl_mode"
	// upgrade: only a database with content is affected, not a new one.
	upgrade bool
	happens string // what the operator would see
	source  string
}

// servers are versions of a product: from from on and before below.
type servers struct{ from, below ServerNumber }

// badPairs has only faults that were reported and mended: "#N" is
// github.com/grafana/grafana issue or pull request N, "changelog V" the part of
// CHANGELOG.md that says where it was mended.
func badPairs() []badPair {
	return []badPair{
		{
			releases: []span{between(release(12, 4, 0), release(12, 4, 1))},
			product:  MariaDB,
			// 11.5 and 11.6 ended before 11.4.5 brought the collation in February 2025.
			servers: []servers{{below: ServerNumber{11, 4, 5}}, {from: ServerNumber{11, 5}, below: ServerNumber{11, 7}}},
			happens: `a migration fails ("Unknown collation: 'utf8mb4_0900_as_cs'"), no host starts again, and only a dump leads back`,
			source:  "#118836, #118972, changelog 12.4.1 (#119028); MariaDB 11.4.5 release notes",
		},
		{
			releases: []span{between(release(12, 4, 0), release(12, 4, 1))},
			product:  MySQL, servers: []servers{{below: ServerNumber{8}}},
			happens: `a migration fails ("Unknown collation: 'utf8mb4_0900_as_cs'", which MySQL has since 8.0), and only a dump leads back`,
			source:  "#118972, changelog 12.4.1 (#119028)",
		},
		{
			releases: []span{
				between(release(10, 4, 11), release(10, 4, 13)), between(release(11, 0, 7), release(11, 0, 8)),
				between(release(11, 1, 8), release(11, 1, 9)), between(release(11, 2, 3), release(11, 2, 4)),
				between(release(11, 3, 0), release(11, 3, 1)),
			},
			product: MariaDB, servers: []servers{{below: ServerNumber{11, 6}}}, upgrade: true,
			happens: `the migration "delete orphaned service account permissions" fails with a syntax error where such permissions are left`,
			source: "#95219, #96252, #95904; mended by #95228 and in changelogs 11.0.8, 11.1.9, 11.2.4, 11.3.1 (#95229 to #95232); " +
				"MariaDB has aliases in DELETE since 11.6 (#95226)",
		},
		{
			releases: []span{between(release(11, 3, 0), release(11, 3, 1))},
			product:  PostgreSQL,
			setting:  func(s Settings) bool { m := s("database", "ssl_mode"); return m != "" && m != "disable" }, with: "database.ssl_mode",
			happens: `unified storage connects without TLS, and Grafana does not start where the server wants it ("no encryption")`,
			source:  "#95658, changelog 11.3.1 (#95662)",
		},
		{
			releases: []span{between(release(11, 5, 0), release(11, 6, 3)), between(release(12, 0, 0), release(12, 0, 2))},
			product:  MySQL,
			setting:  func(s Settings) bool { return s("database", "migration_locking") == "false" }, with: "database.migration_locking = false",
			happens: `unified storage takes the lock all the same, and Grafana does not start on a server that refuses it (Percona XtraDB Cluster)`,
			source: "#100256; mended by #105950, merged after 11.6.2, whose pkg/storage/unified/sql/db/migrations has it hard-coded, " +
				"and in changelog 12.0.2 (#105951)",
		},
	}
}

func between(since, until Version) span { return span{since: since, until: until} }

// Settings gives the value of a key of grafana.ini as it will be written; "" where
// it is left out.
type Settings func(section, key string) string

// SettingsOf reads the text of a grafana.ini that [Node.Render] made.
func SettingsOf(text []byte) (Settings, error) {
	f, err := loadINI(text)
	if err != nil {
		return nil, fmt.Errorf("reading grafana.ini: %w", err)
	}
	return func(section, key string) string { return f.Section(section).Key(key).Value() }, nil
}

// Situation is what a version is to run on.
type Situation struct {
	From     Version // what runs now; zero: nothing
	To       Version
	Database DatabaseServer // zero: not known, and then no row about servers applies
	Settings Settings       // nil: not known
}

// Bad is a known fault that a [Situation] runs into.
type Bad struct {
	Version Version
	On      string  // "MariaDB 10.11.6"
	Happens string  // what would be seen
	Take    Version // the release that has it mended
	Source  string
}

// String is one sentence: what is bad, what would happen, what to take instead.
func (b Bad) String() string {
	return fmt.Sprintf("Grafana %s with %s: %s (%s); take %s or a later one", b.Version, b.On, b.Happens, b.Source, b.Take)
}

// KnownBad lists the known faults that a version change, or a first deployment, runs
// into. A version that runs already has survived its own faults: none is listed
// where From is among the same row's releases.
func KnownBad(s Situation) []Bad {
	var all []Bad
	for _, p := range badPairs() {
		r, hit := p.release(s.To)
		if !hit || !p.concerns(s) {
			continue
		}
		if _, survived := p.release(s.From); survived && !s.From.IsZero() {
			continue
		}
		all = append(all, Bad{Version: s.To, On: p.on(s), Happens: p.happens, Take: r.until, Source: shortSource(p.source)})
	}
	return all
}

func (p badPair) release(v Version) (span, bool) {
	for _, r := range p.releases {
		if v.AtLeast(r.since) && !v.AtLeast(r.until) {
			return r, true
		}
	}
	return span{}, false
}

func (p badPair) concerns(s Situation) bool {
	switch {
	case p.upgrade && s.From.IsZero():
		return false
	case p.setting != nil && (s.Settings == nil || !p.setting(s.Settings)):
		return false
	}
	if p.product == "" {
		return true
	}
	return p.product == s.Database.Product && p.serves(s.Database.Number)
}

func (p badPair) serves(n ServerNumber) bool {
	for _, r := range p.servers {
		if !n.before(r.from) && n.before(r.below) {
			return true
		}
	}
	return len(p.servers) == 0
}

func (p badPair) on(s Situation) string {
	var words []string
	if p.product != "" {
		words = append(words, s.Database.String())
	}
	if p.with != "" {
		words = append(words, p.with)
	}
	return strings.Join(words, " and ")
}

// shortSource is the issue that a row is about.
func shortSource(source string) string {
	return source[:strings.IndexAny(source, ",;")]
}

// MindsDatabase says whether any row about v depends on what the database server is:
// where none does, nobody has to ask it.
func MindsDatabase(v Version) bool {
	for _, p := range badPairs() {
		if _, hit := p.release(v); hit && p.product != "" {
			return true
		}
	}
	return false
}
