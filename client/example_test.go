package iotfile_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/iotfile-operator/iotfile-operator/client"
)

// An entity is what files belong to, such as an asset or a device.
const entity = "0123456789abcdef0123456789abcdef"

// A file is sent, in parts if it is large. Killed and started again, in another pod if need be, the
// same lines go on where they were interrupted.
func Example() {
	client, err := iotfile.New(os.Getenv("IOTFILE_URL"), &iotfile.Options{Token: iotfile.TokenFile(os.Getenv("IOTFILE_TOKEN_FILE"))})
	if err != nil {
		log.Fatal(err)
	}
	file, err := os.Open("example_test.go")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		log.Fatal(err)
	}
	sent, err := client.Upload(context.Background(), entity+"/example/whole.go", file, info.Size(), &iotfile.UploadOptions{Type: "text/x-go"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sent.Size == info.Size(), sent.Version, sent.Type)
	// Output: true 0 text/x-go
}

// exampleClient is the client of the examples below.
func exampleClient(options iotfile.Options) *iotfile.Client {
	options.Token = iotfile.TokenFile(os.Getenv("IOTFILE_TOKEN_FILE"))
	client, err := iotfile.New(os.Getenv("IOTFILE_URL"), &options)
	if err != nil {
		log.Fatal(err)
	}
	return client
}

// A file is replaced: whoever else has replaced it meanwhile is not overwritten.
func ExampleClient_Upload_replace() {
	client, ctx := exampleClient(iotfile.Options{Logger: slog.New(slog.DiscardHandler)}), context.Background()
	path := entity + "/example/state.txt"
	_ = client.Delete(ctx, path, nil) // of an earlier run
	first, err := client.Upload(ctx, path, strings.NewReader("one"), 3, nil)
	if err != nil {
		log.Fatal(err)
	}
	second, err := client.Upload(ctx, path, strings.NewReader("two"), 3, &iotfile.UploadOptions{IfMatch: &first.Version})
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Upload(ctx, path, strings.NewReader("2nd"), 3, &iotfile.UploadOptions{IfMatch: &first.Version})
	fmt.Println(first.Version, second.Version, errors.Is(err, iotfile.ErrConflict))
	// Output: 0 1 true
}

// A stream is sent whose length nobody knows.
func ExampleClient_UploadStream() {
	client, ctx := exampleClient(iotfile.Options{}), context.Background()
	path := entity + "/example/stream.txt"
	_ = client.Delete(ctx, path, nil) // of an earlier run
	file, err := client.UploadStream(ctx, path, strings.NewReader("as it comes"), &iotfile.UploadOptions{Description: "a stream"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(file.Size, file.Description)
	// Output: 11 a stream
}

// A file is read into another one. The checkpoint lets a later process go on.
func ExampleClient_Download() {
	client, ctx := exampleClient(iotfile.Options{}), context.Background()
	path := entity + "/example/down.txt"
	if _, err := client.Upload(ctx, path, strings.NewReader("down again"), 10, nil); err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	state := filepath.Join(dir, "down.state")
	file, err := os.OpenFile(filepath.Join(dir, "down.txt"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	earlier, _ := os.ReadFile(state) // there may be none
	_, err = client.Download(ctx, path, file, &iotfile.DownloadOptions{
		Resume:     earlier,
		Checkpoint: func(now []byte) { _ = os.WriteFile(state, now, 0o600) }, // a lost one costs a range
	})
	if err != nil {
		log.Fatal(err)
	}
	data, _ := os.ReadFile(file.Name())
	fmt.Printf("%s\n", data)
	// Output: down again
}

// A file is read line by line.
func ExampleClient_Open() {
	client, ctx := exampleClient(iotfile.Options{}), context.Background()
	path := entity + "/example/lines.txt"
	if _, err := client.Upload(ctx, path, strings.NewReader("one\ntwo\n"), 8, nil); err != nil {
		log.Fatal(err)
	}
	reader, err := client.Open(ctx, path)
	if err != nil {
		log.Fatal(err)
	}
	defer reader.Close()
	for lines := bufio.NewScanner(reader); lines.Scan(); {
		fmt.Println(lines.Text())
	}
	// Output:
	// one
	// two
}

// Files are found by what is known of them.
func ExampleClient_Search() {
	client, ctx := exampleClient(iotfile.Options{}), context.Background()
	for _, name := range []string{"a.log", "b.log", "c.txt"} {
		if _, err := client.Upload(ctx, entity+"/example/search/"+name, strings.NewReader(name), int64(len(name)), nil); err != nil {
			log.Fatal(err)
		}
	}
	options := &iotfile.SearchOptions{Filter: "path eq 'example/search' and name eq '*.log'", Order: "name desc"}
	for file, err := range client.Search(ctx, entity, options) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(file.Path, file.Size)
	}
	// Output:
	// 0123456789abcdef0123456789abcdef/example/search/b.log 5
	// 0123456789abcdef0123456789abcdef/example/search/a.log 5
}

// Each attempt is counted, such as for metrics.
func ExampleOptions_onAttempt() {
	client := exampleClient(iotfile.Options{OnAttempt: func(a iotfile.Attempt) { fmt.Println(a.Op, a.Number, a.Status) }})
	_, err := client.Stat(context.Background(), entity+"/example/there is none")
	fmt.Println(err != nil)
	// Output:
	// stat 1 404
	// true
}
