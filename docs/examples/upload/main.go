// Command upload sends a file in parts. Run again after a crash it goes on where it was
// interrupted.
//
//	upload FILE ENTITY/PATH
//	upload --abort FILE ENTITY/PATH   gives up what an interrupted run has left
//
//	IOTFILE_URL           such as https://iotfile.iotfile-system.svc
//	IOTFILE_TOKEN_FILE    the projected token; default /var/run/iotfile/token
//	IF_MATCH              the ETag of the file that is to be replaced; without it there must be none
//	PART_MIB, PARALLEL    size of a part in MiB (16), how many are sent at once (4)
//	SSL_CERT_FILE         the authority that has signed the server's certificate, if it is a private one
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/iotfile-operator/iotfile-operator/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "upload:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	abort := len(arguments) > 0 && arguments[0] == "--abort"
	if abort {
		arguments = arguments[1:]
	}
	if len(arguments) != 2 {
		return errors.New("usage: IOTFILE_URL=… upload [--abort] FILE ENTITY/PATH")
	}
	client, err := iotfile.New(os.Getenv("IOTFILE_URL"), &iotfile.Options{
		Token:  iotfile.TokenFile(cmp.Or(os.Getenv("IOTFILE_TOKEN_FILE"), iotfile.DefaultTokenFile)),
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)), // tells of each retry
	})
	if err != nil {
		return err
	}
	if abort {
		err := client.Abort(ctx, arguments[1], nil)
		if errors.Is(err, iotfile.ErrNotFound) {
			return nil
		}
		return err
	}
	return upload(ctx, client, arguments[0], arguments[1])
}

// upload sends the file name to path.
func upload(ctx context.Context, client *iotfile.Client, name, path string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	options, err := settings()
	if err != nil {
		return err
	}
	options.Timestamp = info.ModTime()
	sent, err := client.Upload(ctx, path, file, info.Size(), options)
	if errors.Is(err, iotfile.ErrConflict) && options.IfMatch == nil {
		if there, e := client.Stat(ctx, path); e == nil {
			return fmt.Errorf("the file exists, with ETag %d: set IF_MATCH to replace it", there.Version)
		}
	}
	if err != nil {
		return err
	}
	fmt.Printf("%s is there, ETag %d\n", sent.Path, sent.Version)
	return nil
}

// settings reads the environment.
func settings() (*iotfile.UploadOptions, error) {
	mib, err := positive("PART_MIB", "16")
	if err != nil {
		return nil, err
	}
	parallel, err := positive("PARALLEL", "4")
	if err != nil {
		return nil, err
	}
	options := &iotfile.UploadOptions{PartSize: int64(mib) << 20, Concurrency: parallel}
	if text := os.Getenv("IF_MATCH"); text != "" {
		version, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, errors.New("IF_MATCH must be an ETag, which is a number")
		}
		options.IfMatch = &version
	}
	return options, nil
}

func positive(variable, fallback string) (int, error) {
	n, err := strconv.Atoi(cmp.Or(os.Getenv(variable), fallback))
	if err != nil || n < 1 {
		return 0, errors.New(variable + " must be a positive number")
	}
	return n, nil
}
