package inventory

import (
	"os"
	"path/filepath"
	"testing"
)

func TestExamplesLoadWithoutWarnings(t *testing.T) {
	schema := compiledSchema(t)
	files, _ := filepath.Glob("../examples/*.yaml")
	if len(files) < 8 {
		t.Fatalf("only %d examples", len(files))
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			c, err := Load(t.Context(), path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Warnings) > 0 {
				t.Errorf("warnings:\n%v", c.Warnings)
			}
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := validate(t, schema, src); err != nil {
				t.Error(err)
			}
			if next, err := SetVersion(src, "99.1.2"); err != nil || len(next) == 0 {
				t.Errorf("its version cannot be set: %v", err)
			}
		})
	}
}

// The inventories of the folder load with what they extend, and no secret of theirs is read.
func TestExamplesOfAFleetLoad(t *testing.T) {
	files, _ := filepath.Glob("../examples/fleet/clusters/*.yaml")
	if len(files) != 6 {
		t.Fatalf("%d clusters", len(files))
	}
	schema := compiledSchema(t)
	for _, path := range files {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, schema, src); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		c, err := Load(t.Context(), path, Options{})
		if err != nil || len(c.Warnings) > 0 {
			t.Errorf("%v %v", err, c)
		} else if c.Name+".yaml" != filepath.Base(path) || len(c.Extends) != 1 {
			t.Errorf("%s is the cluster %s", path, c.Name)
		}
	}
	src, err := os.ReadFile("../examples/fleet/defaults.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(t, compile(t, DefaultsSchema), src); err != nil {
		t.Error(err)
	}
}
