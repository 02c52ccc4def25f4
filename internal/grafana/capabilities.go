package grafana

import "fmt"

// holds says whether the row is true for v.
func (f fact) holds(v Version) bool {
	if !v.AtLeast(f.Since) {
		return false
	}
	return f.Until.IsZero() || !v.AtLeast(f.Until)
}

func lookup(k kind, section, name string) (fact, bool) {
	for _, f := range facts() {
		if f.Kind == k && f.Section == section && f.Name == name {
			return f, true
		}
	}
	return fact{}, false
}

func able(v Version, name string) bool {
	f, ok := lookup(anAbility, "", name)
	return ok && f.holds(v)
}

// Since is the first version that knows a key of grafana.ini; ok is false when
// the table says nothing of it, as for the keys that every version from 6.5 has.
func Since(section, key string) (v Version, ok bool) {
	if f, found := lookup(aKey, section, key); found {
		return f.Since, true
	}
	if f, found := lookup(aSection, section, ""); found {
		return f.Since, true
	}
	return Version{}, false
}

// KeyKnown says whether v knows a key, and since when there is such a key. Keys
// that the table does not list are taken for known: [CheckKeys] compares them
// with the release's own defaults.
func KeyKnown(v Version, section, key string) (known bool, introduced Version) {
	for _, k := range []struct {
		kind kind
		name string
	}{{aSection, ""}, {aKey, key}} {
		f, ok := lookup(k.kind, section, k.name)
		if !ok {
			continue
		}
		introduced = f.Since
		if !f.holds(v) {
			return false, introduced
		}
	}
	return true, introduced
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
	for _, look := range []struct {
		kind kind
		name string
	}{{aSection, ""}, {aKey, key}} {
		f, ok := lookup(look.kind, section, look.name)
		if ok && !f.holds(v) {
			e.Since, e.Until = f.Since, f.Until
			return e
		}
	}
	return e
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

// HasMetric says whether a metric of the table is exported by v.
func HasMetric(v Version, name string) bool {
	f, ok := lookup(aMetric, "", name)
	return ok && f.holds(v)
}

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
