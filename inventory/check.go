package inventory

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// checker compares a tree with the table: unknown keys, wrong types, missing
// keys, values out of range. It is all that a JSON Schema can say, so that
// schema and loader refuse the same files; what needs the whole picture is in
// semantics.go.
type checker struct {
	rep *reporter
	bad map[*node]bool // reported already; decoding leaves them alone
	// partial: what is missing may stand in another file.
	partial bool
}

func (c *checker) fail(n *node, hint, format string, args ...any) {
	c.bad[n] = true
	c.rep.hintf(n.pos, hint, format, args...)
}

// check reports what is wrong with n and below. what names n ("rollout.batch").
func (c *checker) check(n *node, it *item, what string) {
	if n.shape == nullShape {
		return
	}
	if n.tag == ageTag && it.kind != secretKind && it.kind != scalarKind {
		c.fail(n, "", "%s is not a secret, so it cannot be encrypted", what)
		return
	}
	switch it.kind {
	case textKind, secretKind:
		c.text(n, it, what)
	case integerKind:
		c.integer(n, it, what)
	case booleanKind:
		c.boolean(n, it, what)
	case scalarKind:
		c.scalar(n, what)
	case listKind:
		c.list(n, it, what)
	case sectionKind:
		c.section(n, it, what)
	case mapKind:
		c.mapping(n, it, what)
	case configKind:
		c.config(n, it, what)
	case eitherKind:
		c.either(n, it, what)
	}
}

// scalarHint says how a list or map is written where Grafana wants text.
func scalarHint(n *node, what string) string {
	if n.shape == listShape && secretName("", what) {
		return "grafana.ini has no lists"
	}
	if n.shape == listShape {
		words := make([]string, 0, len(n.items))
		for _, item := range n.items {
			words = append(words, item.text)
		}
		return fmt.Sprintf("grafana.ini has no lists, write %q", strings.Join(words, " "))
	}
	return "grafana.ini has no maps, write a section of its own (auth.ldap: {enabled: true}) or a string"
}

func (c *checker) text(n *node, it *item, what string) {
	if it.kind == secretKind {
		c.hide(n)
	}
	switch {
	case n.shape != scalarShape:
		c.wrongType(n, it, what)
	case it.format.takesNumber(n):
	case n.tag != "!!str" && n.tag != ageTag && n.tag != "!!binary":
		c.wrongType(n, it, what)
	case n.tag == "!!binary":
		c.fail(n, "write it as text", "%s must be text, not !!binary", what)
	case it.kind == textKind && !it.command && hasReference(n.text):
		c.fail(n, "references work for secrets, config: and env:", "%s is shown in plans and logs, so it cannot be a reference", what)
	case len(it.enum) > 0 && !contains(it.enum, n.text):
		c.fail(n, didYouMean(n.text, it.enum), "%s must be %s, not %q", what, oneOf(it.enum), n.text)
	case it.format != nil && !it.format.re.MatchString(n.text):
		c.fail(n, "", "%s must be %s, not %q", what, it.format.want, clip(n.text))
	}
}

// showable are values of secret keys that are no secret themselves.
var showable = regexp.MustCompile(`^\$(__)?[a-z]*\{[^}]*\}$|\{\{`)

// hide keeps a secret out of the lines that diagnostics show, whatever shape it has.
func (c *checker) hide(n *node) {
	if n.shape == scalarShape && !showable.MatchString(n.text) {
		c.rep.hideAt(n.pos)
	}
	for _, e := range n.entries {
		c.hide(e.value)
	}
	for _, item := range n.items {
		c.hide(item)
	}
}

// hasReference tells whether one of our references is in a value.
func hasReference(s string) bool {
	parts, err := splitReferences(s)
	return err == nil && slices.ContainsFunc(parts, func(p part) bool { return contains(referenceKinds(), p.kind) })
}

// decimal is an integer as YAML and JSON both read it.
var decimal = regexp.MustCompile(`^[-+]?[0-9]+$`)

func (c *checker) integer(n *node, it *item, what string) {
	if n.shape != scalarShape || n.tag != "!!int" || !decimal.MatchString(n.text) || (len(n.text) > 1 && n.text[0] == '0') {
		c.wrongType(n, it, what)
		return
	}
	if v, err := strconv.Atoi(n.text); err != nil || v < it.min || v > it.max {
		c.fail(n, "", "%s must be %s, not %s", what, it.want(), clip(n.text))
	}
}

func (c *checker) boolean(n *node, it *item, what string) {
	if n.tag != "!!bool" || (n.text != "true" && n.text != "false") {
		c.wrongType(n, it, what)
	}
}

func (c *checker) scalar(n *node, what string) {
	if secretName("", what) {
		c.hide(n)
	}
	if n.shape != scalarShape {
		c.fail(n, scalarHint(n, what), "%s must be a single value, this is %s", what, n.shape)
	}
}

func (c *checker) wrongType(n *node, it *item, what string) {
	if n.shape != scalarShape {
		c.fail(n, shapeHint(n, it), "%s must be %s, this is %s", what, it.want(), n.shape)
		return
	}
	is := map[string]string{"!!int": "a number", "!!float": "a number", "!!bool": "a boolean", "!!str": "text", "!!timestamp": "a date"}[n.tag]
	if is == "" {
		is = n.tag
	}
	hint := typeHint(n, it)
	if it.kind == secretKind {
		c.fail(n, hint, "%s must be text, this is %s", what, is)
		return
	}
	c.fail(n, hint, "%s must be %s, this is %s (%s)", what, it.want(), is, clip(n.text))
}

// typeHint is what to write instead, where the text shows what was meant.
func typeHint(n *node, it *item) string {
	switch {
	case n.tag == "!vault":
		return "ghadeploy does not open ansible-vault, use ${cmd:ansible-vault view FILE} or !age"
	case it.kind == secretKind || (it.kind == textKind && n.tag != "!!str" && it.format == nil && len(it.enum) == 0):
		return "put it in quotes"
	case it.format != nil && it.format.re.MatchString(n.text), contains(it.enum, n.text):
		return fmt.Sprintf("put it in quotes: %q", n.text)
	case it.kind == booleanKind, it.kind == integerKind && decimal.MatchString(n.text):
		return "without quotes"
	case it.format != nil && it.format.re.MatchString(n.text+"s"):
		return "add the unit: " + n.text + "s"
	}
	return ""
}

func shapeHint(n *node, it *item) string {
	if it.kind == mapKind && n.shape == listShape && len(n.items) > 0 && n.items[0].shape == scalarShape {
		return fmt.Sprintf("write %s: {} for each", n.items[0].text)
	}
	return ""
}

func (c *checker) list(n *node, it *item, what string) {
	if n.shape != listShape {
		hint := ""
		if n.shape == scalarShape && it.of.kind == textKind {
			hint = "write [" + clip(n.text) + "]"
		}
		c.fail(n, hint, "%s must be a list, this is %s", what, n.shape)
		return
	}
	if it.nonEmpty && len(n.items) == 0 {
		c.fail(n, "", "%s is empty", what)
	}
	// An element is whole: lists of two files are not merged.
	defer func(was bool) { c.partial = was }(c.partial)
	c.partial = false
	for i, e := range n.items {
		if e.shape == nullShape {
			c.fail(e, "", "%s[%d] is empty", what, i)
			continue
		}
		c.check(e, it.of, fmt.Sprintf("%s[%d]", what, i))
	}
}

func (c *checker) section(n *node, it *item, what string) {
	if n.shape != mapShape {
		c.wrongType(n, it, what)
		return
	}
	for _, e := range n.entries {
		f := it.field(e.key)
		if f == nil {
			if what == "" && strings.HasPrefix(e.key, "x-") {
				continue
			}
			c.rep.hintf(e.pos, didYouMean(e.key, it.fieldNames()), "unknown key %q%s", clip(e.key), inside(what))
			continue
		}
		c.check(e.value, f, join(what, e.key))
	}
	for _, f := range it.fields {
		if f.required && !c.partial && n.get(f.name) == nil {
			c.rep.hintf(n.pos, f.howTo(join(what, f.name)), "missing key %q%s", f.name, inside(what))
		}
	}
}

// howTo is a hint for a missing key.
func (f field) howTo(what string) string {
	if shown := f.shown(); shown != "" && f.kind != sectionKind && f.kind != mapKind {
		return "write " + f.name + ": " + shown
	}
	return "ghadeploy docs " + what + " shows how it is written"
}

func (c *checker) mapping(n *node, it *item, what string) {
	if n.shape != mapShape {
		c.wrongType(n, it, what)
		return
	}
	if it.nonEmpty && len(n.entries) == 0 {
		c.fail(n, "", "%s is empty", what)
	}
	for _, e := range n.entries {
		if !it.names.re.MatchString(e.key) {
			c.rep.errorf(e.pos, "%q%s is not %s", clip(e.key), inside(what), it.names.want)
			c.bad[e.value] = true
			continue
		}
		c.check(e.value, it.of, join(what, e.key))
	}
}

// config checks section -> key -> scalar. A scalar right below config belongs
// above the first section, as instance_name and app_mode do.
func (c *checker) config(n *node, it *item, what string) {
	if n.shape != mapShape {
		c.wrongType(n, it, what)
		return
	}
	for _, e := range n.entries {
		switch {
		case !it.names.re.MatchString(e.key):
			c.rep.errorf(e.pos, "%q%s is not %s", clip(e.key), inside(what), it.names.want)
		case e.value.shape == listShape:
			c.fail(e.value, scalarHint(e.value, e.key), "%s must be a section (a map) or a single value, this is a list", join(what, e.key))
		case e.value.shape == mapShape:
			c.mapping(e.value, &item{kind: mapKind, names: it.names, of: &item{kind: scalarKind}}, join(what, e.key))
		}
	}
}

// either takes the alternative of the value's own shape and type.
func (c *checker) either(n *node, it *item, what string) {
	for _, alternative := range it.either {
		if alternative.takes(n) {
			c.check(n, alternative, what)
			return
		}
	}
	c.wrongType(n, it, what)
}

// takes tells whether the item is of the same shape and basic type as n.
func (i *item) takes(n *node) bool {
	switch i.kind {
	case listKind:
		return n.shape == listShape
	case mapKind, sectionKind, configKind:
		return n.shape == mapShape
	case integerKind:
		return n.shape == scalarShape && n.tag == "!!int"
	case booleanKind:
		return n.shape == scalarShape && n.tag == "!!bool"
	}
	return n.shape == scalarShape && (n.tag == "!!str" || i.format.takesNumber(n))
}

func join(what, key string) string {
	if what == "" {
		return key
	}
	return what + "." + key
}

func inside(what string) string {
	if what == "" {
		return ""
	}
	return " in " + what
}

// clip keeps a value short enough for a message.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:57]) + "..."
	}
	return s
}

func contains(words []string, word string) bool {
	for _, w := range words {
		if w == word {
			return true
		}
	}
	return false
}
