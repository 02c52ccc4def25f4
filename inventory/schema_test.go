package inventory

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

func compiledSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	return compile(t, Schema)
}

func compile(t testing.TB, source func() ([]byte, error)) *jsonschema.Schema {
	t.Helper()
	src, err := source()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(src))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("inventory.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("inventory.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// validate reads a fixture as an editor does and asks the schema.
func validate(t testing.TB, schema *jsonschema.Schema, src []byte) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(src, &v); err != nil {
		return err
	}
	data, err := json.Marshal(jsonable(v))
	if err != nil {
		return err
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return err
	}
	return schema.Validate(instance)
}

func jsonable(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = jsonable(v[k])
		}
	case []any:
		for i := range v {
			v[i] = jsonable(v[i])
		}
	case time.Time:
		return v.Format(time.DateOnly)
	}
	return v
}

// The same fixtures are accepted and refused by schema and loader. What is in
// testdata/semantic breaks a rule over several values, which a schema cannot say.
func TestSchemaAndLoaderAgree(t *testing.T) {
	schema := compiledSchema(t)
	for _, test := range []struct {
		dir                      string
		schemaTakes, loaderTakes bool
		least                    int
	}{
		{"valid", true, true, 5},
		{"invalid", false, false, 20},
		{"semantic", true, false, 10},
	} {
		files, _ := filepath.Glob("testdata/" + test.dir + "/*.yaml")
		if len(files) < test.least {
			t.Errorf("only %d fixtures in %s", len(files), test.dir)
		}
		for _, path := range files {
			t.Run(test.dir+"/"+filepath.Base(path), func(t *testing.T) {
				src, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := validate(t, schema, src); (err == nil) != test.schemaTakes {
					t.Errorf("schema: %v", err)
				}
				_, err = Load(t.Context(), path, Options{SkipFiles: true})
				if (err == nil) != test.loaderTakes {
					t.Errorf("loader: %v", err)
				}
				var ds Diagnostics
				if err != nil && !errors.As(err, &ds) {
					t.Errorf("not a diagnostic: %v", err)
				}
			})
		}
	}
}
