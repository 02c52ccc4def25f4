package tasks

import (
	"path"
	"regexp"
	"strings"
)

// Two programs print their lines into the answer of observe.sh as they are, since a shell
// that took each apart would need longer than the programs: sha256sum and grep.

// sumLine is one of sha256sum: the hash, and the file's path below the current generation,
// or the unit's own. A backslash before the hash says that the path is escaped.
var sumLine = regexp.MustCompile(`^(\\?)([0-9a-f]{64}) [ *](/|\./)(.+)$`)

// serverLine is one of grep over all grafana.ini: the generation, and a section's head or
// a key of where Grafana answers.
var serverLine = regexp.MustCompile(`^\./([^/\t]+)/etc/grafana\.ini:(.*)$`)

var unescapeSum = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r")

// programLine takes a line that is no record. What this version does not know is left
// out, so that a script may say more than is asked of it.
func (p *factsParser) programLine(line string) {
	if m := sumLine.FindStringSubmatch(line); m != nil {
		name := m[4]
		if m[1] != "" {
			name = unescapeSum.Replace(name)
		}
		switch {
		case m[3] == "./":
			p.f.Files[name] = m[2]
		case "/"+name == p.unit:
			p.f.Unit.SHA256 = m[2]
		}
		return
	}
	m := serverLine.FindStringSubmatch(line)
	if m == nil {
		return
	}
	id, text := m[1], strings.TrimRight(m[2], " \r")
	if strings.HasPrefix(text, "[") {
		p.section = id + text
	} else if p.section == id+"[server]" {
		if p.f.Servers[id] == nil {
			p.f.Servers[id] = serverOf{}
		}
		p.f.Servers[id].add(text)
	}
}

// unitFile takes "unit PATH MANAGED".
func (p *factsParser) unitFile(v []string) error {
	p.unit = path.Clean(v[0])
	p.f.Unit.Exists, p.f.Unit.Managed = true, second(v) != ""
	return nil
}
