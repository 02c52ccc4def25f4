package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// seenRow is a row of the table in docs/versions.md: what one real release did. An
// empty cell was not reached.
type seenRow struct {
	version, with, deploy, verify, restart, failed, upgrade, outage, date string
}

const (
	seenBegin = "<!-- test-real: begin -->"
	seenEnd   = "<!-- test-real: end -->"
	seenHead  = "| version | with | deploy | verify | restart | failed requests | upgrade to the next | longest gap in it | date |\n|---|---|---|---|---|---|---|---|---|\n"
)

func (s seenRow) cells() []string {
	return []string{s.version, s.with, s.deploy, s.verify, s.restart, s.failed, s.upgrade, s.outage, s.date}
}

func (s seenRow) line() string {
	cells := s.cells()
	for i, c := range cells {
		if c == "" {
			cells[i] = "-"
		}
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// writeSeen puts a row into the page's table, in the place of an older one of the
// same version and backends.
func writeSeen(page string, row seenRow) error {
	b, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	text, err := withSeen(string(b), row)
	if err != nil {
		return err
	}
	return os.WriteFile(page, []byte(text), 0o644)
}

const (
	ladderBegin = "<!-- test-real ladder: begin -->"
	ladderEnd   = "<!-- test-real ladder: end -->"
)

// writeLadder puts a sentence below the table.
func writeLadder(page, text string) error {
	b, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(b), ladderBegin)
	_, tail, ended := strings.Cut(rest, ladderEnd)
	if !ok || !ended {
		return errors.New("the page has no markers for the ladder")
	}
	return os.WriteFile(page, []byte(head+ladderBegin+"\n"+text+"\n"+ladderEnd+tail), 0o644)
}

func withSeen(page string, row seenRow) (string, error) {
	head, rest, ok := strings.Cut(page, seenBegin)
	table, tail, ended := strings.Cut(rest, seenEnd)
	if !ok || !ended {
		return "", errors.New("the page has no markers for the table")
	}
	rows := map[string]string{row.version + "|" + row.with: row.line()}
	keys := []string{row.version + "|" + row.with}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, " | ")
		if len(cells) < 3 || !strings.ContainsAny(cells[0], "0123456789") {
			continue
		}
		key := strings.TrimPrefix(cells[0], "| ") + "|" + cells[1]
		if rows[key] == "" {
			keys = append(keys, key)
			rows[key] = line
		}
	}
	slices.SortStableFunc(keys, func(a, b string) int {
		va, wa, _ := strings.Cut(a, "|")
		vb, wb, _ := strings.Cut(b, "|")
		if c := labtest.CompareVersions(va, vb); c != 0 {
			return c
		}
		return strings.Compare(order(wa), order(wb))
	})
	var out strings.Builder
	out.WriteString(head + seenBegin + "\n" + seenHead)
	for _, k := range keys {
		out.WriteString(rows[k])
	}
	out.WriteString(seenEnd + tail)
	return out.String(), nil
}

// order puts the row that is upgraded first.
func order(with string) string {
	if strings.Contains(with, "redis") {
		return "1" + with
	}
	return "0" + with
}

func TestARowTakesThePlaceOfItsOlderSelf(t *testing.T) {
	page := "# Page\n" + seenBegin + "\n" + seenEnd + "\nafter\n"
	for _, row := range []seenRow{
		{version: "10.3.1", with: "PostgreSQL, gossip", deploy: "20 s"},
		{version: "9.4.0", with: "PostgreSQL, gossip", deploy: "**failed**"},
		{version: "10.3.1", with: "MariaDB, redis", deploy: "21 s"},
		{version: "9.4.0", with: "PostgreSQL, gossip", deploy: "22 s", date: "2026-11-28"},
	} {
		var err error
		if page, err = withSeen(page, row); err != nil {
			t.Fatal(err)
		}
	}
	want := "# Page\n" + seenBegin + "\n" + seenHead +
		"| 9.4.0 | PostgreSQL, gossip | 22 s | - | - | - | - | - | 2026-11-28 |\n" +
		"| 10.3.1 | PostgreSQL, gossip | 20 s | - | - | - | - | - | - |\n" +
		"| 10.3.1 | MariaDB, redis | 21 s | - | - | - | - | - | - |\n" +
		seenEnd + "\nafter\n"
	if page != want {
		t.Errorf("got\n%s\nwant\n%s", page, want)
	}
	if _, err := withSeen("no markers", seenRow{}); err == nil {
		t.Error("a page without markers takes a row")
	}
}

// The page of the repository can take rows.
func TestThePageOfVersionsHasTheTable(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(labtest.Root(), "docs", "versions.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(t.TempDir(), "versions.md")
	if err := os.WriteFile(page, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(writeSeen(page, seenRow{version: "1.0.0"}), writeLadder(page, "1.0.0 → 2.0.0")); err != nil {
		t.Error(err)
	}
	if b, err = os.ReadFile(page); err != nil || !strings.Contains(string(b), "| 1.0.0 |") || !strings.Contains(string(b), "\n1.0.0 → 2.0.0\n") {
		t.Errorf("the page is now (%v)\n%s", err, b)
	}
}
