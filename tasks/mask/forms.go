package mask

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ghadeploy/ghadeploy/remote/quote"
)

// The lengths of values, in bytes, that are looked for in any text.
const (
	// shortestKnown is the shortest: less would blot out parts of words.
	shortestKnown = 4
	// wholeWord: shorter ones are looked for as whole words only.
	wholeWord = 6
	// shortestLine is the shortest line of a secret of several lines.
	shortestLine = 6
)

// replacer finds values in all their forms.
type replacer struct {
	long  *strings.Replacer
	words map[string]string
	word  *regexp.Regexp // nil: there are none
}

func newReplacer(values []string) *replacer {
	r := &replacer{words: map[string]string{}}
	stands := map[string]string{} // form -> mask
	for _, v := range values {
		for _, form := range formsOf(v) {
			if _, seen := stands[form]; !seen {
				stands[form] = Secret(v)
			}
		}
	}
	forms := make([]string, 0, len(stands))
	for form := range stands {
		forms = append(forms, form)
	}
	// The longest first, or a secret that contains another would show its rest.
	slices.SortFunc(forms, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	var pairs, words []string
	for _, f := range forms {
		if len(f) >= wholeWord {
			pairs = append(pairs, f, stands[f])
			continue
		}
		r.words[f] = stands[f]
		words = append(words, regexp.QuoteMeta(f))
	}
	r.long = strings.NewReplacer(pairs...)
	if len(words) > 0 {
		r.word = regexp.MustCompile(`(^|[^A-Za-z0-9])(` + strings.Join(words, "|") + `)(?:\b|$|[^A-Za-z0-9])`)
	}
	return r
}

func (r *replacer) replace(text string) string {
	text = r.long.Replace(text)
	if r.word == nil {
		return text
	}
	var b strings.Builder
	for {
		at := r.word.FindStringSubmatchIndex(text)
		if at == nil {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:at[4]])
		b.WriteString(r.words[text[at[4]:at[5]]])
		text = text[at[5]:]
	}
}

// formsOf is a value as shells, encoders and log lines spell it, each line of it included.
func formsOf(value string) (forms []string) {
	pieces := []string{value, strings.TrimSpace(value)}
	if strings.ContainsAny(value, "\r\n") {
		for line := range strings.Lines(value) {
			if line = strings.TrimSpace(line); len(line) >= shortestLine && !strings.HasPrefix(line, "-----") {
				pieces = append(pieces, line)
			}
		}
	}
	for _, p := range pieces {
		if len(p) < shortestKnown {
			continue
		}
		forms = append(forms, p)
		for _, f := range spellings(p) {
			if len(f) >= shortestKnown {
				forms = append(forms, f)
			}
		}
	}
	return forms
}

func spellings(p string) []string {
	inJSON, _ := json.Marshal(p) // a string can be marshalled
	quoted, shell := strconv.Quote(p), quote.Words(p)
	out := []string{
		url.QueryEscape(p), url.PathEscape(p), strings.ReplaceAll(url.QueryEscape(p), "+", "%20"), url.UserPassword("", p).String()[1:],
		strings.Trim(string(inJSON), `"`), html.EscapeString(p), quoted[1 : len(quoted)-1],
		strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(p), // JSON and options of programs, without HTML's escapes
		strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(p),             // pgpass
		strings.ReplaceAll(p, `'`, `''`), strings.ReplaceAll(p, `%`, `%%`),
		strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(p), // within a shell's double quotes
		shell,
	}
	if len(shell) > 2 && shell[0] == '\'' {
		out = append(out, shell[1:len(shell)-1])
	}
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		out = append(out, e.EncodeToString([]byte(p)), e.EncodeToString([]byte(p+"\n")))
	}
	return out
}
