package inventory

import (
	"strings"
	"testing"
)

const withHosts = `# our cluster
cluster: prod
hosts:
  # all of them stand in Berlin
  h1: {address: 10.0.0.1}
  # the one with the new disk
  h2:
    address: 10.0.0.2   # rack 4
    labels: {rack: b}

  # the last one
  h3: {address: 10.0.0.3}
groups:
  rack-a: {hosts: [h1, h2, h3]}   # ours
  rack-b:
    hosts:
      - h2
      - h3
grafana: {version: 12.3.1}
`

// A host is cut out of the inventory with its own lines, its own comment and its name in
// groups; all other bytes stay.
func TestAHostIsCutOutOfTheInventory(t *testing.T) {
	got, err := RemoveHosts([]byte(withHosts), []string{"h2"})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(`  # the one with the new disk
  h2:
    address: 10.0.0.2   # rack 4
    labels: {rack: b}
`, "", "[h1, h2, h3]", "[h1, h3]", "      - h2\n", "").Replace(withHosts)
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for name, tt := range map[string]struct{ src, host, want string }{
		"the last":        {withHosts, "h3", "rack-a: {hosts: [h1, h2]}   # ours"},
		"the first":       {withHosts, "h1", "  # all of them stand in Berlin\n  # the one with the new disk\n  h2:"},
		"a flow map":      {"hosts: {h1: {address: 10.0.0.1}, h2: {address: \"a}b\"}} # all\nx-a: 1\n", "h2", "hosts: {h1: {address: 10.0.0.1}} # all\nx-a: 1\n"},
		"without a value": {"all:\n  hosts:\n    a1:\n    a2:\n  children:\n    web:\n      hosts:\n        a1:\n        a2:\n", "a1", "all:\n  hosts:\n    a2:\n  children:\n    web:\n      hosts:\n        a2:\n"},
	} {
		got, err := RemoveHosts([]byte(tt.src), []string{tt.host})
		if err != nil || !strings.Contains(string(got), tt.want) {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
	}
	for name, tt := range map[string]struct{ src, why string }{
		"a range":    {"hosts:\n  h[1:3]: {}\n", "range"},
		"the only":   {"hosts:\n  h2: {}\n", "only host"},
		"the dumper": {"hosts:\n  h1: {}\n  h2: {}\ndatabase: {backup: {on: h2}}\n", "database.backup.on"},
	} {
		if _, err := RemoveHosts([]byte(tt.src), []string{"h2"}); err == nil || !strings.Contains(err.Error(), tt.why) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
