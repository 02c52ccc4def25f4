package grafana

import (
	"fmt"
	"strings"
)

// Handover is the third way of [UpgradePolicy]'s: one node is upgraded alone while the
// others serve on, takes over, and the others follow. Old and new share the database
// while the first one migrates, so it is for pairs of versions of which somebody has
// measured what happens to reads and writes meanwhile.
type Handover struct {
	// Measured: reads and writes of the old version all came through.
	Measured bool
	// Unsafe: they did not, or the sources say that they cannot; Measured is false then.
	Unsafe bool
	// Reason is for the plan: what was measured, or what speaks against it.
	Reason string
}

// handoverPair is an upgrade that was measured under reads and writes through the
// balancer, from the first request before the first node's turn to the last one's end.
type handoverPair struct {
	from, to Version
	database string
	// figures is what was seen, for the plan and the docs.
	figures string
}

// handoverBar is a version into which no handover leads: what the old one writes while
// the new one migrates is lost, or refused.
type handoverBar struct {
	into   Version
	text   string
	source string
}

// handoverPairs are the upgrades that were measured and lost nothing. Figures and the
// way they were measured are in docs/upgrades.md.
func handoverPairs() []handoverPair {
	return []handoverPair{
		{from: release(6, 7, 6), to: release(7, 5, 17), database: "postgres",
			figures: "3,627 reads at 200 a second and 18 writes, none failed or lost, at most 78 ms without an answer"},
		{from: release(7, 5, 17), to: release(8, 5, 15), database: "postgres",
			figures: "5,738 reads at 200 a second and 29 writes, none failed or lost, at most 73 ms without an answer"},
		{from: release(9, 4, 0), to: release(10, 3, 1), database: "postgres",
			figures: "6,468 reads at 200 a second and 32 writes, none failed or lost, at most 102 ms without an answer"},
		{from: release(10, 3, 1), to: release(11, 6, 2), database: "postgres",
			figures: "11,016 reads at 200 a second and 40 writes, none failed or lost, at most 126 ms without an answer"},
	}
}

// handoverBars are the versions that are entered with all other nodes stopped.
func handoverBars() []handoverBar {
	return []handoverBar{
		{into: release(12, 4, 0),
			text:   "12.4 copies playlists, and few dashboards and folders, to unified storage once, and reads only that: what older nodes save after the copy is lost",
			source: "pkg/storage/unified/migrations and pkg/setting/setting_unified_storage.go 12.4.0 (mode 5 for what was copied)"},
		{into: release(13, 0, 0),
			text:   "13.0 copies all dashboards and folders to unified storage once and renames their tables: what older nodes read and save after that fails",
			source: "#122993, #124030, #118680 (renamed tables)"},
	}
}

// handoverDoubts are the versions into which none leads by itself, though users who read
// and write noticed nothing when it was measured: somebody else would.
func handoverDoubts() []handoverBar {
	return []handoverBar{
		{into: release(9, 0, 0),
			text: "9.0 encrypts the secrets of data sources that it provisions at its start so that older nodes cannot read them, until it takes over " +
				"(users of 8.5.15 and 9.4.0 noticed nothing else: 9,941 reads at 200 a second and 51 writes, none failed or lost)",
			source: "Decrypt in pkg/services/secrets/manager/manager.go 8.5.15: envelope encryption is disabled"},
	}
}

// crossed are the texts of those bars that lie between two versions.
func crossed(bars []handoverBar, from, to Version) (out []string) {
	for _, b := range bars {
		if !from.AtLeast(b.into) && to.AtLeast(b.into) {
			out = append(out, b.text)
		}
	}
	return out
}

// HandoverBetween says what is known of a handover from one version to another on a
// type of database ("postgres", "mysql"). A pair that was measured speaks for every pair
// that lies within it: the migrations between are some of those that were measured.
func HandoverBetween(from, to Version, database string) Handover {
	if bars := crossed(handoverBars(), from, to); len(bars) > 0 {
		return Handover{Unsafe: true, Reason: strings.Join(bars, "; ")}
	}
	if doubts := crossed(handoverDoubts(), from, to); len(doubts) > 0 {
		return Handover{Reason: strings.Join(doubts, "; ")}
	}
	for _, p := range handoverPairs() {
		if p.database == database && from.AtLeast(p.from) && (p.to.AtLeast(to) || sameMinor(p.to, to)) {
			return Handover{Measured: true, Reason: fmt.Sprintf("measured from %s to %s: %s", p.from, p.to, p.figures)}
		}
	}
	return Handover{Reason: fmt.Sprintf("nobody has measured what %s reads and writes on this database while %s migrates it", from, to)}
}

func sameMinor(a, b Version) bool { return a.major == b.major && a.minor == b.minor }
