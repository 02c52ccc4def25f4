package main

import (
	"strings"
	"testing"
)

func TestRowsReplaceThoseOfTheSameHosts(t *testing.T) {
	page := "# Page\n" + begin + "\n" + head + "| a | x | 1 |\n| b | x | 2 |\n" + end + "\ntail\n"
	got, err := merge(page, "| b | x | 3 |\n| c | x | 4 |\n", "2026-11-29")
	if err != nil {
		t.Fatal(err)
	}
	want := "# Page\n" + begin + "\nLast run: 2026-11-29\n\n" + head + "| a | x | 1 |\n| b | x | 3 |\n| c | x | 4 |\n" + end + "\ntail\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if again, err := merge(got, "", "2026-11-29"); err != nil || again != got {
		t.Errorf("without rows the page changes: %v\n%s", err, again)
	}
	if _, err := merge("no markers", "", ""); err == nil || !strings.Contains(err.Error(), begin) {
		t.Errorf("a page without markers: %v", err)
	}
}
