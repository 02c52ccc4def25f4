package inventory

import (
	"slices"
	"strings"
)

// argumentVars hold arguments for ssh, in the order in which Ansible passes them. Of
// an option that is given twice ssh takes the first.
var argumentVars = []string{"ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"}

// quietOptions are those that ghadeploy does in its own way, or that have nothing to
// do with how a host is reached; without "-" they are of -o.
var quietOptions = []string{
	"controlmaster", "controlpersist", "controlpath", "batchmode", "preferredauthentications", "serveraliveinterval",
	"serveralivecountmax", "tcpkeepalive", "compression", "forwardagent", "forwardx11", "loglevel", "requesttty", "escapechar",
	"passwordauthentication", "kbdinteractiveauthentication", "challengeresponseauthentication", "pubkeyauthentication",
	"gssapiauthentication", "gssapidelegatecredentials", "checkhostip", "updatehostkeys", "hashknownhosts",
	"-A", "-a", "-C", "-n", "-N", "-q", "-T", "-t", "-v", "-vv", "-vvv", "-X", "-x",
}

// insteadOf says where else an option can be written; for those not named here it
// is ~/.ssh/config.
var insteadOf = map[string]string{
	"user": "ansible_user", "-l": "ansible_user", "port": "ansible_port", "-p": "ansible_port",
	"identityfile": "ansible_ssh_private_key_file", "-i": "ansible_ssh_private_key_file",
	"connecttimeout": "ssh.connect_timeout under ghadeploy",
}

// sshArguments takes over what arguments for ssh say of the way to a host and of its
// key. What else they say is told by name, unless it makes no difference here.
func (a *ansibleToNative) sshArguments(vars map[string]ansibleVar, out *node) {
	for _, name := range argumentVars {
		v, ok := a.variable(vars, name)
		if !ok {
			continue
		}
		pos := v.value.pos
		set := func(key string, value *node) {
			if out.get(key) == nil {
				out.set(key, pos, value)
			}
		}
		for _, o := range sshOptions(v.value.text) {
			switch o.name {
			case "proxyjump", "-J":
				set("proxy_jump", &node{shape: scalarShape, tag: "!!str", text: o.value, pos: pos})
			case "proxycommand":
				if !a.jinja[pos] {
					set("proxy_command", &node{shape: scalarShape, tag: "!!str", text: o.value, pos: pos})
				}
			case "userknownhostsfile":
				a.knownHosts(name, o.value, pos, set)
			case "stricthostkeychecking":
				a.hostKeys(name, o.value, pos, set)
			default:
				if !slices.Contains(quietOptions, o.name) {
					where := insteadOf[o.name]
					if where == "" {
						where = "~/.ssh/config"
					}
					a.rep.warnf(pos, "write it as "+where, "%s: %s is not taken over", name, clip(o.shown))
				}
			}
		}
	}
}

// verifiedAlways is what to do where Ansible was told not to look at host keys.
const verifiedAlways = "ghadeploy verifies host keys, always: ghadeploy trust INVENTORY saves them once, ssh: {host_keys: accept-new} under ghadeploy learns new ones"

// knownHosts takes over the files with the hosts' keys, but for a file that can hold none.
func (a *ansibleToNative) knownHosts(name, value string, pos Position, set func(string, *node)) {
	files := &node{shape: listShape, pos: pos}
	for f := range strings.FieldsSeq(value) {
		if f == "/dev/null" || strings.EqualFold(f, "none") {
			a.rep.warnf(pos, verifiedAlways, "%s: UserKnownHostsFile=%s is not taken over", name, f)
			continue
		}
		files.items = append(files.items, &node{shape: scalarShape, tag: "!!str", text: f, pos: pos})
	}
	if len(files.items) > 0 {
		set("known_hosts", files)
	}
}

func (a *ansibleToNative) hostKeys(name, value string, pos Position, set func(string, *node)) {
	switch strings.ToLower(value) {
	case "no", "off":
		a.rep.warnf(pos, verifiedAlways, "%s: StrictHostKeyChecking=%s is not taken over", name, clip(value))
	case "accept-new":
		set("host_keys", &node{shape: scalarShape, tag: "!!str", text: "accept-new", pos: pos})
	}
}

// sshOption is one option among arguments for ssh.
type sshOption struct {
	name  string // of -o in lower case, or a flag as it is: "-J"
	value string
	shown string // for people, without the value
}

// flagsWithValue are ssh's flags that a value follows.
const flagsWithValue = "BbcDEeFIiJLlmOoPpQRSWw"

// sshOptions takes arguments for ssh apart.
func sshOptions(text string) (out []sshOption) {
	words := shellWords(text)
	for i := 0; i < len(words); i++ {
		w := words[i]
		if len(w) < 2 || w[0] != '-' {
			continue
		}
		flag, value := w, ""
		if strings.IndexByte(flagsWithValue, w[1]) >= 0 {
			flag, value = w[:2], w[2:]
			if value == "" && i+1 < len(words) {
				i++
				value = words[i]
			}
		}
		o := sshOption{name: flag, value: value, shown: flag}
		if flag == "-o" {
			// Key=Value or Key Value, as in ssh_config.
			key, rest := value, ""
			if at := strings.IndexAny(value, "= \t"); at >= 0 {
				key, rest = value[:at], strings.TrimLeft(value[at:], "= \t")
			}
			o = sshOption{name: strings.ToLower(key), value: strings.Trim(rest, `"`), shown: "-o " + key}
		}
		out = append(out, o)
	}
	return out
}

// shellWords splits as a shell does, and as Ansible with Python's shlex. A quote that
// is never closed ends with the text.
func shellWords(text string) (words []string) {
	var word strings.Builder
	var quote rune
	inWord, escaped := false, false
	for _, r := range text {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			inWord, escaped = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			inWord, quote = true, r
		case strings.ContainsRune(" \t\n\r", r):
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}
