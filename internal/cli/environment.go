package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/connection"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// Exit statuses. That of an interrupt is what shells make of SIGINT.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// Streams are where a command reads and writes. What was asked for goes to Out, what happens to
// Err.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// environment is what all commands share.
type environment struct {
	Streams
	args  []string
	flags *connection.Flags
	// openStore opens a bucket. The commands are given it: all they know of object storage is the
	// seam to it.
	openStore filestore.Factory
	// page has the files that ui serves.
	page fs.FS
	// again is the command line that goes on where this one was interrupted, "" where none does.
	again string
}

// usageError is one of the command line: another attempt of the same will fail, too.
type usageError struct{ error }

// Unwrap gives the error itself.
func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errFailed is the end of a command that has told already what has failed.
var errFailed = errors.New("failed")

// exit tells of the end of a command, and gives its status.
func (e *environment) exit(ctx context.Context, err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		fmt.Fprintln(e.Err, "\nInterrupted. Nothing was aborted: what has arrived stays.")
		if e.again != "" {
			fmt.Fprintln(e.Err, "To go on:\n  "+e.again)
		}
		return exitInterrupted
	case errors.Is(err, errFailed):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(e.Err, "error: %s\n", report.Printable(err.Error()))
		return exitUsage
	}
	fmt.Fprintf(e.Err, "error: %s\n", report.Message(err))
	return exitFailed
}

// commandLine is the one that was typed, as a shell takes it.
func (e *environment) commandLine() string {
	words := []string{e.program()}
	for _, arg := range e.args[1:] {
		words = append(words, shellQuote(arg))
	}
	return strings.Join(words, " ")
}

// program is how this program is called. kubectl calls a plugin by its path, which nobody has
// typed.
func (e *environment) program() string {
	_, err := exec.LookPath("kubectl")
	found, missing := exec.LookPath("kubectl-iotfile")
	if err == nil && missing == nil && filepath.IsAbs(e.args[0]) && found == e.args[0] {
		return "kubectl iotfile"
	}
	return shellQuote(e.args[0])
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]+$`)

// shellQuote makes text one word of a shell command.
func shellQuote(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// examples indents the examples of a command as help shows them.
func examples(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}
