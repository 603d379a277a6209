package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
)

// waitEvery is how often it is looked for a file: soon enough for a person, and cheap enough for
// days.
const waitEvery = 500 * time.Millisecond

// awaitFile waits until the file is there that says that others are. A destination that cannot be
// right is refused first, and not hours later.
func (e *environment) awaitFile(ctx context.Context, name, destination string) error {
	if name == "" {
		return nil
	}
	if _, err := e.place(destination); err != nil {
		return err
	}
	ticker := time.NewTicker(waitEvery)
	defer ticker.Stop()
	for told := false; ; told = true {
		_, err := os.Stat(name)
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if !told {
			fmt.Fprintf(e.Err, "waiting for %s\n", report.Printable(name))
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
