package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
)

// MaxSize is the largest inventory that is read, in bytes. A thousand hosts
// with overrides of their own need a tenth of it.
const MaxSize = 1 << 20

// readFile reads an inventory without ever holding more than MaxSize of it.
func readFile(ctx context.Context, path string) ([]byte, error) {
	src, err := localfile.Read(ctx, path, MaxSize)
	if other, ok := errors.AsType[*localfile.NotRegularError](err); ok {
		hint := "name a file"
		if other.Kind == "a directory" {
			hint = "name the YAML file in it"
		}
		return nil, Diagnostics{{Pos: Position{File: path}, Message: "this is " + other.Kind + ", not a regular file", Hint: hint}}
	}
	if _, ok := errors.AsType[*localfile.TooLargeError](err); ok {
		return nil,
			Diagnostics{{Pos: Position{File: path}, Message: fmt.Sprintf("the file is larger than %d MiB, the limit for an inventory", MaxSize>>20)}}
	}
	if err != nil {
		return nil, fmt.Errorf("reading inventory: %w", err)
	}
	if localfile.IsPrivateKey(src) {
		return nil, Diagnostics{{Pos: Position{File: path}, Message: "the file is a private key, not an inventory"}}
	}
	return src, nil
}

// parse turns YAML text into a tree. What is wrong is in the reporter; the
// tree is nil when there is nothing to go on with.
func parse(rep *reporter, src []byte) *node {
	if len(src) > MaxSize {
		rep.errorf(Position{File: rep.file}, "the file is larger than %d MiB, the limit for an inventory", MaxSize>>20)
		return nil
	}
	doc, err := parseYAML(src)
	if err != nil {
		rep.syntax(src, err)
		return nil
	}
	if doc.second > 0 {
		rep.hintf(rep.at(doc.second, 1), "keep one inventory in one file", "a second YAML document starts here")
	}
	if doc.root == nil {
		rep.errorf(rep.at(1, 1), "the inventory is empty")
		return nil
	}
	b := &treeBuilder{rep: rep, open: map[*yaml.Node]bool{}}
	root := b.build(doc.root, 0)
	if b.full || doc.second > 0 {
		return nil
	}
	if root.shape != mapShape {
		rep.errorf(root.pos, "an inventory is a map of sections (cluster:, hosts:, grafana: ...), this is %s", root.shape)
		return nil
	}
	return root
}

// document is the first YAML document of a file, and where a second one starts.
type document struct {
	root   *yaml.Node
	second int // line; 0: there is none
}

func parseYAML(src []byte) (document, error) {
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var first, next yaml.Node
	if err := dec.Decode(&first); err != nil {
		if errors.Is(err, io.EOF) {
			return document{}, nil
		}
		return document{}, err
	}
	var doc document
	if len(first.Content) > 0 {
		doc.root = first.Content[0]
	}
	switch err := dec.Decode(&next); {
	case err == nil:
		doc.second = max(next.Line, 1)
	case !errors.Is(err, io.EOF):
		return document{}, err
	}
	return doc, nil
}

// yamlError takes "yaml: line 3: what is wrong" apart.
var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntax reports that the text is not YAML. yaml.v3 names the line on which
// the enclosing value starts for some mistakes, so the true one is searched:
// the first line with which the text up to it fails in the same way.
func (r *reporter) syntax(src []byte, err error) {
	m := yamlError.FindStringSubmatch(strings.SplitN(err.Error(), "\n", 2)[0])
	line, message := 1, err.Error()
	if m != nil {
		line, _ = strconv.Atoi(m[1])
		message = m[2]
	}
	if found := failingLine(src, message, len(r.lines)); found > 0 {
		line = found
	}
	line = min(max(line, 1), len(r.lines))
	text := r.lines[line-1]
	column, hint := len(text)-len(strings.TrimLeft(text, " "))+1, ""
	if tab := strings.IndexByte(text, '\t'); tab >= 0 && strings.TrimLeft(text[:tab], " -") == "" {
		column, hint = tab+1, "YAML is indented with spaces, this line has a tab"
	}
	if hint == "" && barePlaceholder.MatchString(text) {
		hint = "inside { } a value with {version} or {arch} needs quotes"
	} else if hint == "" && bareRange.MatchString(text) {
		hint = `inside { } and [ ] a name with a range needs quotes: "g[1:3]"`
	}
	if unknownAnchor.MatchString(message) && secretLine.MatchString(text) {
		// A password that starts with * reads as an alias, and the message names it.
		message, hint = "unknown anchor referenced", "put a value that starts with * in quotes"
		r.hideLine(line)
	}
	r.hintf(r.at(line, column), hint, "not valid YAML: %s", message)
}

// unknownAnchor is the parser's word for an alias of nothing.
var unknownAnchor = regexp.MustCompile(`^unknown anchor `)

// bareRange is a range within a flow map or list, where YAML takes its bracket
// for a list.
var bareRange = regexp.MustCompile(`[{\[].*\[[0-9A-Za-z]*:[0-9A-Za-z]+[:\]]`)

// barePlaceholder is the same mistake with a placeholder of artifact.source.
var barePlaceholder = regexp.MustCompile(`\{.*[^"'\s{]*\{(version|arch|os)\}`)

// failingLine is the first line n for which the first n lines fail with message.
func failingLine(src []byte, message string, lines int) int {
	ends := make([]int, 0, lines)
	for i, c := range src {
		if c == '\n' {
			ends = append(ends, i+1)
		}
	}
	ends = append(ends, len(src))
	fails := func(n int) bool {
		_, err := parseYAML(src[:ends[n]])
		return err != nil && strings.HasSuffix(err.Error(), message)
	}
	n := sort.Search(len(ends), fails)
	if n == len(ends) {
		return 0
	}
	return n + 1
}
