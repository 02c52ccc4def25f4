package mask

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// Masker hides secrets in text that people or programs will see: every value that the
// inventory marks as secret, in all the forms that a program may print it in; and what is a
// secret by its place: below a key that says so, in a URL, in a PEM block.
type Masker struct{ known *replacer }

// newMasker knows the secrets of an inventory. A value of less than eight characters that
// is also a word of public (a name, a path) is hidden at its place only.
func newMasker(secrets []inventory.Secret, public ...string) Masker {
	values := make([]string, 0, len(secrets))
	for _, s := range secrets {
		if v := s.Reveal(); len(v) >= surelySecret || !isPublic(v, public) {
			values = append(values, v)
		}
	}
	return Masker{known: newReplacer(values)}
}

// surelySecret is the length from which a value is no word that stands in any text.
const surelySecret = 8

func isPublic(value string, public []string) bool {
	return slices.ContainsFunc(public, func(p string) bool { return strings.Contains(strings.ToLower(p), strings.ToLower(value)) })
}

// For is the masker of everything that is said of a cluster. It is safe for
// concurrent use.
func For(c *inventory.Cluster) Masker {
	p := c.Paths
	public := []string{"grafana", "postgres", "mysql", "admin", "root", "redis", "ghadeploy", "secret", "password", c.Name, p.Root, p.Data,
		p.Logs, p.Etc, p.State, p.Service, p.User,
		c.Database.Name, c.Database.User, c.Grafana.Admin.User, c.Grafana.Version}
	for _, h := range slices.Concat(c.Hosts, c.LoadBalancer.Hosts) {
		public = append(public, h.Name, h.Address)
	}
	return newMasker(SecretsOf(c), public...)
}

// Secret is what stands for a secret: equal for equal values, so that a change shows.
func Secret(value string) string {
	return "[secret " + inventory.NewSecret(value, "").Fingerprint() + "]"
}

// Line hides secrets in a line or more that somebody else wrote: a host's output, an error,
// a log.
func (m Masker) Line(text string) string {
	return maskURLs(maskBlocks(m.known.replace(text)))
}

// Text is a whole file as it may be shown. What is not in a format that is understood is
// not shown at all but identified.
func (m Masker) Text(name string, b []byte) []byte {
	if bytes.IndexByte(b, 0) >= 0 || !utf8.Valid(b) {
		return Fingerprint(b)
	}
	text := string(b)
	var found []finding
	ok := false
	switch strings.ToLower(path.Ext(name)) {
	case ".yaml", ".yml":
		found, ok = yamlSecrets(b)
	case ".json":
		found, ok = jsonSecrets(b)
	case ".toml":
		found, ok = assignedSecrets(text)
	case ".ini":
		found, ok = assignedSecrets(text)
	case ".crt", ".pem", ".cer":
		ok = strings.Contains(text, "-----BEGIN CERTIFICATE-----")
	}
	if !ok {
		return Fingerprint(b)
	}
	values := make([]string, 0, len(found))
	for _, f := range found {
		if len(f.value) >= globallyMasked {
			values = append(values, f.value)
		}
	}
	// At their places first, of any length; then wherever else the file repeats one.
	text = newReplacer(values).replace(hideFound(text, found))
	return []byte(hideAssignments(m.Line(text)))
}

// INI is a grafana.ini in which rendering has hidden what it knows to be secret.
func (m Masker) INI(b []byte) []byte { return []byte(hideAssignments(m.Line(string(b)))) }

// Again is the text of a file as a host has it, which may have been hidden before: what is
// hidden already stays as it is.
func (m Masker) Again(name string, b []byte) []byte {
	if IsFingerprint(b) {
		return b
	}
	out := m.Text(name, b)
	if IsFingerprint(out) && bytes.Contains(b, []byte("[secret ")) {
		return m.INI(b) // what stands for a secret is no part of the format
	}
	return out
}

// globallyMasked is the length from which a secret found at one place of a file is hidden
// at every other one.
const globallyMasked = 6

// notShown begins what stands for a file that is not shown.
const notShown = "[not shown: "

// IsFingerprint tells whether b stands for a file that is not shown.
func IsFingerprint(b []byte) bool { return bytes.HasPrefix(b, []byte(notShown)) }

// Fingerprint stands for a file that is not shown.
func Fingerprint(b []byte) []byte {
	sum := sha256.Sum256(b)
	return fmt.Appendf(nil, notShown+"%d bytes, sha256 %s]\n", len(b), hex.EncodeToString(sum[:])[:12])
}

// secretKey is a name that says that its value is a secret. It errs on the side of hiding.
var secretKey = regexp.MustCompile(`(?i)(passw(or)?d|passphrase|pwd$|secret|token|api[_-]?key|private[_-]?key|access[_-]?key|credential|authorization|cookie$|dsn$|connection_?str|webhook|^key$|[a-z0-9][_-]key$|[a-z]Key$)`)

// placeKey is a name of a secret's kind whose value says where or how, not what.
var placeKey = regexp.MustCompile(`(?i)(_url|_uri|_path|_file|_name|_id|_type|_algorithm|_lifetime|_minutes|_seconds|_duration|_interval|_ttl|_enabled|_provider)$`)

// secureKey is a map below which all is secret.
var secureKey = regexp.MustCompile(`(?i)^secure[_-]?(json[_-]?)?(data|settings|fields)$`)

func namesSecret(key string) bool { return secretKey.MatchString(key) && !placeKey.MatchString(key) }

// harmlessValue is no secret though its key sounds like one: a switch, a number of few
// digits, a reference that Grafana resolves, a path, what is masked already.
var harmlessValue = regexp.MustCompile(`^(|true|false|yes|no|null|~|[0-9]{1,5}(ms|s|m|h|d)?|\$__\w+\{[^}]*\}|\$\{\w+\}|\$[A-Z_][A-Z0-9_]*|/[\w./-]+|(\[?secret [0-9a-f]{6}\]?\s*)+|[|>][+-]?[0-9]?)$`)

func harmless(v string) bool { return harmlessValue.MatchString(strings.Trim(v, "\"' \t`")) }

// assignment is a key and its value on one line, in a comment too.
var assignment = regexp.MustCompile(`^([\s#;-]*["']?)([\w.-]+)(["']?\s*[:=]\s*)(\S.*?)(,?\s*)$`)

// commented is a secret somewhere in a comment.
var commented = regexp.MustCompile(`(?i)^(\s*[#;].*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|private[_-]?key|access[_-]?key|credential)[\w-]*["']?\s*[:=]\s*)(\S.*?)\s*$`)

// hideAssignments is the last look at every line by itself: what a comment keeps of an old
// password stands in no tree.
func hideAssignments(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i, l := range lines {
		body := strings.TrimRight(l, "\r\n")
		if c := commented.FindStringSubmatch(body); c != nil && !harmless(c[2]) && !strings.Contains(c[2], "[secret ") {
			lines[i] = c[1] + Secret(c[2]) + l[len(body):]
			continue
		}
		if x := assignment.FindStringSubmatch(body); x != nil && namesSecret(x[2]) && !harmless(x[4]) && !strings.Contains(x[4], "[secret ") &&
			!strings.ContainsAny(x[4][:1], "{[&*") {
			lines[i] = x[1] + x[2] + x[3] + Secret(x[4]) + x[5] + l[len(body):]
		}
	}
	return strings.Join(lines, "")
}
