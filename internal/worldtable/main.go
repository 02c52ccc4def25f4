// Command worldtable writes the rows that .ci/test-world made into a page, between its
// markers: worldtable PAGE ROWS. Rows of what was not run this time stay.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	begin = "<!-- test-world: begin -->"
	end   = "<!-- test-world: end -->"
	head  = "| hosts | what they are | check | deploy | change of port | restart | upgrade | rollback |\n|---|---|---|---|---|---|---|---|\n"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "worldtable PAGE ROWS")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2], time.Now()); err != nil {
		fmt.Fprintln(os.Stderr, "worldtable:", err)
		os.Exit(1)
	}
}

func write(page, rows string, now time.Time) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	fresh, err := os.ReadFile(rows)
	if err != nil {
		return err
	}
	out, err := merge(string(text), string(fresh), now.UTC().Format(time.DateOnly))
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return os.WriteFile(page, []byte(out), 0o600)
}

// merge puts fresh rows in the place of those with the same first cell, or behind the others.
func merge(page, fresh, date string) (string, error) {
	before, rest, ok := strings.Cut(page, begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", fmt.Errorf("it has no line %q followed by %q", begin, end)
	}
	var order []string
	rows := map[string]string{}
	for line := range strings.Lines(old + "\n" + fresh) {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(head, line) {
			continue
		}
		if rows[name] == "" {
			order = append(order, name)
		}
		rows[name] = strings.TrimRight(line, "\n") + "\n"
	}
	var b strings.Builder
	b.WriteString(before + begin + "\nLast run: " + date + "\n\n" + head)
	for _, name := range order {
		b.WriteString(rows[name])
	}
	return b.String() + end + after, nil
}
