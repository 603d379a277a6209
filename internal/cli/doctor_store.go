package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/doctor"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// storeFlags say how a bucket is reached, as a FileStore does.
type storeFlags struct {
	endpoint, region, prefix, style string
}

// storeFlagNames are those that mean nothing without --store.
var storeFlagNames = []string{"region", "prefix", "addressing-style"}

func (s *storeFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.endpoint, "store", "", "Examine BUCKET at this URL instead of an installation; --ca-file is for its certificate, too")
	cmd.Flags().StringVar(&s.region, "region", "us-east-1", "Region that requests to --store are signed for")
	cmd.Flags().StringVar(&s.prefix, "prefix", "iotfile-doctor/", "What the keys begin with that are made in --store")
	cmd.Flags().StringVar(&s.style, "addressing-style", string(v1alpha1.AddressingAuto), "How --store is told the bucket: Auto, Path, VirtualHosted")
}

// check refuses what cannot be right.
func (s *storeFlags) check(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New("--store takes one BUCKET behind it")
	}
	if cmd.Flags().Changed("probe-size") || cmd.Flags().Changed("probe-time") {
		return errors.New("--probe-size and --probe-time are not of --store")
	}
	switch v1alpha1.AddressingStyle(s.style) {
	case v1alpha1.AddressingAuto, v1alpha1.AddressingPath, v1alpha1.AddressingVirtualHosted:
	default:
		return fmt.Errorf("--addressing-style is Auto, Path or VirtualHosted, and not %s", s.style)
	}
	if s.prefix == "" || !strings.HasSuffix(s.prefix, "/") || strings.HasPrefix(s.prefix, "/") {
		return errors.New("--prefix ends with a slash, and does not begin with one")
	}
	if os.Getenv("AWS_ACCESS_KEY_ID") == "" || os.Getenv("AWS_SECRET_ACCESS_KEY") == "" {
		return errors.New("--store takes its keys from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	return nil
}

// runStoreDoctor examines a bucket.
func (e *environment) runStoreDoctor(ctx context.Context, o *doctorOptions, bucket string) error {
	s := &o.store
	config := filestore.Config{
		Name: "doctor", Endpoint: s.endpoint, Region: s.region, Bucket: bucket, Prefix: s.prefix, AddressingStyle: v1alpha1.AddressingStyle(s.style),
		Credentials: &filestore.Credentials{
			AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
		},
	}
	if file := e.flags.CAFile(); file != "" {
		bundle, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		config.CABundle = bundle
	}
	return e.tellFindings(ctx, &o.output, func(tell func(doctor.Finding)) {
		doctor.RunStore(ctx, doctor.StoreOptions{Config: config, Open: e.openStore}, tell)
	})
}
