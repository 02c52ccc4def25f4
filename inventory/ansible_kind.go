package inventory

import (
	"bytes"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// significant are the first lines of a text that are neither empty nor a comment of INI.
func significant(src []byte, most int) (lines []string) {
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	for line := range bytes.Lines(src) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && line[0] != ';' {
			lines = append(lines, string(line))
		}
		if len(lines) == most {
			break
		}
	}
	return lines
}

// iniHeader is a section at the beginning of a line, where no map of YAML has one.
var iniHeader = regexp.MustCompile(`(?m)^[ \t]*\[[^:\]\s]+(?::[\pL\pN_]+)?\][ \t]*(?:[#;].*)?\r?$`)

// isAnsibleINI tells by name and content whether a file is read as INI. Ansible asks no
// name: it tries YAML and then INI.
func isAnsibleINI(path string, src []byte) bool {
	first := significant(src, 1)
	if len(first) == 0 {
		return isININame(path)
	}
	if iniHeader.MatchString(first[0]) {
		return true
	}
	if strings.HasPrefix(first[0], "---") || !isININame(path) && (first[0][0] == '{' || first[0][0] == '%' || mapKey.MatchString(first[0])) {
		return false
	}
	if isININame(path) || iniHeader.Match(src) {
		return true
	}
	if isYAMLName(path) {
		return false
	}
	return hostsAlone(path, src, first[0])
}

// hostsAlone tells whether a file holds hosts, one a line, and no section: a single value to
// YAML. So is a secret in a file of its own, which must not be taken for a host.
func hostsAlone(path string, src []byte, first string) bool {
	doc, err := parseYAML(src)
	return err == nil && doc.root != nil && doc.root.Tag == "!!str" && iniHosted(first) &&
		(iniVariable.Match(src) || slices.Contains([]string{"hosts", "inventory"}, filepath.Base(path)))
}

// iniVariable is a variable behind a host.
var iniVariable = regexp.MustCompile(`(?m)^[ \t]*[^\s=]+[ \t]+[A-Za-z_][A-Za-z0-9_]*=`)

func isININame(path string) bool { return strings.EqualFold(filepath.Ext(path), ".ini") }

func isYAMLName(path string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(path)))
}

// iniHosted tells whether a line may be that of a host.
func iniHosted(line string) bool {
	words, err := iniWords(line)
	if err != nil || len(words) == 0 {
		return false
	}
	for _, w := range words[1:] {
		if !strings.Contains(w.text, "=") {
			return false
		}
	}
	_, _, err = iniHosts(words[0].text)
	return err == nil
}

// iniSetting is key = value, as a grafana.ini has it and the hosts of an inventory do not.
var iniSetting = regexp.MustCompile(`^[^\s=\[]+\s*=`)

// IsGrafanaINI tells a grafana.ini from an Ansible inventory by what stands in it: settings
// below plain sections. Of a file in which nothing stands the name decides.
func IsGrafanaINI(path string, src []byte) bool {
	for _, line := range significant(src, 1000) {
		if m := iniSection.FindStringSubmatch(line); m != nil {
			if m[2] != "" {
				return false // [group:vars]
			}
			continue
		}
		return iniSetting.MatchString(line) && (isININame(path) || iniHeader.Match(src))
	}
	return isININame(path)
}

// staticFirst is how a dynamic inventory becomes a static one.
func staticFirst(path string) string {
	return "ghadeploy reads static inventories: ansible-inventory -i " + path + " --list --yaml > hosts.yaml makes one of it"
}

// foreignFile tells, and reports, that a file is not an inventory but makes one, or that it
// is encrypted.
func foreignFile(rep *reporter, src []byte) bool {
	switch {
	case bytes.HasPrefix(src, []byte("#!")):
		rep.hintf(rep.at(1, 1), staticFirst(rep.file), "this is a program, an Ansible inventory that is dynamic")
	case bytes.HasPrefix(src, vaulted):
		rep.hintf(rep.at(1, 1), "keep the inventory readable and put secrets into ${cmd:ansible-vault view FILE} or another reference",
			"the file is encrypted with ansible-vault, which ghadeploy does not open")
	default:
		return false
	}
	rep.hideLine(1)
	return true
}

// foreignRoot does the same for a file of YAML or JSON.
func foreignRoot(rep *reporter, root *node) bool {
	if root.get("_meta").get("hostvars") != nil {
		rep.hintf(root.pos, "add --yaml to the command that made it",
			"this is what ansible-inventory --list prints as JSON, with other keys than an inventory has")
		return true
	}
	if p := root.get("plugin"); p != nil && root.get("hosts") == nil && root.get("all") == nil {
		rep.hintf(p.pos, staticFirst(rep.file), "this configures the inventory plugin %s of Ansible, which is dynamic", clip(p.text))
		return true
	}
	return false
}
