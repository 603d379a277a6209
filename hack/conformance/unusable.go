package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// unusable are the stores that are known not to be usable, and why, in the word of the FileStore's
// condition Ready. Neither the suite nor the REST API comes to an end on them.
var unusable = map[devcluster.StoreKind]string{devcluster.StoreRclone: v1alpha1.ReasonPartsNotReplaced}

// refused reports whether the operator refuses the store for that reason.
func refused(ctx context.Context, s *settings, reason, dir string, out io.Writer) (bool, error) {
	system, err := devcluster.Up(ctx, devcluster.Options{Dir: dir, External: &s.store, Log: os.Stderr})
	if err == nil {
		fmt.Fprintln(out, "The operator uses this store, which is known not to be usable.")
		return false, system.Stop()
	}
	if ctx.Err() != nil {
		return false, errors.Join(err, context.Cause(ctx))
	}
	fmt.Fprintln(out, err)
	if !strings.Contains(err.Error(), reason) {
		return false, nil
	}
	fmt.Fprintf(out, "\nThe operator refuses it (%s), as it has to.\n", reason)
	return true, nil
}
