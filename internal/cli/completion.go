package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// completer is what kubectl calls to complete the arguments of `kubectl iotfile`: this program, by
// another name.
const completer = "kubectl_complete-iotfile"

func (e *environment) completion(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Write what has a shell complete the arguments of kubectl-iotfile",
		Long: `Write the commands that have a shell complete the arguments of kubectl-iotfile. Those of "kubectl iotfile" are completed
by kubectl's own completion, which looks for a program kubectl_complete-iotfile: a link to this one.`,
		Example: examples(`
source <(kubectl-iotfile completion bash)
# for kubectl iotfile, where kubectl completes already
ln -s "$(command -v kubectl-iotfile)" ~/.local/bin/kubectl_complete-iotfile`),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(_ *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(e.Out, true)
			case "zsh":
				return root.GenZshCompletion(e.Out)
			case "fish":
				return root.GenFishCompletion(e.Out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(e.Out)
			}
			return fmt.Errorf("there is no completion for %s", args[0])
		},
	}
}
