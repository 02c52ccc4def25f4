package inventory

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// iniReader reads a static INI inventory line by line, as Ansible's ini plugin does.
// Source of the rules: ansible-core 2.14, plugins/inventory/ini.py; a test compares both.
type iniReader struct {
	ansibleParser
	group    *AnsibleGroup
	kind     string              // of the section: hosts, children or vars
	declared map[string]bool     // groups that have a section of hosts or children
	needed   map[string]Position // groups that were named before they were declared
}

// iniSection is [group], [group:children] or [group:vars] and perhaps a comment.
var iniSection = regexp.MustCompile(`^\[([^:\]\s]+)(?::([\pL\pN_]+))?\]\s*(?:#.*)?$`)

// iniChild is the name of a group below [group:children].
var iniChild = regexp.MustCompile(`^([^:\]\s]+)\s*(?:#.*)?$`)

// iniBreaks are the ends of lines that Ansible knows beside a line feed.
const iniBreaks = "\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029"

// parseINI reads an INI inventory; what is wrong is in the reporter.
func parseINI(rep *reporter, src []byte) *AnsibleInventory {
	rep.ini = true
	if len(src) > MaxSize {
		rep.errorf(Position{File: rep.file}, "the file is larger than %d MiB, the limit for an inventory", MaxSize>>20)
		return nil
	}
	inv := newAnsible(rep.at(1, 1))
	r := iniReader{ansibleParser: ansibleParser{rep: rep, inv: inv}, group: inv.Groups["ungrouped"], kind: "hosts",
		declared: map[string]bool{"all": true, "ungrouped": true}, needed: map[string]Position{}}
	for i, line := range rep.lines {
		if i == 0 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		for len(line) > 0 {
			part := line
			if at := strings.IndexAny(line, iniBreaks); at >= 0 {
				_, size := utf8.DecodeRuneInString(line[at:])
				part, line = line[:at], line[at+size:]
			} else {
				line = ""
			}
			r.line(i+1, part)
		}
		if len(rep.errors) > maxDiagnostics || inv.named > maxNamed {
			break
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.needed)) {
		if !r.declared[name] && len(rep.errors) <= maxDiagnostics {
			rep.hintf(r.needed[name], didYouMean(name, slices.Sorted(maps.Keys(r.declared))), "there is no group %q: it needs a section [%s] or [%s:children]",
				clip(name), clip(name), clip(name))
		}
	}
	inv.finish(rep, rep.at(1, 1))
	return inv
}

func (r *iniReader) line(number int, raw string) {
	text := strings.TrimLeftFunc(raw, unicode.IsSpace)
	column := utf8.RuneCountInString(raw[:len(raw)-len(text)]) + 1
	text = strings.TrimRightFunc(text, unicode.IsSpace)
	if text == "" || text[0] == '#' || text[0] == ';' {
		return
	}
	pos := r.rep.at(number, column)
	if !utf8.ValidString(text) {
		r.rep.errorf(pos, "the line is not UTF-8 text")
		return
	}
	if m := iniSection.FindStringSubmatch(text); m != nil {
		r.section(pos, m[1], m[2])
		return
	}
	if text[0] == '[' && text[len(text)-1] == ']' {
		r.rep.hintf(pos, "write [group], [group:children] or [group:vars], without blanks; an IPv6 address without brackets, or as [::1]:22", "this is not a section")
		return
	}
	switch r.kind {
	case "hosts":
		r.host(pos, text)
	case "vars":
		r.variable(pos, text)
	case "children":
		r.child(pos, text)
	}
}

func (r *iniReader) section(pos Position, name, kind string) {
	if kind == "" {
		kind = "hosts"
	}
	if !slices.Contains([]string{"hosts", "children", "vars"}, kind) {
		r.rep.hintf(pos, didYouMean(kind, []string{"hosts", "children", "vars"}), "section [%s:%s] has the unknown kind %q", clip(name), clip(kind), clip(kind))
		kind = "" // what is below it is not read
	}
	r.kind, r.group = kind, r.inv.group(name, pos)
	switch kind {
	case "vars":
		r.need(name, pos)
	case "hosts", "children":
		r.declared[name] = true
	}
}

func (r *iniReader) need(name string, pos Position) {
	if _, known := r.needed[name]; !known {
		r.needed[name] = pos
	}
}

func (r *iniReader) child(pos Position, text string) {
	m := iniChild.FindStringSubmatch(text)
	if m == nil {
		r.rep.errorf(pos, "below [%s:children] stand names of groups, one a line", clip(r.group.Name))
		return
	}
	r.need(m[1], pos)
	r.addChild(r.group, m[1], pos)
}

// variable is KEY = VALUE below [group:vars]; only the value has quotes.
func (r *iniReader) variable(pos Position, text string) {
	key, value, ok := strings.Cut(text, "=")
	if !ok {
		r.rep.hintf(pos, "write key=value", "below [%s:vars] stands one variable a line", clip(r.group.Name))
		return
	}
	trimmed := strings.TrimLeftFunc(value, unicode.IsSpace)
	at := pos
	at.Column += utf8.RuneCountInString(text[:len(text)-len(trimmed)])
	v, ok := r.value(strings.TrimSpace(key), trimmed, pos, at)
	switch {
	case !ok:
	case strings.TrimSpace(key) == "ansible_group_priority":
		r.group.priority = r.number(entry{key: "ansible_group_priority", value: v.value}, r.group.priority)
	default:
		r.group.vars[strings.TrimSpace(key)] = v
	}
}

// value is what a variable is worth: a literal of Python, or else the text as it is.
func (r *iniReader) value(key, text string, pos, at Position) (ansibleVar, bool) {
	switch {
	case key == "":
		r.rep.errorf(pos, "a variable has no name before its =")
		return ansibleVar{}, false
	case strings.HasPrefix(text, "!vault") || strings.HasPrefix(text, "$ANSIBLE_VAULT"):
		r.rep.hintf(at, "an INI inventory cannot hold it: write ${cmd:ansible-vault view FILE} or another reference, in group_vars/",
			"%s is encrypted with ansible-vault, which ghadeploy does not open", clip(key))
		return ansibleVar{}, false
	}
	n, err := pythonLiteral(text, at)
	if err != nil {
		r.rep.errorf(at, "%s: %s", clip(key), err)
		return ansibleVar{}, false
	}
	return ansibleVar{n, pos}, true
}

// host is NAME[:PORT] KEY=VALUE ... # comment
func (r *iniReader) host(pos Position, text string) {
	words, err := iniWords(text)
	if err != nil {
		r.rep.hintf(pos, "put a quote or backslash that belongs to the value into the other kind of quotes", "%s", err)
		return
	}
	if len(words) == 0 || words[0].text == "" {
		r.rep.errorf(pos, "a host has no name")
		return
	}
	name := words[0].text
	if strings.Contains(name, "=") || len(words) > 1 && words[1].text == "=" {
		r.rep.hintf(pos, "variables stand behind a host, or below [group:vars]; a grafana.ini is taken over by: ghadeploy import FILE --host HOST", "this is a setting, not a host")
		return
	}
	names, port, err := iniHosts(name)
	if err != nil {
		r.rep.hintf(pos, iniHostHint(name), "%s", err)
		return
	}
	vars := map[string]ansibleVar{}
	for _, w := range words[1:] {
		at := pos
		at.Column += w.column
		key, value, ok := strings.Cut(w.text, "=")
		if !ok {
			r.rep.hintf(at, "put a value with blanks in quotes: key=\"two words\"; a comment begins with #", "behind a host's name stand variables, key=value, and this word has no =")
			return
		}
		v, ok := r.value(key, value, at, at)
		if !ok {
			return
		}
		vars[key] = v
	}
	var given *node
	if port >= 0 {
		given = &node{shape: scalarShape, tag: "!!int", text: strconv.Itoa(port), pos: pos}
	}
	r.add(r.group, names, given, vars, pos)
}

// iniHostHint says what else a name with a bracket may have been meant for.
func iniHostHint(name string) string {
	if strings.HasPrefix(name, "[") && isIPv6(name) {
		return "write the address without brackets, or with a port: [::1]:22"
	}
	if strings.HasPrefix(name, "[") {
		return "a section is [group], [group:children] or [group:vars], and only # begins a comment behind it"
	}
	return ""
}
