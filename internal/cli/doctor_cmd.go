package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/doctor"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
)

// defaultProbe is above what a body without a length may have, so that a hop that takes the length
// away is found out, and above the default limits of most forwarders.
const defaultProbe = 17 << 20

// defaultProbeTime is above Envoy's limit on a request (15 s), and short enough to be waited for.
const defaultProbeTime = 20 * time.Second

// doctorOptions are the flags of doctor.
type doctorOptions struct {
	output
	doctor.Options
	probe byteSize
	store storeFlags
}

func (e *environment) doctor() *cobra.Command {
	o := &doctorOptions{Options: doctor.Options{Flags: e.flags}, probe: defaultProbe}
	cmd := &cobra.Command{
		Use:   "doctor [BUCKET]",
		Short: "Find out what keeps files from getting through",
		Long: `Check, in this order: the Kubernetes API, the kinds, the operator, the FileStore of the namespace, what it does not
protect, whether object storage deletes uploads before their time, the address of the REST API with its certificate,
whether the REST API answers there, its version, the clocks, the token, the rights, and the way. That is tried by an
upload which is aborted: a large part, one that pauses, and one that comes slowly; and by requests that are refused
before their body is sent. They find limits on the size and the time of bodies, hops that keep bodies back, send them
on in chunks, change paths or swallow Expect, and say which hop it is, as far as that tells. What fails has a line that
says how to mend it. It takes about as long as --probe-time; the usual limits of forwarders are found by 55s.

What could not be checked is "unknown", and never "ok". The exit status is 1 where something has failed.

With --store it examines a bucket instead, from here and without a cluster: by the probe of the operator, and by files
that are sent, completed, cut short, raced for, aborted and deleted, all below --prefix. The keys are taken from
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. The last line is the verdict; the exit status is 1
unless the bucket is usable.`,
		Example: examples(`
kubectl iotfile doctor
# as an application, with the rights that it has for one entity
kubectl iotfile doctor -n team-a --as-sa app --entity 0123456789abcdef0123456789abcdef
# would this bucket do?
kubectl iotfile doctor --store https://s3.eu-central-1.amazonaws.com --region eu-central-1 my-bucket`),
		Args: o.checkArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.store.endpoint != "" {
				return e.runStoreDoctor(cmd.Context(), o, args[0])
			}
			return e.runDoctor(cmd.Context(), o)
		},
	}
	cmd.Flags().Var(&o.probe, "probe-size", "Bytes of the part that is sent")
	cmd.Flags().DurationVar(&o.ProbeTime, "probe-time", defaultProbeTime, "How long a part takes, and another one pauses, at most 55s; 0 to leave that out")
	o.store.add(cmd)
	o.add(cmd)
	return cmd
}

// checkArgs takes a bucket with --store, and nothing without.
func (o *doctorOptions) checkArgs(cmd *cobra.Command, args []string) error {
	if o.store.endpoint != "" {
		return o.store.check(cmd, args)
	}
	for _, name := range storeFlagNames {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s is one of --store", name)
		}
	}
	if o.ProbeTime < 0 || o.ProbeTime > doctor.MaxProbeTime {
		return fmt.Errorf("--probe-time is from 0 to %s", doctor.MaxProbeTime)
	}
	return cobra.NoArgs(cmd, args)
}

func (e *environment) runDoctor(ctx context.Context, o *doctorOptions) error {
	var err error
	if o.Entity, err = e.entityOr(""); err != nil {
		return err
	}
	o.ProbeSize = int64(o.probe)
	return e.tellFindings(ctx, &o.output, func(tell func(doctor.Finding)) { doctor.Run(ctx, o.Options, tell) })
}

// tellFindings shows what an examination finds, each when it is known.
func (e *environment) tellFindings(ctx context.Context, o *output, examine func(tell func(doctor.Finding))) error {
	failed := false
	var items []map[string]any
	examine(func(f doctor.Finding) {
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
