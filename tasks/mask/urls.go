package mask

import (
	"regexp"
	"slices"
	"strings"
)

var (
	// privateBlock is a private key in PEM, whole or cut off, its lines as they are or escaped.
	privateBlock = regexp.MustCompile(`(?s)(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----)(.*?)(-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)`)
	ageKey       = regexp.MustCompile(`AGE-SECRET-KEY-1[0-9A-Za-z]+`)
	// bearer is a login as HTTP writes it.
	bearer = regexp.MustCompile(`(?i)\b(bearer|basic)(\s+)([A-Za-z0-9+/_.~=-]{8,})`)
	// option is a login as connection strings and command lines write it.
	option = regexp.MustCompile(`(?i)\b((?:[\w-]*(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key))=)([^\s;&"'\\,)]+)`)
	// address is a URL: scheme, user, host, path, query.
	address = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)([^\s/@"'<>\\]*@)?([^\s/?#"'<>\\@]*)([^\s?#"'<>\\]*)(\?[^\s#"'<>\\]*)?`)
	// mysqlLogin is the user of a data source name without a scheme.
	mysqlLogin = regexp.MustCompile(`([\w.-]+:)([^\s"'\\]+)(@(?:tcp|tcp6|unix|udp)\()`)
	// hookPath is where the path of a web hook begins to be its password.
	hookPath = regexp.MustCompile(`(?i)(/(?:services|webhooks?|webhookb2|hooks?|workflows|integrations?|incomingwebhook)/|/bot)(.+)$`)
)

// maskBlocks hides what is a secret by its own look.
func maskBlocks(text string) string {
	// Most texts have none of it, and to look for a word is cheaper than for a pattern.
	lower := foldedWords(text)
	if strings.Contains(text, "PRIVATE KEY-----") {
		text = maskKeys(text)
	}
	text = ageKey.ReplaceAllStringFunc(text, Secret)
	if strings.Contains(lower, "bearer") || strings.Contains(lower, "basic") {
		text = maskLogins(text)
	}
	if !slices.ContainsFunc(optionWords, func(w string) bool { return strings.Contains(lower, w) }) {
		return text
	}
	return option.ReplaceAllStringFunc(text, func(s string) string {
		x := option.FindStringSubmatch(s)
		if harmless(x[2]) || strings.HasPrefix(x[2], "[secret") {
			return s
		}
		return x[1] + Secret(x[2])
	})
}

// optionWords are those of which option needs one, as foldedWords has them.
var optionWords = []string{"password=", "passwd=", "pwd=", "secret=", "token=", "key="}

// foldedWords is a text in which a word that patterns find in any case is in lower case:
// U+017F is an s to them.
func foldedWords(text string) string { return strings.ReplaceAll(strings.ToLower(text), "\u017f", "s") }

func maskKeys(text string) string {
	return privateBlock.ReplaceAllStringFunc(text, func(block string) string {
		x := privateBlock.FindStringSubmatch(block)
		body := strings.TrimRight(x[2], "\n")
		if strings.HasPrefix(strings.TrimSpace(body), "[secret ") {
			return block
		}
		// A line of its own for each of the key's: the text around counts on them.
		return x[1] + Secret(body) + strings.Repeat("\n", strings.Count(x[2], "\n")) + x[3]
	})
}

// maskLogins hides what follows Bearer or Basic in HTTP.
func maskLogins(text string) string {
	return bearer.ReplaceAllStringFunc(text, func(s string) string {
		x := bearer.FindStringSubmatch(s)
		if !strings.ContainsAny(x[3], "0123456789=") { // "basic authentication"
			return s
		}
		return x[1] + x[2] + Secret(x[3])
	})
}

// plainOptions are the names in a query that give nothing away.
func plainOptions() []string {
	return []string{"sslmode", "tls", "db", "orgid", "charset", "parsetime", "interval", "timeout", "collation", "loc", "version", "format"}
}

// maskURLs hides passwords and tokens of URLs: in the user's part, in the query, and in the
// paths of web hooks.
func maskURLs(text string) string {
	if strings.Contains(text, "@") {
		text = mysqlLogin.ReplaceAllStringFunc(text, func(s string) string {
			x := mysqlLogin.FindStringSubmatch(s)
			return x[1] + maskedOnce(x[2]) + x[3]
		})
	}
	if !strings.Contains(text, "://") {
		return text
	}
	return address.ReplaceAllStringFunc(text, maskURL)
}

func maskURL(s string) string {
	x := address.FindStringSubmatch(s)
	user, way, query := x[2], x[4], x[5]
	if user != "" {
		name, password, both := strings.Cut(strings.TrimSuffix(user, "@"), ":")
		switch {
		case both && password != "":
			user = name + ":" + maskedOnce(password) + "@"
		case !both && len(name) >= 16: // a token in place of a name
			user = maskedOnce(name) + "@"
		}
	}
	if h := hookPath.FindStringSubmatch(way); h != nil && (len(h[2]) >= 12 || strings.EqualFold(h[1], "/bot")) {
		way = strings.TrimSuffix(way, h[1]+h[2]) + h[1] + maskedOnce(h[2])
	}
	if query != "" {
		parts := strings.Split(query[1:], "&")
		for i, p := range parts {
			name, value, ok := strings.Cut(p, "=")
			if ok && value != "" && !harmless(value) && !slices.Contains(plainOptions(), strings.ToLower(name)) {
				parts[i] = name + "=" + maskedOnce(value)
			}
		}
		query = "?" + strings.Join(parts, "&")
	}
	return x[1] + user + x[3] + way + query
}

// maskedOnce leaves what is masked as it is.
func maskedOnce(value string) string {
	if strings.Contains(value, "[secret") {
		return value
	}
	return Secret(value)
}
