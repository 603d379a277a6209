package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/iotfile-operator/iotfile-operator/internal/version"
)

func (e *environment) version() *cobra.Command {
	o := &output{}
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Show the version of this program",
		Long:    `Show the version of this program, the commit that it was built from, and the platform.`,
		Example: examples(`kubectl iotfile version`),
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if o.objects() {
				object := header("Version")
				object["version"], object["revision"], object["goVersion"] = version.Number(), version.Revision(), runtime.Version()
				return o.printOne(e.Out, object)
			}
			fmt.Fprintf(e.Out, "kubectl-iotfile %s (revision %s, %s, %s/%s)\n", version.Number(), version.Revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
	o.add(cmd)
	return cmd
}
