package inventory

import (
	"regexp"
	"strings"
)

// secretName tells whether a setting of grafana.ini, or a variable, is a secret
// by its name. It errs on the side of hiding.
func secretName(section, name string) bool {
	name = strings.ToLower(name)
	switch section + "." + name {
	case "database.url", "remote_cache.connstr", "database.connection_string", "session.provider_config":
		return true
	}
	for _, suffix := range []string{"password", "passwd", "secret", "secret_key", "token", "api_key", "apikey", "private_key", "passphrase",
		"cert_pass"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// secretLine finds a key whose value must not be shown in a diagnostic.
var secretLine = regexp.MustCompile(`(?i)([\w.-]*(?:password|passwd|secret|secret_key|token|api_?key|private_key|passphrase|cert_pass|connstr|connection_string|(?:ssh|sudo|become)_pass)["']?\s*:\s*)("[^"]*"?|'[^']*'?|[^\s,}#][^,}#]*)`)

// harmless are values that give nothing away: references, tags and aliases.
var harmless = regexp.MustCompile(`^["']?(\$(\{|__)|[!*&|>{\[]|(true|false|null|~|)["']?$)`)

// hideSecrets blanks literal secrets out of a line that is going to be shown.
func hideSecrets(line string) string {
	return secretLine.ReplaceAllStringFunc(line, func(m string) string {
		sub := secretLine.FindStringSubmatch(m)
		if harmless.MatchString(sub[2]) {
			return m
		}
		return sub[1] + Redacted
	})
}

// hideScalar blanks the scalar that starts at a column.
func hideScalar(line string, column int) string {
	runes := []rune(line)
	if column < 1 || column > len(runes) {
		return line
	}
	head, rest := string(runes[:column-1]), string(runes[column-1:])
	end := len(rest)
	switch {
	case rest[0] == '"' || rest[0] == '\'':
		if i := closingQuote(rest); i > 0 {
			end = i + 1
		}
	case strings.ContainsAny(head, "{["):
		if i := strings.IndexAny(rest, ",}]"); i >= 0 {
			end = i
		}
	default:
		if i := strings.Index(rest, " #"); i >= 0 {
			end = i
		}
	}
	return head + Redacted + rest[end:]
}

// closingQuote finds the end of a quoted scalar.
func closingQuote(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[0] == '"' && s[i] == '\\':
			i++
		case s[i] == s[0] && s[0] == '\'' && i+1 < len(s) && s[i+1] == '\'':
			i++
		case s[i] == s[0]:
			return i
		}
	}
	return -1
}
