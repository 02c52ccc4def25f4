package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/tasks/check"
)

// handwritten are the Markdown pages that people write, relative to this folder.
func handwritten(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range []string{"../../*.md", "../../docs/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			out[f] = string(text)
		}
	}
	if len(out) < 15 {
		t.Fatalf("only %d pages: the test looks in the wrong place", len(out))
	}
	return out
}

var link = regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]*)?\)`)

func TestLinksOfThePagesLeadSomewhere(t *testing.T) {
	for page, text := range handwritten(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target := filepath.Join(filepath.Dir(page), m[1])
			if strings.Contains(m[1], "://") {
				continue
			}
			if m[1] == "" {
				target = page
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s leads nowhere", page, m[0])
				continue
			}
			if m[2] != "" && !hasHeading(t, target, m[2][1:]) {
				t.Errorf("%s: %s: there is no such heading", page, m[0])
			}
		}
	}
}

var notInAnchors = regexp.MustCompile(`[^a-z0-9 -]`)

func hasHeading(t *testing.T, page, anchor string) bool {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(text)) {
		title, ok := strings.CutPrefix(strings.TrimLeft(l, "#"), " ")
		if !strings.HasPrefix(l, "#") || !ok {
			continue
		}
		made := notInAnchors.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
		if strings.ReplaceAll(made, " ", "-") == anchor {
			return true
		}
	}
	return false
}

func TestEveryCheckHasItsLineInTheDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range check.Names() {
		name, _, _ := strings.Cut(n, "\t")
		if !strings.Contains(string(text), "| `"+name+"` |") {
			t.Errorf("docs/checks.md says nothing of %s", name)
		}
	}
}

func TestEveryExampleIsOnAPage(t *testing.T) {
	all := ""
	for _, text := range handwritten(t) {
		all += text
	}
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, f := range files {
		if !strings.Contains(all, "examples/"+filepath.Base(f)) {
			t.Errorf("no page links %s", f)
		}
	}
}

var typed = regexp.MustCompile(`^\s*ghadeploy ([a-z]+)([^#|]*)`)

// commandLines are what a page tells to type: lines of fenced blocks, and code in lines.
func commandLines(text string) (out [][]string) {
	fenced := false
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, "```") {
			fenced = !fenced
			continue
		}
		pieces := []string{l}
		if !fenced {
			pieces = nil
			for i, piece := range strings.Split(l, "`") {
				if i%2 == 1 {
					pieces = append(pieces, piece)
				}
			}
		}
		for _, piece := range pieces {
			if m := typed.FindStringSubmatch(piece); m != nil {
				out = append(out, m[1:])
			}
		}
	}
	return out
}

// What a page tells to type has to be a command line that ghadeploy understands.
func TestCommandsOfThePagesExist(t *testing.T) {
	root := (&app{}).root()
	flag := regexp.MustCompile(`--[a-z][a-z-]+`)
	seen := 0
	for page, text := range handwritten(t) {
		for _, m := range commandLines(text) {
			c, _, err := root.Find(append([]string{m[0]}, strings.Fields(m[1])...))
			if err != nil || c == root {
				t.Errorf("%s: there is no command %q", page, m[0])
				continue
			}
			seen++
			own, _, _ := strings.Cut(m[1], " -- ")
			for _, f := range flag.FindAllString(own, -1) {
				if c.Flags().Lookup(f[2:]) == nil && root.PersistentFlags().Lookup(f[2:]) == nil {
					t.Errorf("%s: %s has no %s", page, c.CommandPath(), f)
				}
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d commands seen: the test looks in the wrong place", seen)
	}
}
