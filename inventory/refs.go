package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
)

// ageTag marks a value that is encrypted in place: password: !age | ...
const ageTag = "!age"

// commandTimeout is the longest that a ${cmd:...} may take.
const commandTimeout = 30 * time.Second

// maxSecret is the largest value that a reference may give, in bytes.
const maxSecret = 1 << 20

// resolver reads secret references, each one once.
type resolver struct {
	ctx    context.Context
	opts   Options
	dir    string // what paths are relative to, and where commands run
	rel    string // dir, relative to that of the inventory; empty: the same
	cache  map[string]resolved
	ageIDs *identities
}

// in is the resolver for references in a file of another folder.
func (r *resolver) in(dir string) *resolver {
	if dir == r.dir {
		return r
	}
	other := *r
	other.dir, other.rel = dir, dir
	if rel, err := filepath.Rel(r.dir, dir); err == nil {
		other.rel = rel
	}
	return &other
}

// resolved is what a reference gave.
type resolved struct {
	value string
	err   error
}

// referenceKinds are the words before the colon.
func referenceKinds() []string { return []string{"env", "file", "cmd", "age"} }

// part is a piece of a value: text as it is, or a reference.
type part struct {
	text string // literal text, or the body of the reference
	kind string // empty for literal text
}

// reference finds ${word: and its end.
var reference = regexp.MustCompile(`^\$\{([a-z_]+):`)

// splitReferences takes a value apart. $${ stands for a literal ${; ${NAME} and
// $__file{...} are Grafana's own and stay as they are.
func splitReferences(s string) ([]part, error) {
	var out []part
	var lit strings.Builder
	for i := 0; i < len(s); {
		if strings.HasPrefix(s[i:], "$${") {
			lit.WriteString("${")
			i += 3
			continue
		}
		m := reference.FindStringSubmatch(s[i:])
		if m == nil {
			lit.WriteByte(s[i])
			i++
			continue
		}
		start := i + len(m[0])
		end := closingBrace(s[start:])
		if end < 0 {
			return nil, fmt.Errorf("reference %s...} has no closing brace", m[0])
		}
		if lit.Len() > 0 {
			out = append(out, part{text: lit.String()})
			lit.Reset()
		}
		out = append(out, part{kind: m[1], text: s[start : start+end]})
		i = start + end + 1
	}
	if lit.Len() > 0 || len(out) == 0 {
		out = append(out, part{text: lit.String()})
	}
	return out, nil
}

// closingBrace finds the } that ends a reference; braces inside (awk '{...}') are counted.
func closingBrace(s string) int {
	depth := 0
	for i, c := range s {
		switch c {
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return -1
}

// value resolves all references in s. source names the first one; it is empty
// when there is none and the value is literal.
func (r *resolver) value(s string) (value, source string, err error) {
	parts, err := splitReferences(s)
	if err != nil {
		return "", "", err
	}
	var b strings.Builder
	for _, p := range parts {
		if p.kind == "" {
			b.WriteString(p.text)
			continue
		}
		got := r.reference(p)
		if got.err != nil {
			return "", "", got.err
		}
		b.WriteString(got.value)
		if source == "" {
			source = p.source()
		}
	}
	return b.String(), source, nil
}

// source names a reference without giving anything away: a command line may
// hold more than its author thought.
func (p part) source() string {
	if p.kind == "cmd" || p.kind == ageTag {
		return strings.TrimPrefix(p.kind, "!")
	}
	return p.kind + ":" + p.text
}

func (r *resolver) reference(p part) resolved {
	id := p.kind + "\x00" + p.text
	if p.kind != "env" && p.kind != ageTag {
		id += "\x00" + r.rel
	}
	if got, ok := r.cache[id]; ok {
		return got
	}
	got := r.read(p)
	r.cache[id] = got
	return got
}

func (r *resolver) read(p part) resolved {
	if !contains(append(referenceKinds(), ageTag), p.kind) {
		hint := didYouMean(p.kind, referenceKinds())
		if hint == "" {
			hint = "known are " + oneOf(referenceKinds()) + "; write $${ for a literal ${"
		}
		return resolved{err: fmt.Errorf("unknown reference ${%s:...}: %s", p.kind, hint)}
	}
	if strings.TrimSpace(p.text) == "" {
		return resolved{err: fmt.Errorf("reference ${%s:} names nothing", p.kind)}
	}
	if !r.opts.Resolve {
		// Alphanumeric, so that whoever renders it meets no quoting trouble.
		id := p.kind + ":" + p.text
		if r.rel != "" && p.kind != "env" {
			id = r.rel + ":" + id
		}
		return resolved{value: placeholderMark + NewSecret(id, "").Fingerprint()}
	}
	var value string
	var err error
	switch p.kind {
	case "env":
		value, err = r.env(p.text)
	case "file":
		value, err = r.file(p.text)
	case "cmd":
		value, err = r.command(p.text)
	case "age":
		value, err = r.ageFile(p.text)
	case ageTag:
		value, err = r.decrypt(strings.NewReader(p.text))
	}
	if err == nil && value == "" {
		err = fmt.Errorf("%s is empty", p.source())
	}
	return resolved{value: value, err: err}
}

func (r *resolver) env(name string) (string, error) {
	lookup := r.opts.LookupEnv
	if lookup == nil {
		lookup = os.LookupEnv
	}
	value, ok := lookup(name)
	if !ok {
		return "", fmt.Errorf("environment variable %s is not set", name)
	}
	return value, nil
}

// file reads a secret from a file, less the line end that editors add.
func (r *resolver) file(name string) (string, error) {
	data, err := r.readSecret(r.path(name))
	if err != nil {
		return "", fmt.Errorf("reading secret: %w", err)
	}
	return trimNewline(string(data)), nil
}

func (r *resolver) path(name string) string { return absolute(r.dir, r.opts.home(), name) }

// readSecret reads a file of at most maxSecret bytes.
func (r *resolver) readSecret(path string) ([]byte, error) {
	return localfile.Read(r.ctx, path, maxSecret)
}

func trimNewline(s string) string {
	return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
}

// command runs a shell command in the inventory's folder and takes its standard
// output. Its standard error is shown when it fails; its output never is.
func (r *resolver) command(line string) (string, error) {
	ctx, cancel := context.WithTimeout(r.ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir = r.dir
	// A child that keeps the pipe open must not hold us past the deadline.
	cmd.WaitDelay = time.Second
	killGroup(cmd)
	var stdout, stderr bytes.Buffer
	cmd.Stdout = &limitedWriter{to: &stdout, left: maxSecret}
	cmd.Stderr = &limitedWriter{to: &stderr, left: 4096}
	err := cmd.Run()
	switch {
	case r.ctx.Err() != nil:
		return "", fmt.Errorf("running a ${cmd:...}: %w", context.Cause(r.ctx))
	case ctx.Err() != nil:
		return "", fmt.Errorf("running a ${cmd:...}: no answer within %s", commandTimeout)
	case errors.Is(err, errTooMuch):
		return "", fmt.Errorf("running a ${cmd:...}: more than %d KiB of output", maxSecret>>10)
	case err != nil:
		said := strings.TrimSpace(strings.ToValidUTF8(stderr.String(), "?"))
		if said == "" {
			said = "it said nothing on standard error"
		}
		return "", fmt.Errorf("running a ${cmd:...}: %w: %s", err, said)
	}
	return trimNewline(stdout.String()), nil
}

var errTooMuch = errors.New("too much output")

// limitedWriter takes so many bytes and refuses more.
type limitedWriter struct {
	to   *bytes.Buffer
	left int
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	if len(p) > w.left {
		return 0, errTooMuch
	}
	w.left -= len(p)
	return w.to.Write(p)
}

// absolute makes a local path absolute: ~ is the operator's home, anything
// else is relative to the inventory's folder.
func absolute(dir, home, path string) string {
	switch {
	case path == "":
		return ""
	case path == "~":
		return home
	case strings.HasPrefix(path, "~/"):
		return filepath.Join(home, path[2:])
	case filepath.IsAbs(path):
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}
