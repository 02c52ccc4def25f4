package inventory

import (
	"encoding/json"
	"fmt"
)

// Schema returns the JSON Schema (draft 2020-12) of an inventory, for editors.
// It says all that can be said about one value at a time; rules over several
// values (groups name hosts that exist, one address once) are [Load]'s.
func Schema() ([]byte, error) {
	root := table()
	native := root.schema()
	native["patternProperties"] = map[string]any{"^x-": map[string]any{}}
	extending := loosened(root.schema())
	extending["patternProperties"] = native["patternProperties"]
	extending["required"] = []string{"cluster", "hosts"}
	schema := map[string]any{
		"$schema":     draft,
		"title":       "ghadeploy inventory",
		"description": root.doc,
		"type":        "object",
		"if":          map[string]any{"required": []string{"all"}},
		"then":        map[string]any{"$ref": "#/$defs/ansible"},
		"else":        whereExtended(map[string]any{"$ref": "#/$defs/extending"}, map[string]any{"$ref": "#/$defs/inventory"}),
		"$defs":       map[string]any{"inventory": native, "extending": extending, "ansible": ansibleSchema(root)},
	}
	out, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the schema: %w", err)
	}
	return append(out, '\n'), nil
}

// ansibleSchema knows our sections under all.vars.ghadeploy and leaves the rest to Ansible.
func ansibleSchema(root *item) map[string]any {
	extending := loosened(ansibleSections(root))
	extending["required"] = []string{"cluster"}
	sections := whereExtended(extending, ansibleSections(root))
	group := map[string]any{
		"type": []string{"object", "null"},
		"properties": map[string]any{
			"hosts":    map[string]any{"type": []string{"object", "string", "null"}},
			"children": map[string]any{"type": []string{"object", "string", "null"}},
		},
	}
	all := map[string]any{
		"type":     "object",
		"required": []string{"vars"},
		"properties": map[string]any{
			"hosts": group["properties"].(map[string]any)["hosts"], "children": group["properties"].(map[string]any)["children"],
			"vars": map[string]any{"type": "object", "required": []string{ansibleSection}, "properties": map[string]any{ansibleSection: sections}},
		},
	}
	return map[string]any{"type": "object", "properties": map[string]any{"all": all}, "additionalProperties": group}
}

// ansibleSections are the sections where hosts and groups are Ansible's.
func ansibleSections(root *item) map[string]any {
	sections := root.schema()
	properties := sections["properties"].(map[string]any)
	delete(properties, "groups")
	properties["hosts"] = map[string]any{"type": []string{"string", "null"},
		"description": "Pattern over the Ansible inventory of the hosts that run Grafana.", "default": "all"}
	if lb, ok := properties["load_balancer"].(map[string]any); ok {
		inner := lb["properties"].(map[string]any)
		inner["hosts"] = map[string]any{"anyOf": []any{map[string]any{"type": "string"}, inner["hosts"]}}
	}
	var required []string
	for _, name := range sections["required"].([]string) {
		if name != "hosts" {
			required = append(required, name)
		}
	}
	sections["required"] = required
	return sections
}

// schema is the item as JSON Schema without null.
func (i *item) schema() map[string]any {
	s := map[string]any{}
	if i.doc != "" {
		s["description"] = i.doc
	}
	if i.def != "" {
		s["default"] = i.defaultValue()
	}
	switch i.kind {
	case textKind, secretKind:
		i.textSchema(s)
	case integerKind:
		s["type"], s["minimum"], s["maximum"] = "integer", i.min, i.max
	case booleanKind:
		s["type"] = "boolean"
	case scalarKind:
		s["type"] = []string{"string", "number", "boolean"}
	case listKind:
		s["type"], s["items"] = "array", i.of.schema()
		if i.nonEmpty {
			s["minItems"] = 1
		}
	case sectionKind:
		i.sectionSchema(s)
	case mapKind:
		s["type"], s["additionalProperties"] = "object", i.of.nullable()
		s["propertyNames"] = map[string]any{"pattern": i.names.pattern}
		if i.nonEmpty {
			s["minProperties"] = 1
		}
	case configKind:
		names := map[string]any{"pattern": i.names.pattern}
		value := (&item{kind: scalarKind}).nullable()
		s["type"], s["propertyNames"] = "object", names
		s["additionalProperties"] = map[string]any{"anyOf": []any{value,
			map[string]any{"type": "object", "propertyNames": names, "additionalProperties": value}}}
	case eitherKind:
		var alternatives []any
		for _, a := range i.either {
			alternatives = append(alternatives, a.schema())
		}
		s["anyOf"] = alternatives
	}
	return s
}

func (i *item) textSchema(s map[string]any) {
	s["type"] = "string"
	if i.format != nil && i.format.asWritten {
		s["type"] = []string{"string", "number"}
	}
	if i.format != nil {
		s["pattern"] = i.format.pattern
	}
	if len(i.enum) > 0 {
		s["enum"] = i.enum
	}
}

func (i *item) sectionSchema(s map[string]any) {
	properties := map[string]any{}
	required := []string{}
	for _, f := range i.fields {
		if f.required {
			required = append(required, f.name)
			properties[f.name] = f.schema()
		} else {
			properties[f.name] = f.nullable()
		}
	}
	s["type"], s["properties"], s["additionalProperties"] = "object", properties, false
	if len(required) > 0 {
		s["required"] = required
	}
}

// nullable is the schema of a key that may be left empty.
func (i *item) nullable() map[string]any {
	s := i.schema()
	switch kind := s["type"].(type) {
	case string:
		s["type"] = []string{kind, "null"}
	case []string:
		s["type"] = append(kind, "null")
	default:
		s["anyOf"] = append(s["anyOf"].([]any), map[string]any{"type": "null"})
	}
	if len(i.enum) > 0 {
		words := make([]any, 0, len(i.enum)+1)
		for _, w := range i.enum {
			words = append(words, w)
		}
		s["enum"] = append(words, nil)
	}
	return s
}

// defaultValue is the default as the type it has.
func (i *item) defaultValue() any {
	if i.kind == integerKind || i.kind == booleanKind || i.kind == eitherKind {
		var v any
		if json.Unmarshal([]byte(i.def), &v) == nil {
			return v
		}
	}
	return i.def
}
