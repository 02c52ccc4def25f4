package inventory

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const pageFile = "../docs/inventory.md"

const pageHead = `# The inventory

One YAML file describes one cluster. This page is what ` + "`ghadeploy docs`" + ` prints, section by section: every key with
its meaning, its default or an example, and what it may be. ` + "`ghadeploy docs rollout`" + ` prints one section, and
` + "`ghadeploy schema`" + ` the JSON Schema for an editor. Whole inventories are in [examples/](../examples).

- Unknown keys are errors, with "did you mean". Keys that begin with ` + "`x-`" + ` are free for YAML anchors.
- Relative paths are relative to the file they stand in; ` + "`~`" + ` is your home directory.
- What many inventories share lies in a file that they name as ` + "`extends`" + `: [many clusters](../examples/fleet/README.md).
- What a host says wins over its groups, a later group over an earlier one, any of them over the cluster, key by key.
- A secret is ` + "`${env:NAME}`, `${file:path}`, `${cmd:command}`" + ` or an age value: [secrets](secrets.md).
- A file whose root is ` + "`all:`" + `, or one in INI, is read as an Ansible inventory: [migrating from Ansible](migrating-from-ansible.md).

`

// page is docs/inventory.md as the loader's table makes it.
func page(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("<!-- Made by: go test ./inventory -run Page -update -->\n" + pageHead)
	for _, s := range Sections() {
		text, err := Reference(s)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("## " + s + "\n\n```yaml\n" + strings.TrimRight(text, "\n") + "\n```\n\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func TestInventoryPageIsWhatTheLoaderKnows(t *testing.T) {
	want := page(t)
	if *update {
		if err := os.WriteFile(pageFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/inventory.md is out of date (-made +committed), next: go test ./inventory -run Page -update\n%s", diff)
	}
}
