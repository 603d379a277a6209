package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/doctor"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
)

// defaultProbe is above what a body without a length may have, so that a hop that takes the length
// away is found out, and above the default limits of most forwarders.
const defaultProbe = 17 << 20

func (e *environment) doctor() *cobra.Command {
	o := &output{}
	probe := byteSize(defaultProbe)
	options := doctor.Options{Flags: e.flags}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what keeps files from getting through",
		Long: `Check, in this order: the Kubernetes API, the kinds, the operator, the FileStore of the namespace, what it does not
protect, whether object storage deletes uploads before their time, the address of the REST API with its certificate,
whether the REST API answers there, the clocks, the token, the rights, and the way: by an upload whose one part is sent
and aborted, and by a request that is refused before its body is sent. What fails has a line that says how to mend it.

What could not be checked is "unknown", and never "ok". The exit status is 1 where something has failed.`,
		Example: examples(`
kubectl iotfile doctor
# as an application, with the rights that it has for one entity
kubectl iotfile doctor -n team-a --as-sa app --entity 0123456789abcdef0123456789abcdef`),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options.ProbeSize = int64(probe)
			return e.runDoctor(cmd.Context(), o, options)
		},
	}
	cmd.Flags().Var(&probe, "probe-size", "Bytes of the part that is sent")
	o.add(cmd)
	return cmd
}

func (e *environment) runDoctor(ctx context.Context, o *output, options doctor.Options) error {
	var err error
	if options.Entity, err = e.entityOr(""); err != nil {
		return err
	}
	failed := false
	var items []map[string]any
	doctor.Run(ctx, options, func(f doctor.Finding) {
		failed = failed || f.State == doctor.Failure
		if o.objects() {
			item := header("Finding")
			item["check"], item["state"], item["detail"] = f.Check, string(f.State), f.Detail
			if f.Remedy != "" {
				item["remedy"] = f.Remedy
			}
			items = append(items, item)
			return
		}
		fmt.Fprintf(e.Out, "%-8s %-15s %s\n", f.State, f.Check, report.Printable(f.Detail))
		if f.Remedy != "" {
			fmt.Fprintf(e.Out, "%24s -> %s\n", "", report.Printable(f.Remedy))
		}
	})
	if o.objects() {
		if err := o.printList(e.Out, "Finding", items); err != nil {
			return err
		}
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case failed:
		return errFailed
	}
	return nil
}
