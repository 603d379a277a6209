package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/connection"
	"github.com/iotfile-operator/iotfile-operator/internal/version"
)

func (e *environment) version() *cobra.Command {
	o := &output{}
	var own bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the versions of this program and of the operator",
		Long: `Show the version of this program, the commit that it was built from, and the platform; and the version of the operator,
which the REST API tells whoever has a good token, with a warning where the two were not tested together. The exit
status is 1 where the operator could not be asked.`,
		Example: examples(`
kubectl iotfile version
kubectl iotfile version --client -o 'jsonpath={.client.version}'`),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.runVersion(cmd.Context(), o, own) },
	}
	cmd.Flags().BoolVar(&own, "client", false, "Show that of this program alone, and ask nobody")
	o.add(cmd)
	return cmd
}

func (e *environment) runVersion(ctx context.Context, o *output, own bool) error {
	object := header("Version")
	object["client"] = map[string]any{"version": version.Number(), "revision": version.Revision(), "goVersion": runtime.Version()}
	if !o.objects() {
		fmt.Fprintf(e.Out, "kubectl-iotfile %s (revision %s, %s, %s/%s)\n", version.Number(), version.Revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	}
	var failed error
	if !own {
		var operator string
		if operator, failed = e.operatorVersion(ctx); failed == nil {
			object["operator"] = map[string]any{"version": operator}
			if !o.objects() {
				fmt.Fprintf(e.Out, "operator        %s\n", operator)
			}
			if skew := connection.Skew(operator); skew != "" {
				fmt.Fprintf(e.Err, "warning: %s\n", skew)
			}
		}
	}
	if o.objects() {
		if err := o.printOne(e.Out, object); err != nil {
			return err
		}
	}
	return failed
}

// operatorVersion asks the REST API.
func (e *environment) operatorVersion(ctx context.Context) (string, error) {
	c, err := e.flags.Connect(ctx, nil)
	if err != nil {
		return "", fmt.Errorf("the operator's version: %w", err)
	}
	operator, err := c.OperatorVersion(ctx)
	if err == nil && operator == "" {
		err = errors.New("the REST API does not tell it: the operator is older than this program, or a hop takes headers away")
	}
	if err != nil {
		return "", fmt.Errorf("the operator's version: %w", err)
	}
	return operator, nil
}
