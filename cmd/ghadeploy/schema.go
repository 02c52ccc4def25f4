package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"
	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/monitoring"
	"github.com/ghadeploy/ghadeploy/tasks/notify"
	"github.com/ghadeploy/ghadeploy/tasks/verify"
)

// documents are what -o json prints, by the name under which the schema is
// published. Commands that change hosts print a line for each event and then
// one result line.
func documents() map[string]any {
	return map[string]any{
		"plan":      tasks.Plan{},
		"status":    tasks.Status{},
		"event":     event.Event{},
		"result":    lastLine{},
		"error":     errorDocument{},
		"check":     checkResult{},
		"verify":    verify.Report{},
		"validate":  validateResult{},
		"version":   buildVersion{},
		"diff":      diffResult{},
		"exec":      execResult{},
		"history":   historyResult{},
		"run":       runResult{}, // history show
		"releases":  releasesResult{},
		"logs":      tasks.LogLine{}, // one a line
		"lock":      lockResult{},    // and unlock
		"backup":    backupResult{},
		"rehearse":  rehearseResult{},
		"restore":   restoreResult{},
		"copy":      databaseCopyResult{}, // database copy
		"trust":     trustResult{},
		"init":      initResult{}, // and import
		"docs":      docsResult{},
		"keygen":    keygenResult{},
		"encrypt":   encryptResult{},
		"decrypt":   decryptResult{},
		"targets":   []notify.Target{},
		"rules":     monitoring.File{},      // monitoring rules
		"dashboard": monitoring.Dashboard{}, // monitoring dashboard
	}
}

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema [DOCUMENT]",
		Short: "Print the JSON Schema of the inventory, or of what -o json prints",
		Long: `Print the JSON Schema of the inventory, for editors; of "defaults", a file that
inventories extend; or of a document that -o json prints: ` + strings.Join(documentNames(), ", ") + `.

Commands that change hosts (apply, upgrade, restart, rollback, stop, start,
drain, undrain, remove) print one "event" a line and a "result" as the last.`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return append([]string{"inventory", "defaults"}, documentNames()...), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.schema("inventory")
			}
			return a.schema(args[0])
		},
	}
}

func documentNames() []string { return slices.Sorted(maps.Keys(documents())) }

func (a *app) schema(name string) error {
	text, err := schemaOf(name)
	if err != nil {
		return err
	}
	if _, err := a.streams.Out.Write(text); err != nil {
		return fmt.Errorf("write the schema: %w", err)
	}
	return nil
}

func schemaOf(name string) ([]byte, error) {
	switch name {
	case "inventory":
		return inventory.Schema()
	case "defaults":
		return inventory.DefaultsSchema()
	}
	document, ok := documents()[name]
	if !ok {
		return nil, usage("there is no document %q: inventory, defaults, %s", name, strings.Join(documentNames(), ", "))
	}
	r := jsonschema.Reflector{ExpandedStruct: true, Anonymous: true, Mapper: asText}
	s := r.Reflect(document)
	s.Title = "ghadeploy " + name
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("make the schema of %s: %w", name, err)
	}
	return append(text, '\n'), nil
}

// asText is the schema of values that JSON has as one line of text.
func asText(t reflect.Type) *jsonschema.Schema {
	if t == reflect.TypeFor[tasks.Step]() {
		return &jsonschema.Schema{Type: "string"}
	}
	return nil
}
