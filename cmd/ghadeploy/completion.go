package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/check"
)

const completionLong = `Print a completion script for a shell.

  bash:  source <(ghadeploy completion bash)
  zsh:   ghadeploy completion zsh > "${fpath[1]}/_ghadeploy"
  fish:  ghadeploy completion fish > ~/.config/fish/completions/ghadeploy.fish

Hosts and groups come from the inventory on the command line.`

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "completion bash|zsh|fish|powershell",
		Short:     "Print a completion script for a shell",
		Long:      completionLong,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE:      func(cmd *cobra.Command, args []string) error { return a.completion(cmd.Root(), args[0]) },
	}
}

func (a *app) completion(root *cobra.Command, shell string) error {
	switch shell {
	case "zsh":
		return root.GenZshCompletion(a.streams.Out)
	case "fish":
		return root.GenFishCompletion(a.streams.Out, true)
	case "powershell":
		return root.GenPowerShellCompletionWithDesc(a.streams.Out)
	}
	return root.GenBashCompletionV2(a.streams.Out, true)
}

// complete registers a flag's completion.
func (a *app) complete(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	// The only error is an unknown flag, and the tests complete every one.
	_ = cmd.RegisterFlagCompletionFunc(flag, f)
}

func fixed(words ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

// completeLimit offers hosts and groups, also after the operators of a pattern.
func (a *app) completeLimit(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	cut := strings.LastIndexAny(toComplete, ":,&!") + 1
	done := toComplete[:cut]
	var out []string
	for _, word := range a.hostWords(cmd, args) {
		if strings.HasPrefix(word, toComplete[cut:]) {
			out = append(out, done+word)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeHosts offers host names as arguments after the inventory.
func (a *app) completeHosts(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
	}
	c, err := a.glance(cmd, args)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, h := range c.Hosts {
		if !slices.Contains(args[1:], h.Name) {
			out = append(out, h.Name)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// hostWords are the hosts and groups of the inventory; none when it does not load.
func (a *app) hostWords(cmd *cobra.Command, args []string) []string {
	c, err := a.glance(cmd, args)
	if err != nil {
		return nil
	}
	words := []string{"all"}
	for _, g := range c.Groups {
		words = append(words, g.Name)
	}
	for _, h := range c.Hosts {
		words = append(words, h.Name)
	}
	return words
}

// glance reads the inventory without its secrets and files: completing a word
// must not run a command or ask for a password.
func (a *app) glance(cmd *cobra.Command, args []string) (*inventory.Cluster, error) {
	return inventory.Load(cmd.Context(), a.inventoryPath(args), inventory.Options{SkipFiles: true})
}

// completeInventory offers inventories for the first argument.
func completeInventory(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeChecks offers the names of the checks with what they look at.
func completeChecks(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return append(check.Names(), "all\tno check at all"), cobra.ShellCompDirectiveNoFileComp
}
