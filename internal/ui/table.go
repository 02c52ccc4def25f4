package ui

import "strings"

// column is one column of a table. When the terminal is too narrow, the
// columns with the highest drop go first; 0 always stays.
type column struct {
	title string
	drop  int
	right bool
}

// table renders rows under a heading, two spaces between columns. Cells may be
// coloured. Columns that are empty in every row are left out.
func table(s Style, columns []column, rows [][]string, limit int) string {
	widths := make([]int, len(columns))
	used := make([]bool, len(columns))
	for i, c := range columns {
		widths[i] = width(c.title)
		for _, r := range rows {
			used[i] = used[i] || r[i] != ""
			widths[i] = max(widths[i], width(r[i]))
		}
	}
	fit(columns, widths, used, limit)
	var b strings.Builder
	heading := make([]string, len(columns))
	for i, c := range columns {
		heading[i] = s.Faint(c.title)
	}
	for _, r := range append([][]string{heading}, rows...) {
		b.WriteString(row(columns, widths, used, r, limit))
		b.WriteByte('\n')
	}
	return b.String()
}

// fit takes columns away until the rest is narrow enough.
func fit(columns []column, widths []int, used []bool, limit int) {
	for total(widths, used) > limit {
		worst := -1
		for i, c := range columns {
			if used[i] && c.drop > 0 && (worst < 0 || c.drop > columns[worst].drop) {
				worst = i
			}
		}
		if worst < 0 {
			return
		}
		used[worst] = false
	}
}

func total(widths []int, used []bool) int {
	sum := -2
	for i, w := range widths {
		if used[i] {
			sum += w + 2
		}
	}
	return sum
}

func row(columns []column, widths []int, used []bool, cells []string, limit int) string {
	var parts []string
	for i, c := range columns {
		if !used[i] {
			continue
		}
		if c.right {
			parts = append(parts, strings.Repeat(" ", max(0, widths[i]-width(cells[i])))+cells[i])
		} else {
			parts = append(parts, pad(cells[i], widths[i]))
		}
	}
	return truncate(strings.TrimRight(strings.Join(parts, "  "), " "), max(limit, 20))
}
