package tasks

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// masker hides secrets in text that people will see: every value the inventory
// marks as secret, and every value whose key says that it is one, for files that
// the operator wrote (ldap.toml, provisioning).
type masker struct {
	known *strings.Replacer
}

// minMasked is the shortest value looked for by itself: a password "grafana"
// would blot out half of any text, and what is so short is found by its key.
const minMasked = 8

func newMasker(secrets []inventory.Secret) masker {
	secrets = slices.Clone(secrets)
	// The longest first, or a secret that contains another would show its rest.
	slices.SortFunc(secrets, func(a, b inventory.Secret) int { return len(b.Reveal()) - len(a.Reveal()) })
	var pairs []string
	for _, s := range secrets {
		if len(s.Reveal()) >= minMasked {
			pairs = append(pairs, s.Reveal(), masked(s.Reveal()))
		}
	}
	return masker{known: strings.NewReplacer(pairs...)}
}

// masked is what stands for a secret: equal for equal values, so that a change shows.
func masked(value string) string {
	return "[secret " + inventory.NewSecret(value, "").Fingerprint() + "]"
}

var (
	secretKey   = regexp.MustCompile(`(?i)^(\s*-?\s*"?[\w.-]*(?:passw(?:or)?d|passphrase|secret|token|api_?key|private_?key|access_?key|credential|authorization)[\w.-]*"?\s*[:=]\s*)(.*\S)\s*$`)
	secretBlock = regexp.MustCompile(`(?i)^(\s*)(secureJsonData|secure_settings|secureSettings)\s*:\s*$`)
	anyScalar   = regexp.MustCompile(`^(\s*-?\s*[^#\s][^:=]*[:=]\s*)(.*\S)\s*$`)
)

// text masks a whole file.
func (m masker) text(b []byte) []byte {
	if bytes.IndexByte(b, 0) >= 0 {
		return nil
	}
	lines := strings.SplitAfter(m.known.Replace(string(b)), "\n")
	block := -1 // indentation of the secureJsonData block we are in
	for i, l := range lines {
		body := strings.TrimRight(l, "\r\n")
		end := l[len(body):]
		indent := len(body) - len(strings.TrimLeft(body, " \t"))
		if block >= 0 && strings.TrimSpace(body) != "" && indent <= block {
			block = -1
		}
		pattern := secretKey
		if block >= 0 {
			pattern = anyScalar
		}
		if x := pattern.FindStringSubmatch(body); x != nil && !harmless(x[2]) {
			lines[i] = x[1] + masked(x[2]) + end
		}
		if x := secretBlock.FindStringSubmatch(body); x != nil {
			block = len(x[1])
		}
	}
	return []byte(strings.Join(lines, ""))
}

// harmless values are no secrets though their key sounds like one.
func harmless(v string) bool {
	v = strings.Trim(v, `"' `)
	return v == "" || v == "true" || v == "false" || strings.HasPrefix(v, "$") || strings.HasPrefix(v, "[secret ") || v == "|" || v == ">"
}

// secretsOf collects every secret of an inventory.
func secretsOf(c *inventory.Cluster) (out []inventory.Secret) {
	add := func(s ...inventory.Secret) {
		for _, s := range s {
			if s.IsSet() {
				out = append(out, s)
			}
		}
	}
	redis := func(r inventory.Redis) {
		add(r.Password)
		if r.Sentinel != nil {
			add(r.Sentinel.Password)
		}
	}
	add(c.Grafana.SecretKey, c.Grafana.Admin.Password, c.Grafana.Renderer.Token, c.Database.Password)
	if c.Database.Create != nil {
		add(c.Database.Create.Password)
	}
	redis(c.Alerting.Redis)
	redis(c.Live.Redis)
	redis(c.RemoteCache.Redis)
	hosts := slices.Concat(c.Hosts, c.LoadBalancer.Hosts)
	for _, h := range hosts {
		add(h.SSH.Password, h.SSH.Become.Password)
		for _, s := range h.Config {
			for _, k := range s.Keys {
				if k.Value.IsSecret() {
					add(inventory.NewSecret(k.Value.Reveal(), ""))
				}
			}
		}
		for _, v := range h.Env {
			if v.IsSecret() {
				add(inventory.NewSecret(v.Reveal(), ""))
			}
		}
	}
	for _, n := range c.Notify {
		add(n.URL)
	}
	return out
}
