package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// docsResult is the document of docs -o json.
type docsResult struct {
	Section   string `json:"section,omitempty"`
	Reference string `json:"reference"` // annotated YAML
}

func (a *app) docsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "docs [SECTION]",
		Short: "Print the inventory reference: every key, its default, what it means",
		Example: `  ghadeploy docs
  ghadeploy docs rollout
  ghadeploy docs grafana.artifact`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return inventory.Sections(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			section := ""
			if len(args) > 0 {
				section = args[0]
			}
			return a.docs(section)
		},
	}
}

func (a *app) docs(section string) error {
	text, err := inventory.Reference(section)
	if err != nil {
		return usage("%v", err)
	}
	return a.render(docsResult{section, text}, func() error {
		_, err := io.WriteString(a.streams.Out, text)
		return err
	})
}

// manCommand writes the reference of all commands, for packages and docs/.
func (a *app) manCommand() *cobra.Command {
	var markdown bool
	cmd := &cobra.Command{
		Use: "man FOLDER", Short: "Write man pages, or Markdown, of all commands", Hidden: true,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.man(cmd.Root(), args[0], markdown) },
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "Markdown instead of man pages")
	return cmd
}

func (a *app) man(root *cobra.Command, folder string, markdown bool) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("write the reference: %w", err)
	}
	root.DisableAutoGenTag = true // a date would make every build differ
	var err error
	if markdown {
		err = doc.GenMarkdownTree(root, folder)
	} else {
		err = doc.GenManTree(root, &doc.GenManHeader{Title: "GHADEPLOY", Section: "1", Source: "ghadeploy", Manual: "ghadeploy"}, folder)
	}
	if err != nil {
		return fmt.Errorf("write the reference: %w", err)
	}
	return nil
}
