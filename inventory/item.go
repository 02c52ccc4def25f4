package inventory

import (
	"regexp"
	"strconv"
)

// kind is what a value of the inventory may be.
type kind int

const (
	textKind    kind = iota // a string
	secretKind              // a string with references; a literal draws a warning
	integerKind             // min..max
	booleanKind
	scalarKind  // string, number or boolean: what ends up as text in grafana.ini
	listKind    // of
	sectionKind // a map with fixed keys
	mapKind     // a map with free keys (format of names) to of
	configKind  // section -> key -> scalar
	eitherKind  // one of alternatives that differ in shape
)

// item describes one value. The loader's checks, the JSON Schema and the
// printed reference are three readers of the same items, so they agree.
type item struct {
	kind     kind
	doc      string
	def      string // default as one writes it; empty: none
	example  string // as one writes it in YAML; replaces the default in the reference
	enum     []string
	format   *format
	min, max int
	fields   []field // of a section, in the order of the reference
	of       *item   // of a list or map
	nonEmpty bool    // a list or map that needs an element
	names    *format // of a map's keys
	either   []*item
	local    localKind // a file on the operator's machine
	command  bool      // run by a shell, so ${...} belongs to the shell
}

// field is a key of a section.
type field struct {
	name     string
	required bool
	*item
}

// localKind says what a path on the operator's machine must be.
type localKind int

const (
	notLocal     localKind = iota
	localPath              // made absolute, need not exist
	localFile              // must be a file
	localArchive           // must be a file, of any size
	localDir               // must be a folder
	localProgram           // a command line; its first word must be a file when it has a slash
)

// format is what a text must look like. The pattern is RE2 and ECMA-262 at once.
type format struct {
	pattern string
	re      *regexp.Regexp
	want    string // "a duration like 10s or 2m"
	// asWritten: digits that look like a number to YAML are this text all the same
	// (a checksum without letters, or with one e among its digits).
	asWritten bool
}

// takesNumber tells whether n, a number to YAML, is meant as the text that is written.
func (f *format) takesNumber(n *node) bool {
	return f != nil && f.asWritten && (n.tag == "!!int" || n.tag == "!!float") && f.re.MatchString(n.text)
}

// likeNumbers sets asWritten.
func (f *format) likeNumbers() *format {
	f.asWritten = true
	return f
}

func newFormat(pattern, want string) *format {
	return &format{pattern: pattern, re: regexp.MustCompile(pattern), want: want}
}

// formats are built once per load rather than kept in package variables.
type formats struct {
	duration, percent, size, url, hostPort, hostList, address, sha256, version,
	fingerprint, path, name, hostName, label, iniName, envName, unit, group, relative, settle, label2, prefix *format
}

func newFormats() *formats {
	const host = `([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.%]+\])`
	const port = `([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])`
	const span = `([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+`
	return &formats{
		duration: newFormat(`^`+span+`$`, "a duration like 10s, 2m or 1h30m"),
		settle:   newFormat(`^(auto|`+span+`)$`, "auto or a duration like 15s"),
		percent:  newFormat(`^(100|[1-9][0-9]?)%$`, "a percentage from 1% to 100%"),
		size:     newFormat(`^([1-9][0-9]{0,5}|(100|[1-9][0-9]?)%)$`, `a number of hosts from 1 or a percentage from "1%" to "100%"`),
		url:      newFormat(`^https?://[^/\s?#]+([/?#]\S*)?$`, "a URL that starts with http:// or https://"),
		hostPort: newFormat(`^`+host+`(:`+port+`)?$`, "host or host:port (an IPv6 address in brackets)"),
		hostList: newFormat(`^`+host+`:`+port+`(, ?`+host+`:`+port+`)*$`, "host:port (several separated by commas)"),
		address: newFormat(`^([A-Za-z0-9\[]([A-Za-z0-9._\[\]:-]*[A-Za-z0-9\]])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.%]+)$`,
			"a host name or IP address without a port"),
		sha256:  newFormat(`^[0-9a-fA-F]{64}$`, "a SHA-256 checksum, 64 hexadecimal digits").likeNumbers(),
		version: newFormat(`^v?[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?$`, `a full version in quotes, like "12.3.1"`),
		fingerprint: newFormat(`^(strict|accept-new|SHA256:[A-Za-z0-9+/]{43})$`,
			"strict, accept-new or a fingerprint SHA256:... as ssh-keygen -l prints it"),
		path:     newFormat(`^/[^\x00\s]*$`, "an absolute path on the host without spaces"),
		name:     newFormat(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`, "letters, digits, dots, dashes and underscores (at most 63)"),
		hostName: newFormat(`^[A-Za-z0-9\[][A-Za-z0-9._:\[\]-]*$`, "a host name, which may hold ranges like g[01:12]"),
		label:    newFormat(`^[A-Za-z0-9_][A-Za-z0-9._/-]*$`, "letters, digits, dots, dashes, slashes and underscores"),
		label2:   newFormat(`^[^\s\x60"]+$`, "a label without spaces or quotes"),
		prefix:   newFormat(`^[^\s\x60"]*$`, "a prefix without spaces or quotes"),
		iniName:  newFormat(`^[A-Za-z0-9_]([A-Za-z0-9_-]|\.[A-Za-z0-9_-])*\.?$`, "a section or key of grafana.ini"),
		envName:  newFormat(`^[A-Za-z_][A-Za-z0-9_]*$`, "the name of an environment variable"),
		group:    newFormat(`^[^\s:,/%+\-"'\\\x00-\x1f\x7f]([^:,/%"'\\\x00-\x1f\x7f]*[^\s:,/%"'\\\x00-\x1f\x7f])?$`, "a group of the host"),
		unit:     newFormat(`^[A-Za-z0-9_][A-Za-z0-9:_.@-]*$`, "a systemd unit name without .service"),
		relative: newFormat(`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$`, "a relative path below etc/, without .."),
	}
}

// constructors, named as the reference reads

func text(doc string) *item   { return &item{kind: textKind, doc: doc} }
func secret(doc string) *item { return &item{kind: secretKind, doc: doc} }
func toggle(doc, def string) *item {
	return &item{kind: booleanKind, doc: doc, def: def}
}

func number(doc, def string, low, high int) *item {
	return &item{kind: integerKind, doc: doc, def: def, min: low, max: high}
}

func formatted(f *format, doc string) *item { return &item{kind: textKind, format: f, doc: doc} }

func choice(doc, def string, words ...string) *item {
	return &item{kind: textKind, doc: doc, def: def, enum: words}
}

func list(doc string, of *item) *item      { return &item{kind: listKind, doc: doc, of: of} }
func section(doc string, f ...field) *item { return &item{kind: sectionKind, doc: doc, fields: f} }

func mapping(doc string, names *format, of *item) *item {
	return &item{kind: mapKind, doc: doc, names: names, of: of}
}

func either(doc string, alternatives ...*item) *item {
	return &item{kind: eitherKind, doc: doc, either: alternatives}
}

func file(doc string) *item { return &item{kind: textKind, doc: doc, local: localFile} }

// with sets what an item shows as default and example.
func (i *item) with(def, example string) *item {
	i.def, i.example = def, example
	return i
}

func key(name string, i *item) field      { return field{name: name, item: i} }
func required(name string, i *item) field { return field{name: name, required: true, item: i} }

// field looks a key of a section up; nil when there is none.
func (i *item) field(name string) *item {
	for _, f := range i.fields {
		if f.name == name {
			return f.item
		}
	}
	return nil
}

// fieldNames lists the keys of a section.
func (i *item) fieldNames() []string {
	out := make([]string, len(i.fields))
	for n, f := range i.fields {
		out[n] = f.name
	}
	return out
}

// want says what the item must be, for errors.
func (i *item) want() string {
	switch {
	case len(i.enum) > 0:
		return oneOf(i.enum)
	case i.format != nil:
		return i.format.want
	}
	switch i.kind {
	case integerKind:
		return "a number from " + strconv.Itoa(i.min) + " to " + strconv.Itoa(i.max)
	case booleanKind:
		return "true or false"
	case scalarKind:
		return "a single value"
	case listKind:
		return "a list"
	case sectionKind, mapKind, configKind:
		return "a map"
	case eitherKind:
		words := make([]string, len(i.either))
		for n, alternative := range i.either {
			words[n] = alternative.want()
		}
		return oneOf(words)
	}
	return "text"
}
