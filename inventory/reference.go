package inventory

import (
	"fmt"
	"regexp"
	"strings"
)

// Sections lists what [Reference] can print, in the order of the inventory.
func Sections() []string { return table().fieldNames() }

// Reference prints a section of the inventory as annotated YAML that loads:
// every key with what it means, its default and what it may be. section is a
// name or path ("rollout", "grafana.artifact"); empty means all of it.
func Reference(section string) (string, error) {
	it, path := table(), []string{}
	if section != "" {
		for _, name := range strings.Split(section, ".") {
			found := it.below(name)
			if full := it.path(name, maxReference); found == nil && len(path) == 0 && len(full) > 1 {
				// One section alone has a key of that name: that is the one meant.
				return Reference(strings.Join(full, ".") + strings.TrimPrefix(section, name))
			}
			if found == nil {
				hint := didYouMean(name, it.fieldNames())
				if hint == "" {
					hint = "known are " + strings.Join(it.fieldNames(), ", ")
				}
				return "", fmt.Errorf("looking up the inventory reference: there is no %q (%s)", section, hint)
			}
			it = found
			path = append(path, name)
		}
	}
	var w referenceWriter
	if len(path) == 0 {
		w.fields(it, 0)
		return w.b.String(), nil
	}
	for depth, name := range path[:len(path)-1] {
		w.line(depth, name+":")
	}
	w.field(field{name: path[len(path)-1], item: it}, len(path)-1, true)
	return w.b.String(), nil
}

// maxReference is how deep a key may lie that is found by its name alone.
const maxReference = 3

// path is where the one key of a name lies below i; nil when there is none, or several.
func (i *item) path(name string, depth int) (out []string) {
	for i.kind == listKind || i.kind == mapKind {
		i = i.of
	}
	if depth == 0 {
		return nil
	}
	found := 0
	for _, f := range i.fields {
		if f.name == name {
			out, found = []string{name}, found+1
			continue
		}
		if below := f.item.path(name, depth-1); below != nil {
			out, found = append([]string{f.name}, below...), found+1
		}
	}
	if found != 1 {
		return nil
	}
	return out
}

// below finds a key, passing through the free names of maps (hosts.ssh) and
// the elements of lists.
func (i *item) below(name string) *item {
	for i.kind == listKind || i.kind == mapKind {
		i = i.of
	}
	return i.field(name)
}

type referenceWriter struct{ b strings.Builder }

func (w *referenceWriter) line(depth int, text string) {
	w.b.WriteString(strings.Repeat("  ", depth) + text + "\n")
}

func (w *referenceWriter) fields(it *item, depth int) {
	for n, f := range it.fields {
		if depth == 0 && n > 0 {
			w.b.WriteByte('\n')
		}
		w.field(f, depth, false)
	}
}

// field writes one key; whole also expands what is otherwise told elsewhere.
func (w *referenceWriter) field(f field, depth int, whole bool) {
	for _, c := range f.comments() {
		w.line(depth, "# "+c)
	}
	switch {
	case f.name == "ssh" && depth > 0 && !whole:
		w.line(depth, "ssh: {}")
	case f.kind == sectionKind:
		w.line(depth, f.name+":")
		w.fields(f.item, depth+1)
	case f.kind == mapKind && f.of.kind == sectionKind:
		w.line(depth, f.name+":")
		w.line(depth+1, f.sample()+":")
		w.fields(f.of, depth+2)
	case f.kind == listKind && f.of.kind == sectionKind:
		w.line(depth, f.name+":")
		w.element(f.of, depth+1)
	default:
		w.line(depth, strings.TrimRight(f.name+": "+f.shown(), " "))
	}
}

// element writes one element of a list of sections.
func (w *referenceWriter) element(it *item, depth int) {
	var inner referenceWriter
	inner.fields(it, depth+1)
	lines := strings.SplitAfter(inner.b.String(), "\n")
	marked := false
	for _, l := range lines {
		if !marked && l != "" && !strings.HasPrefix(strings.TrimSpace(l), "#") {
			l = strings.Repeat("  ", depth) + "- " + strings.TrimLeft(l, " ")
			marked = true
		}
		w.b.WriteString(l)
	}
}

// comments are what stands above a key.
func (f field) comments() []string {
	var out []string
	if f.doc != "" {
		out = strings.Split(f.doc, "\n")
	}
	var notes []string
	if f.required {
		notes = append(notes, "required")
	}
	switch {
	case f.kind == secretKind:
		notes = append(notes, "secret: ${env:NAME}, ${file:path}, ${cmd:...} or !age")
	case len(f.enum) > 0:
		notes = append(notes, oneOf(f.enum))
	case f.kind == integerKind, f.kind == textKind && f.format != nil:
		notes = append(notes, f.want())
	}
	if f.def != "" && f.shown() != f.def {
		notes = append(notes, "default: "+f.def)
	}
	if len(notes) > 0 {
		out = append(out, strings.Join(notes, "; "))
	}
	return out
}

// shown is the example, or a default that can be written as it is.
func (i *item) shown() string {
	switch {
	case i.example != "":
		return i.example
	case i.kind == textKind && i.format == nil && len(i.enum) == 0 && strings.Contains(i.def, " "):
		return ""
	case i.kind == textKind && i.format != nil && !i.format.re.MatchString(i.def):
		return ""
	case len(i.enum) > 0 && !contains(i.enum, i.def):
		return ""
	}
	return i.def
}

// firstKey is the first key of an example like {g1: {...}}.
var firstKey = regexp.MustCompile(`^\{([A-Za-z0-9_.-]+):`)

// sample is a name for an entry of a map.
func (i *item) sample() string {
	if m := firstKey.FindStringSubmatch(i.example); m != nil {
		return m[1]
	}
	return "name"
}
