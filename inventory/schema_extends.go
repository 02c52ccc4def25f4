package inventory

import (
	"encoding/json"
	"fmt"
)

// draft is the JSON Schema that ours are written in.
const draft = "https://json-schema.org/draft/2020-12/schema"

// DefaultsSchema returns the JSON Schema of a file that inventories extend.
func DefaultsSchema() ([]byte, error) {
	schema := loosened(table().schema())
	for _, name := range ownKeys() {
		delete(schema["properties"].(map[string]any), name)
	}
	schema["$schema"], schema["title"] = draft, "ghadeploy defaults of inventories"
	schema["description"] = "What several inventories share, which name this file as extends. Keys that start with x- are free for anchors."
	schema["patternProperties"] = map[string]any{"^x-": map[string]any{}}
	out, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the schema: %w", err)
	}
	return append(out, '\n'), nil
}

// whereExtended chooses between two schemas by whether a file says extends.
func whereExtended(then, otherwise map[string]any) map[string]any {
	return map[string]any{
		"if":   map[string]any{"required": []string{extendsKey}, "properties": map[string]any{extendsKey: map[string]any{"type": "string"}}},
		"then": then, "else": otherwise,
	}
}

// loosened is the schema of an inventory without required keys: they may stand in the file
// that it extends. What makes the cluster, and the elements of lists, are whole in one file.
func loosened(schema map[string]any) map[string]any {
	delete(schema, "required")
	for name, section := range schema["properties"].(map[string]any) {
		if !contains(ownKeys(), name) {
			loosen(section)
		}
	}
	return schema
}

func loosen(schema any) {
	switch s := schema.(type) {
	case map[string]any:
		delete(s, "required")
		if properties, ok := s["properties"].(map[string]any); ok {
			for _, p := range properties {
				loosen(p)
			}
		}
		loosen(s["additionalProperties"])
		loosen(s["anyOf"])
	case []any:
		for _, alternative := range s {
			loosen(alternative)
		}
	}
}
