package inventory

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// decoder takes typed values out of a checked tree. A value that the checker
// refused decodes as if it were not there, so that one mistake is reported once.
type decoder struct {
	rep  *reporter
	bad  map[*node]bool
	dir  string            // of the inventory
	dirs map[string]string // of the files that it extends
	opts Options
	refs *resolver
}

// text returns a string; def when it is missing.
func (d *decoder) text(n *node, def string) string {
	if n == nil || d.bad[n] || n.shape != scalarShape {
		return def
	}
	return n.text
}

func (d *decoder) integer(n *node, def int) int {
	if v, err := strconv.Atoi(d.text(n, "")); err == nil {
		return v
	}
	return def
}

func (d *decoder) boolean(n *node) bool { return d.text(n, "") == "true" }

// durationOrAuto is a duration, or auto, which it is as well when nothing is written.
func (d *decoder) durationOrAuto(n *node) (v time.Duration, auto bool) {
	if d.text(n, "auto") == "auto" {
		return 0, true
	}
	return d.duration(n, 0), false
}

// texts returns a list; a single value is a list of one.
func (d *decoder) texts(n *node) []string {
	if n == nil || d.bad[n] {
		return nil
	}
	if n.shape == scalarShape {
		return []string{n.text}
	}
	var out []string
	for _, item := range n.items {
		if s := d.text(item, ""); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// dirOf is the folder that paths and references in n are relative to: that of the file
// which n stands in.
func (d *decoder) dirOf(n *node) string {
	if n != nil {
		if dir, ok := d.dirs[n.pos.File]; ok {
			return dir
		}
	}
	return d.dir
}

// path returns a local path, absolute.
func (d *decoder) path(n *node) string {
	return absolute(d.dirOf(n), d.opts.home(), d.text(n, ""))
}

func (d *decoder) paths(n *node) []string {
	var out []string
	for _, p := range d.texts(n) {
		out = append(out, absolute(d.dirOf(n), d.opts.home(), p))
	}
	return out
}

// source is a path made absolute, or a URL as it is.
func (d *decoder) source(n *node) string {
	if isURL(d.text(n, "")) {
		return n.text
	}
	return d.path(n)
}

func isURL(s string) bool { return strings.Contains(s, "://") }

// program is a command line whose first word is made absolute when it is a path.
func (d *decoder) program(n *node) string {
	line := strings.TrimSpace(d.text(n, ""))
	word, rest, _ := strings.Cut(line, " ")
	if !strings.Contains(word, "/") {
		return line
	}
	word = absolute(d.dirOf(n), d.opts.home(), word)
	if rest != "" {
		return word + " " + rest
	}
	return word
}

func (d *decoder) duration(n *node, def time.Duration) time.Duration {
	s := d.text(n, "")
	if s == "" {
		return def
	}
	v, err := parseDuration(s)
	if err != nil {
		d.fail(n, "%s", err)
		return def
	}
	return v
}

func (d *decoder) fail(n *node, format string, args ...any) {
	d.bad[n] = true
	d.rep.errorf(n.pos, format, args...)
}

// days are not known to time.ParseDuration.
var days = regexp.MustCompile(`([0-9]+(?:\.[0-9]+)?)d`)

// parseDuration reads a duration as time.ParseDuration does, and days.
func parseDuration(s string) (time.Duration, error) {
	hours := days.ReplaceAllStringFunc(s, func(m string) string {
		v, err := strconv.ParseFloat(m[:len(m)-1], 64)
		if err != nil {
			return m
		}
		return strconv.FormatFloat(v*24, 'f', -1, 64) + "h"
	})
	v, err := time.ParseDuration(hours)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration", s)
	}
	return v, nil
}

// secret resolves a secret; a literal one is used but warned about.
func (d *decoder) secret(n *node) Secret {
	if n == nil || d.bad[n] || n.shape != scalarShape || (n.text == "" && n.tag != ageTag) {
		return Secret{}
	}
	value, source, ok := d.resolve(n)
	if !ok {
		return Secret{}
	}
	if source == "" {
		if m := shellReference.FindStringSubmatch(n.text); m != nil {
			d.rep.hintf(n.pos, "write ${env:"+m[1]+"}, or $${"+m[1]+"} when that is the value itself", "${%s} is no reference", m[1])
			return Secret{}
		}
		d.rep.warnf(n.pos, "use ${env:NAME}, ${file:path}, ${cmd:...} or !age", "a secret is written in plain text")
		source = "literal"
	}
	return NewSecret(value, source)
}

// shellReference is what people write when they mean ${env:NAME}.
var shellReference = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$`)

// resolve reads the references in a value. source is empty for a literal.
func (d *decoder) resolve(n *node) (value, source string, ok bool) {
	var err error
	refs := d.refs.in(d.dirOf(n))
	if n.tag == ageTag {
		got := refs.reference(part{kind: ageTag, text: n.text})
		value, source, err = got.value, "age", got.err
	} else {
		value, source, err = refs.value(n.text)
	}
	if err != nil {
		d.fail(n, "%s", err)
		return "", "", false
	}
	return value, source, true
}

// value resolves a setting. It is a secret when a reference is in it or when
// its name says so.
func (d *decoder) value(n *node, section, name string) (Value, bool) {
	if d.bad[n] || n.shape != scalarShape {
		return Value{}, false
	}
	text, source, ok := d.resolve(n)
	if !ok {
		return Value{}, false
	}
	if source != "" {
		return SecretValue(text), true
	}
	if text != "" && secretName(section, name) && !strings.Contains(text, "$__") {
		d.rep.warnf(n.pos, "use ${env:NAME}, ${file:path}, ${cmd:...} or !age", "%s looks like a secret and is written in plain text", name)
		return SecretValue(text), true
	}
	return PlainValue(text), true
}

// config merges n over base: later values win, null takes a key out.
func (d *decoder) config(base Config, n *node) Config {
	if n == nil || d.bad[n] {
		return base
	}
	out := base.clone()
	for _, s := range n.entries {
		if s.value.shape == mapShape {
			for _, k := range s.value.entries {
				out = d.setting(out, s.key, k)
			}
			continue
		}
		out = d.setting(out, "", s)
	}
	return out
}

func (d *decoder) setting(c Config, section string, k entry) Config {
	if k.value.shape == nullShape {
		return c.without(section, k.key)
	}
	v, ok := d.value(k.value, section, k.key)
	if !ok {
		return c
	}
	return c.with(section, Key{Name: k.key, Value: v, Pos: k.pos})
}

// env merges n over base as config does.
func (d *decoder) env(base map[string]Value, n *node) map[string]Value {
	out := make(map[string]Value, len(base))
	for k, v := range base {
		out[k] = v
	}
	if n == nil || d.bad[n] {
		return out
	}
	for _, e := range n.entries {
		if e.value.shape == nullShape {
			delete(out, e.key)
		} else if v, ok := d.value(e.value, "", e.key); ok {
			out[e.key] = v
		}
	}
	return out
}

// labels merges n over base.
func (d *decoder) labels(base map[string]string, n *node) map[string]string {
	out := make(map[string]string, len(base))
	for k, v := range base {
		out[k] = v
	}
	if n == nil || d.bad[n] {
		return out
	}
	for _, e := range n.entries {
		if e.value.shape == scalarShape && !d.bad[e.value] {
			out[e.key] = e.value.text
		}
	}
	return out
}
