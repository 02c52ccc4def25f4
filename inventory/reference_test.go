package inventory

import (
	"fmt"
	"strings"
	"testing"
)

// The printed reference must be what the loader takes, or it has drifted.
func TestReferenceLoads(t *testing.T) {
	all, err := Reference("")
	if err != nil {
		t.Fatal(err)
	}
	rep := newReporter("reference", []byte(all))
	root := parse(rep, []byte(all))
	if root == nil {
		t.Fatal(rep.err())
	}
	c := &checker{rep: rep, bad: map[*node]bool{}}
	c.check(root, table(), "")
	if err := rep.err(); err != nil {
		t.Errorf("the reference does not load:\n%v\n%s", err, all)
	}
	for _, name := range Sections() {
		if root.get(name) == nil {
			t.Errorf("the reference leaves %s out", name)
		}
		if part, err := Reference(name); err != nil || !strings.Contains(part, name+":") {
			t.Errorf("Reference(%q) = %q, %v", name, part, err)
		}
	}
}

func TestReferenceMentionsEveryKey(t *testing.T) {
	all, _ := Reference("")
	var walk func(it *item, path string)
	walk = func(it *item, path string) {
		for _, f := range it.fields {
			if strings.HasSuffix(path, ".ssh") {
				continue
			}
			if !strings.Contains(all, f.name+":") {
				t.Errorf("%s.%s is missing", path, f.name)
			}
			if (f.kind == textKind || f.kind == integerKind) && f.doc == "" && f.want() == "text" && f.shown() == "" {
				t.Errorf("%s.%s has neither words nor an example", path, f.name)
			}
			walk(f.item, path+"."+f.name)
		}
		if it.of != nil {
			walk(it.of, path)
		}
	}
	walk(table(), "")
}

func TestReferenceUnknownSection(t *testing.T) {
	if _, err := Reference("rolout"); err == nil || !strings.Contains(err.Error(), `did you mean "rollout"?`) {
		t.Errorf("error = %v", err)
	}
}

func ExampleReference() {
	text, _ := Reference("grafana.tls")
	fmt.Print(text)
	// Output:
	// grafana:
	//   # Makes Grafana serve HTTPS itself.
	//   tls:
	//     # Certificate chain, PEM.
	//     # required
	//     cert: ./tls/grafana.crt
	//     # Private key, PEM.
	//     # required
	//     key: ./tls/grafana.key
}
