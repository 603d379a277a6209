package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/iotfile-operator/iotfile-operator/client"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
)

func (e *environment) abort() *cobra.Command {
	key := ""
	cmd := &cobra.Command{
		Use:   "abort ENTITY/PATH",
		Short: "Give up the open upload of a file, with its parts",
		Long: `Give up the open upload of a file. Its parts are deleted; a finished file is not touched. Uploads that "put" has started
need no key. Others need the Idempotency-Key that they were started with; with rights on MultipartUploads in the
namespace, "kubectl delete multipartupload NAME" ends any.`,
		Example: examples(`kubectl iotfile abort 0123456789abcdef0123456789abcdef/logs/engine.bin`),
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return e.runAbort(cmd.Context(), args[0], key) },
	}
	cmd.Flags().StringVar(&key, "key", "", "Idempotency-Key that the upload was started with (default that of put)")
	return cmd
}

func (e *environment) runAbort(ctx context.Context, arg, key string) error {
	name, c, err := e.connectFor(ctx, arg)
	if err != nil {
		return err
	}
	err = c.Abort(ctx, name, &iotfile.AbortOptions{Key: key})
	if errors.Is(err, iotfile.ErrConflict) && key == "" {
		return fmt.Errorf("%s. The key is given by --key", report.Message(err))
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(e.Err, "aborted the upload of", report.Printable(name))
	return nil
}
