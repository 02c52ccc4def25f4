package grafana

import (
	"fmt"
	"sync"
)

// holds says whether the row is true for v.
func (f fact) holds(v Version) bool {
	if !v.AtLeast(f.Since) {
		return false
	}
	return f.Until.IsZero() || !v.AtLeast(f.Until)
}

// row names a fact.
type row struct {
	kind          kind
	section, name string
}

// table is facts by name; never written to after it is made.
var table = sync.OnceValue(func() map[row]fact {
	t := map[row]fact{}
	for _, f := range facts() {
		t[row{f.Kind, f.Section, f.Name}] = f
	}
	return t
})

func lookup(k kind, section, name string) (fact, bool) {
	f, ok := table()[row{k, section, name}]
	return f, ok
}

func able(v Version, name string) bool {
	f, ok := lookup(anAbility, "", name)
	return ok && f.holds(v)
}

// Since is the first version that knows a key of grafana.ini; ok is false when
// the table says nothing of it, as for the keys that every version from 6.5 has.
func Since(section, key string) (v Version, ok bool) {
	for _, f := range keyFacts(section, key) {
		v, ok = f.Since, true
	}
	return v, ok
}

// KeyKnown says whether v knows a key, and since when there is such a key. Keys
// that the table does not list are taken for known: [CheckKeys] compares them
// with the release's own defaults.
func KeyKnown(v Version, section, key string) (known bool, introduced Version) {
	known = true
	for _, f := range keyFacts(section, key) {
		known = known && f.holds(v)
		introduced = f.Since // the key's own, where there is one, is the later
	}
	return known, introduced
}

// keyFacts are the rows that a key depends on: its section's, then its own.
func keyFacts(section, key string) []fact {
	var all []fact
	if f, ok := lookup(aSection, section, ""); ok {
		all = append(all, f)
	}
	if f, ok := lookup(aKey, section, key); ok {
		all = append(all, f)
	}
	return all
}

// UnknownKeyError is a key that a version does not know.
type UnknownKeyError struct {
	Version      Version
	Section, Key string
	Since, Until Version // zero when not known
}

// Error names the first version that knows the key, or the last that did.
func (e *UnknownKeyError) Error() string {
	name := e.Section + "." + e.Key
	if !e.Until.IsZero() && e.Version.AtLeast(e.Until) {
		return fmt.Sprintf("Grafana %s no longer knows %s; it is gone since %s", e.Version, name, e.Until)
	}
	return fmt.Sprintf("Grafana %s does not know %s; the first version that does is %s", e.Version, name, e.Since)
}

func unknownKey(v Version, section, key string) *UnknownKeyError {
	e := &UnknownKeyError{Version: v, Section: section, Key: key}
	for _, f := range keyFacts(section, key) {
		if !f.holds(v) {
			e.Since, e.Until = f.Since, f.Until
		}
	}
	return e
}

// unable is the error of a form of a key that only the versions with an ability know.
func unable(v Version, section, key, ability string) *UnknownKeyError {
	f, _ := lookup(anAbility, "", ability)
	return &UnknownKeyError{Version: v, Section: section, Key: key, Since: f.Since, Until: f.Until}
}

// HasFileExpander says whether $__file{} is expanded (7.1).
func HasFileExpander(v Version) bool { return able(v, fileExpander) }

// HasGrafanaBinary says whether the server is started as "bin/grafana server";
// older archives have only bin/grafana-server.
func HasGrafanaBinary(v Version) bool { return able(v, grafanaBinary) }

// HasUnifiedAlerting says whether unified alerting can be made highly available
// (8.2; before that it is a toggle without HA).
func HasUnifiedAlerting(v Version) bool { return able(v, unifiedAlerting) }

// HasLegacyAlerting says whether there still is the alerting of before 8 (gone in 11).
func HasLegacyAlerting(v Version) bool { return able(v, legacyAlerting) }

// RedisAlerting says whether the Alertmanagers can meet on Redis instead of by gossip.
func RedisAlerting(v Version) bool {
	known, _ := KeyKnown(v, "unified_alerting", "ha_redis_address")
	return known
}

// LivePassword says whether Live can log in to Redis.
func LivePassword(v Version) bool {
	known, _ := KeyKnown(v, "live", "ha_engine_password")
	return known
}

// LivePrefix says whether Live's keys in Redis can have a prefix. Without one
// two clusters on one Redis mix their messages, whatever the database number,
// because Redis Pub/Sub ignores it.
func LivePrefix(v Version) bool {
	known, _ := KeyKnown(v, "live", "ha_prefix")
	return known
}

// SingleEvaluation says whether one host may evaluate the alert rules for all, as
// documented; an earlier version that reads the key is not meant.
func SingleEvaluation(v Version) bool { return able(v, singleEvaluation) }

// LocksTables says whether v locks the tables that it moves to unified storage, for
// which a MySQL login needs the privilege LOCK TABLES.
func LocksTables(v Version) bool { return able(v, tableLocks) }

// Lock is how a version keeps two nodes from migrating the schema at once.
type Lock string

// The migration locks.
const (
	NoLock     Lock = "none"                         // 6.5 to 8.3: only starting one node alone helps
	ToggleLock Lock = "feature toggle"               // 8.4 to 10.4: migrationLocking, off by default
	KeyLock    Lock = "[database] migration_locking" // from 11.0, on by default
)

// MigrationLock says which lock v has.
func MigrationLock(v Version) Lock {
	if known, _ := KeyKnown(v, "database", "migration_locking"); known {
		return KeyLock
	}
	if f, ok := lookup(aToggle, "", "migrationLocking"); ok && f.holds(v) {
		return ToggleLock
	}
	return NoLock
}

// LiveBroadcast says whether anybody who may can publish on Live's channels
// grafana/broadcast/... (gone in 12.4).
func LiveBroadcast(v Version) bool { return able(v, liveBroadcast) }

// LiveNamespace says whether the names of Live's channels begin with a namespace
// ("default", "org-2") on the wire, not with the organisation's number (from 12.4 on).
func LiveNamespace(v Version) bool { return able(v, liveNamespace) }

// HasSharedLive says whether the nodes of Live can meet on Redis (8.1).
func HasSharedLive(v Version) bool {
	known, _ := KeyKnown(v, "live", "ha_engine")
	return known
}
