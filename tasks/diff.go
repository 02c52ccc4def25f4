package tasks

import (
	"fmt"
	"slices"

	"github.com/aymanbagabas/go-udiff"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

// diffFiles says how the files of a host's current generation become those of g.
// old holds the shown texts of the files that differ; without it, names alone.
func diffFiles(f *Facts, g *desired.Generation, old map[string][]byte) (out []FileDiff) {
	for _, w := range g.Files {
		have, there := f.Files[w.Path]
		if there && have == w.SHA256 {
			continue
		}
		d := FileDiff{Path: w.Path, Change: "add"}
		if there {
			d.Change = "change"
		}
		switch {
		case w.Shown == nil:
			d.Note = "secret"
			if there {
				d.Note = "secret changed"
			}
		case there && old == nil:
		case slices.Equal(old[w.Path], w.Shown):
			d.Note = fmt.Sprintf("same text, other secrets (%.6s -> %.6s)", have, w.SHA256)
		default:
			d.Unified = unified(w.Path, old[w.Path], w.Shown)
		}
		out = append(out, d)
	}
	for p := range f.Files {
		if p != "manifest.json" && g.File(p) == nil {
			out = append(out, FileDiff{Path: p, Change: "delete"})
		}
	}
	slices.SortFunc(out, func(a, b FileDiff) int {
		if a.Path < b.Path {
			return -1
		}
		return 1
	})
	return out
}

// unified is a unified diff without file names, which stand above it.
func unified(name string, a, b []byte) string {
	return udiff.Unified("a/"+name, "b/"+name, string(a), string(b))
}
